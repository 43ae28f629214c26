#include "text/tokenizer/merge_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/random.h"

namespace loquat::text {
namespace {

using Pairs = std::map<std::pair<TokenId, TokenId>, MergeTable::Merge>;

// The definition, taken literally: look at all pairs, merge the best, start again.
std::vector<TokenId> MergeLiterally(const Pairs& pairs, std::vector<TokenId> ids) {
  for (;;) {
    MergeTable::Merge best;
    std::size_t at = 0;
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
      const auto it = pairs.find({ids[i], ids[i + 1]});
      if (it != pairs.end() && it->second.rank < best.rank) {
        best = it->second;
        at = i;
      }
    }
    if (best.id < 0) return ids;
    ids[at] = best.id;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

TEST(MergeTable, MergesAsTheDefinitionSaysInShortAndLongWords) {
  const std::uint64_t seed = testing::UnitTest::GetInstance()->random_seed() + 7;
  base::Random random(seed);
  MergeScratch scratch;
  for (int round = 0; round < 2000; ++round) {
    Pairs pairs;
    MergeTable table(60);
    TokenId next = 4;
    for (std::uint32_t rank = 0; rank < 40; ++rank) {
      const auto left = static_cast<TokenId>(random.Below(static_cast<std::uint64_t>(next)));
      const auto right = static_cast<TokenId>(random.Below(static_cast<std::uint64_t>(next)));
      // Two pairs may merge into the same token, as "ab" + "c" and "a" + "bc" do.
      const bool known = random.Below(4) == 0;
      const TokenId merged = known ? static_cast<TokenId>(random.Below(static_cast<std::uint64_t>(next))) : next;
      if (!pairs.try_emplace({left, right}, MergeTable::Merge{rank, merged}).second) continue;
      table.Add(left, right, {rank, merged});
      if (!known) ++next;
    }
    std::vector<TokenId> ids(random.Below(round % 10 == 0 ? 300 : 60));
    for (TokenId& id : ids) id = static_cast<TokenId>(random.Below(5)) - 1;  // -1 merges with nothing.
    scratch.ids = ids;
    MergeByRank(table, scratch);
    ASSERT_EQ(scratch.ids, MergeLiterally(pairs, ids)) << "seed " << seed << " round " << round;
  }
}

TEST(MergeTable, KeepsTheFirstOfEqualPairs) {
  MergeTable table(2);
  table.Add(1, 2, {.rank = 0, .id = 3});
  table.Add(1, 2, {.rank = 1, .id = 4});
  EXPECT_EQ(table.Find(1, 2).id, 3);
  EXPECT_EQ(table.Find(2, 1).rank, MergeTable::kNoRank);
}

TEST(MergeTable, MergesAMillionEqualTokens) {
  MergeTable table(16);
  for (TokenId level = 0; level < 10; ++level) {
    table.Add(level, level, {.rank = static_cast<std::uint32_t>(level), .id = level + 1});
  }
  MergeScratch scratch;
  scratch.ids.assign(std::size_t{1} << 20, 0);
  MergeByRank(table, scratch);
  EXPECT_EQ(scratch.ids, std::vector<TokenId>(std::size_t{1} << 10, 10));
}

}  // namespace
}  // namespace loquat::text
