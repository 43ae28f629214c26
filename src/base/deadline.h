// The moment by which a call must be answered. A value; the default has no limit.

#pragma once

#include <algorithm>

#include "base/clock.h"

namespace loquat::base {

class Deadline {
 public:
  Deadline() = default;
  explicit Deadline(TimePoint at) : at_(at) {}
  // A timeout too long for the clock means no limit.
  static Deadline After(const Clock& clock, Duration timeout) {
    const TimePoint now = clock.Now();
    return timeout >= TimePoint::max() - now ? Deadline() : Deadline(now + timeout);
  }

  bool unlimited() const { return at_ == TimePoint::max(); }
  TimePoint at() const { return at_; }
  bool Passed(const Clock& clock) const { return !unlimited() && clock.Now() >= at_; }
  // What is left, never below zero; Duration::max() when unlimited.
  Duration Left(const Clock& clock) const {
    return unlimited() ? Duration::max() : std::max(Duration::zero(), at_ - clock.Now());
  }
  Deadline EarlierOf(Deadline other) const { return at_ < other.at_ ? *this : other; }

 private:
  TimePoint at_ = TimePoint::max();
};

}  // namespace loquat::base
