#include "ingress/kafka/offset_tracker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "base/random.h"

namespace loquat::ingress::kafka {
namespace {

TEST(OffsetTracker, NothingIsCommittedBeforeTheFirstIsDone) {
  OffsetTracker tracker;
  EXPECT_FALSE(tracker.ToCommit());
  ASSERT_TRUE(tracker.Begin(7));
  ASSERT_TRUE(tracker.Begin(8));
  tracker.Finish(8);
  EXPECT_FALSE(tracker.ToCommit()) << "7 is open";
  EXPECT_EQ(tracker.span(), 2U);
  EXPECT_EQ(tracker.open(), 1U);
  tracker.Finish(7);
  EXPECT_EQ(tracker.ToCommit(), 9);
  EXPECT_EQ(tracker.span(), 0U);
}

TEST(OffsetTracker, APositionIsGivenUntilItIsCommitted) {
  OffsetTracker tracker;
  ASSERT_TRUE(tracker.Begin(0));
  tracker.Finish(0);
  EXPECT_EQ(tracker.ToCommit(), 1);
  EXPECT_EQ(tracker.ToCommit(), 1) << "the commit may have failed";
  tracker.Committed(1);
  EXPECT_FALSE(tracker.ToCommit());
  ASSERT_TRUE(tracker.Begin(1));
  tracker.Finish(1);
  EXPECT_EQ(tracker.ToCommit(), 2);
}

TEST(OffsetTracker, ALateAnswerToAnOldCommitMovesNothingBack) {
  OffsetTracker tracker;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(tracker.Begin(i));
  for (int i = 0; i < 3; ++i) tracker.Finish(i);
  tracker.Committed(3);
  tracker.Committed(1);
  EXPECT_FALSE(tracker.ToCommit());
}

TEST(OffsetTracker, GapsInTheLogAreStepped) {
  OffsetTracker tracker;
  ASSERT_TRUE(tracker.Begin(10));
  ASSERT_TRUE(tracker.Begin(1000));
  tracker.Finish(10);
  EXPECT_EQ(tracker.ToCommit(), 11) << "what lies between may still be a record";
  tracker.Finish(1000);
  EXPECT_EQ(tracker.ToCommit(), 1001);
}

TEST(OffsetTracker, ARewoundLogIsSeen) {
  OffsetTracker tracker;
  ASSERT_TRUE(tracker.Begin(5));
  EXPECT_FALSE(tracker.Begin(5));
  EXPECT_FALSE(tracker.Begin(4));
  EXPECT_TRUE(tracker.Begin(6));
  tracker.Finish(5);
  tracker.Finish(6);
  EXPECT_FALSE(tracker.Begin(6)) << "also where nothing is open";
}

// Records end in any order, commits answer late or never: what may be committed is always the lowest open offset, or
// the one after the last where none is open, and no open record lies below it.
TEST(OffsetTracker, TheLowestOpenOffsetIsTheBound) {
  constexpr std::uint64_t kSeed = 20'261'121;
  base::Random random(kSeed);
  for (int round = 0; round < 200; ++round) {
    OffsetTracker tracker;
    std::map<std::int64_t, bool> done;  // The model: every record ever begun.
    std::int64_t next = random() % 100;
    std::int64_t committed = -1;
    for (int step = 0; step < 300; ++step) {
      std::vector<std::int64_t> open;
      for (const auto& [offset, ended] : done) {
        if (!ended) open.push_back(offset);
      }
      if (open.empty() || random() % 2 == 0) {
        next += 1 + (random() % 8 == 0 ? random() % 50 : 0);
        ASSERT_TRUE(tracker.Begin(next));
        done[next] = false;
      } else {
        const std::int64_t offset = open[random() % open.size()];
        tracker.Finish(offset);
        done[offset] = true;
      }
      const auto first_open = std::ranges::find(done, false, [](const auto& record) { return record.second; });
      std::int64_t expected = -1;
      for (auto record = done.begin(); record != first_open; ++record) expected = record->first + 1;
      if (expected > committed) {
        ASSERT_EQ(tracker.ToCommit(), expected);
      } else {
        ASSERT_FALSE(tracker.ToCommit());
      }
      if (tracker.ToCommit() && random() % 4 == 0) {
        committed = expected;
        tracker.Committed(committed);
      }
      ASSERT_EQ(tracker.open(),
                static_cast<std::size_t>(std::ranges::count(done, false, [](const auto& r) { return r.second; })));
    }
  }
}

}  // namespace
}  // namespace loquat::ingress::kafka
