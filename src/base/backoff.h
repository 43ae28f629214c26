// How long to wait before the next try: exponential growth with full jitter, which spreads clients best
// (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
// A value; one thread at a time. The same seed gives the same waits on every machine.

#pragma once

#include "base/check.h"
#include "base/clock.h"
#include "base/random.h"

namespace loquat::base {

struct BackoffOptions {
  Duration first = std::chrono::milliseconds(100);  // The ceiling of the first wait.
  Duration ceiling = std::chrono::seconds(30);      // No wait is longer.
};

class Backoff {
 public:
  // REQUIRES: 0 < first <= ceiling.
  Backoff(BackoffOptions options, std::uint64_t seed) : options_(options), limit_(options.first), random_(seed) {
    LOQUAT_CHECK(options.first > Duration::zero() && options.first <= options.ceiling,
                 "the first wait must be positive and no longer than the ceiling");
  }

  // Uniform from zero to the present limit, which then doubles up to the ceiling.
  Duration Next() {
    const Duration wait(random_.Between(0, limit_.count()));
    limit_ = limit_ > options_.ceiling / 2 ? options_.ceiling : limit_ * 2;
    return wait;
  }

  // After a success: the next wait is a first one again.
  void Reset() { limit_ = options_.first; }

 private:
  BackoffOptions options_;
  Duration limit_;
  Random random_;
};

}  // namespace loquat::base
