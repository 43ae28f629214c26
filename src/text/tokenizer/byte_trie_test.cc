#include "text/tokenizer/byte_trie.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/random.h"

namespace loquat::text {
namespace {

TEST(ByteTrie, FindsWhatAMapFinds) {
  const std::uint64_t seed = testing::UnitTest::GetInstance()->random_seed() + 11;
  base::Random random(seed);
  for (int round = 0; round < 100; ++round) {
    const std::uint64_t alphabet = round % 2 == 0 ? 256 : 3;
    std::map<std::string, std::int32_t> wanted;
    for (std::int32_t value = 0; value < 300; ++value) {
      std::string key;
      for (std::uint64_t size = 1 + random.Below(6); size > 0; --size)
        key.push_back(static_cast<char>(random.Below(alphabet)));
      wanted.try_emplace(key, value);
    }
    std::vector<ByteTrie::Entry> entries;
    for (const auto& [key, value] : wanted) entries.push_back({key, value});
    random.Shuffle(std::span(entries));
    const ByteTrie trie = ByteTrie::Build(entries);
    for (int probe = 0; probe < 1000; ++probe) {
      std::string text;
      for (std::uint64_t size = random.Below(9); size > 0; --size)
        text.push_back(static_cast<char>(random.Below(alphabet)));
      const auto it = wanted.find(text);
      ASSERT_EQ(trie.Find(text), it == wanted.end() ? ByteTrie::kNone : it->second) << "seed " << seed;
      ByteTrie::Match longest;
      for (std::size_t size = 1; size <= text.size(); ++size) {
        const auto prefix = wanted.find(text.substr(0, size));
        if (prefix != wanted.end()) longest = {size, prefix->second};
      }
      const ByteTrie::Match match = trie.Longest(text);
      ASSERT_EQ(match.length, longest.length) << "seed " << seed;
      ASSERT_EQ(match.value, longest.value) << "seed " << seed;
    }
  }
}

TEST(ByteTrie, OfNothingFindsNothing) {
  for (const ByteTrie& trie : {ByteTrie(), ByteTrie::Build({})}) {
    EXPECT_TRUE(trie.empty());
    EXPECT_EQ(trie.Find("a"), ByteTrie::kNone);
    EXPECT_EQ(trie.Longest("\xFF").length, 0U);
  }
}

TEST(ByteTrie, OfEqualKeysKeepsTheLowest) {
  EXPECT_EQ(ByteTrie::Build({{"a", 5}, {"a", 2}, {"b", 1}}).Find("a"), 2);
}

}  // namespace
}  // namespace loquat::text
