// Which offset of one partition may be committed while its records end in any order: the first one that is not done.
// What is committed is the position to go on from after a restart, so nothing below it may be open.
//
// One thread. Offsets are those of the log: they grow, and may have gaps (compaction, transaction markers).

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

namespace loquat::ingress::kafka {

class OffsetTracker {
 public:
  // Takes a record up. False, and nothing changes, where it does not lie above all before it: the log was rewound.
  [[nodiscard]] bool Begin(std::int64_t offset);
  // REQUIRES: begun, and not done yet.
  void Finish(std::int64_t offset);

  // The offset to commit; none before the first record is done, and none again until it moves.
  std::optional<std::int64_t> ToCommit() const;
  // The offset below which everything is done; -1 before the first record is.
  std::int64_t position() const { return position_; }
  // The broker has `offset`: a ToCommit of before.
  void Committed(std::int64_t offset);

  // Records not done, and those done behind one that is not.
  std::size_t span() const { return records_.size(); }
  std::size_t open() const { return open_; }

 private:
  struct Record {
    std::int64_t offset;
    bool done;
  };
  std::deque<Record> records_;  // In the order of offsets; the first one is not done.
  std::size_t open_ = 0;
  std::int64_t last_ = -1;      // The highest begun.
  std::int64_t position_ = -1;  // Everything below is done; -1: nothing yet.
  std::int64_t committed_ = -1;
};

}  // namespace loquat::ingress::kafka
