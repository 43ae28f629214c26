#include "ingress/kafka/offset_tracker.h"

#include <algorithm>

#include "base/check.h"

namespace loquat::ingress::kafka {

bool OffsetTracker::Begin(std::int64_t offset) {
  if (offset <= last_) return false;
  records_.push_back({offset, false});
  last_ = offset;
  ++open_;
  return true;
}

void OffsetTracker::Finish(std::int64_t offset) {
  const auto record = std::ranges::lower_bound(records_, offset, {}, &Record::offset);
  LOQUAT_CHECK(record != records_.end() && record->offset == offset && !record->done,
               "a record is done once, after it was begun");
  record->done = true;
  --open_;
  while (!records_.empty() && records_.front().done) {
    position_ = records_.front().offset + 1;
    records_.pop_front();
  }
}

std::optional<std::int64_t> OffsetTracker::ToCommit() const {
  if (position_ <= committed_) return std::nullopt;
  return position_;
}

void OffsetTracker::Committed(std::int64_t offset) {
  committed_ = std::max(committed_, offset);
}

}  // namespace loquat::ingress::kafka
