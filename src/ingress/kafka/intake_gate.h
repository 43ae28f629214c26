// Whether the partitions should stand still because no more records can be taken. A client that is not polled falls out
// of its group, so a server that is full for long pauses them and goes on polling. One that is full and keeps taking a
// record for each that ends does not: librdkafka forgets what it has fetched of a partition that is paused.
//
// One thread.

#pragma once

#include <chrono>
#include <optional>

#include "base/clock.h"

namespace loquat::ingress::kafka {

inline constexpr std::chrono::milliseconds kFullGrace{100};  // For so long nothing is taken before it closes.

class IntakeGate {
 public:
  // Records were asked for.
  void Polled() { full_since_.reset(); }
  // Where it is closed it opens at half of what may be in flight. True: it is closed.
  bool Update(bool full, bool half_empty, base::TimePoint now) {
    if (!full) {
      full_since_.reset();
    } else if (!full_since_) {
      full_since_ = now;
    }
    closed_ = closed_ ? !half_empty : full_since_ && now - *full_since_ >= kFullGrace;
    return closed_;
  }
  void Close() { closed_ = true; }
  bool closed() const { return closed_; }

 private:
  std::optional<base::TimePoint> full_since_;
  bool closed_ = false;
};

}  // namespace loquat::ingress::kafka
