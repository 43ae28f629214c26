#include "engine/ngram_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "base/random.h"

namespace loquat::engine {
namespace {

std::vector<TokenId> RandomText(base::Random& random, std::size_t tokens, std::uint64_t vocabulary) {
  std::vector<TokenId> text(tokens);
  for (TokenId& token : text) token = static_cast<TokenId>(random.Below(vocabulary));
  return text;
}

// By looking through all of it: where the last run of this length was before, for the last time. Zero: nowhere.
std::uint32_t LastOccurrence(std::span<const TokenId> text, std::uint32_t length) {
  if (text.size() <= length) return 0;
  for (std::size_t next = text.size() - 1; next >= length; --next) {
    if (std::ranges::equal(text.subspan(next - length, length), text.last(length))) {
      return static_cast<std::uint32_t>(next);
    }
  }
  return 0;
}

TEST(NgramIndex, FindsTheLongestRunWhereItWasLast) {
  const std::vector<TokenId> text{1, 2, 3, 4, 50, 9, 2, 3, 4, 60, 8, 3, 4, 70, 7, 1, 2, 3, 4};
  NgramIndex index(100);
  ASSERT_TRUE(index.TakeIn(text));
  const NgramIndex::Found found = index.Find(text);
  EXPECT_EQ(found.length, 4U) << "2 3 4 and 3 4 came later, and are shorter";
  EXPECT_EQ(text[found.next], 50);
}

TEST(NgramIndex, FindsARunThatOverlapsItself) {
  const std::vector<TokenId> text{7, 7, 7, 7, 7, 7};
  NgramIndex index(100);
  ASSERT_TRUE(index.TakeIn(text));
  EXPECT_EQ(index.Find(text).length, 4U);
  EXPECT_EQ(index.Find(text).next, 5U);
}

TEST(NgramIndex, KnowsNothingOfTextsTooShortOrNew) {
  NgramIndex index(100);
  const std::vector<TokenId> text{5, 6, 7, 5, 6};
  for (std::size_t tokens = 1; tokens <= 4; ++tokens) {
    ASSERT_TRUE(index.TakeIn(std::span(text).first(tokens)));
    EXPECT_EQ(index.Find(std::span(text).first(tokens)).length, 0U) << tokens;
  }
  ASSERT_TRUE(index.TakeIn(text));
  EXPECT_EQ(index.Find(text).length, 2U);
  EXPECT_EQ(index.Find(text).next, 2U);
}

TEST(NgramIndex, TakesInALongTextOverSeveralCalls) {
  constexpr std::uint32_t kTokens = 2 * NgramIndex::kTakenInMax + 2;
  std::vector<TokenId> text(kTokens);
  std::iota(text.begin(), text.end(), 10);
  text[kTokens - 2] = text[8000];
  text[kTokens - 1] = text[8001];
  NgramIndex index(kTokens);
  EXPECT_FALSE(index.TakeIn(text));
  EXPECT_FALSE(index.TakeIn(text));
  EXPECT_TRUE(index.TakeIn(text)) << "the one token that was left";
  EXPECT_TRUE(index.TakeIn(text)) << "nothing is left";
  EXPECT_EQ(index.Find(text).next, 8002U);
}

// What is found is always the last occurrence; what is forgotten is what shares its place with something later, a small
// part while the text is within what the index was made for.
TEST(NgramIndex, AgreesWithLookingThroughTheWholeText) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    base::Random random(seed);
    const std::uint64_t vocabulary = 2 + random.Below(random.Chance(0.5) ? 6 : 60);
    const auto text = RandomText(random, 20 + random.Below(600), vocabulary);
    const bool cramped = random.Chance(0.3);
    NgramIndex index(cramped ? 10 : static_cast<std::uint32_t>(text.size()));
    std::uint32_t there = 0;
    std::uint32_t found = 0;
    for (std::size_t tokens = 1; tokens <= text.size(); ++tokens) {
      // Now and then several tokens at once, as accepted drafts come.
      if (random.Chance(0.3) && tokens < text.size()) continue;
      const auto now = std::span(text).first(tokens);
      ASSERT_TRUE(index.TakeIn(now));
      const NgramIndex::Found got = index.Find(now);
      std::uint32_t longest = 0;
      for (std::uint32_t length = NgramIndex::kLengthMin; length <= NgramIndex::kLengthMax; ++length) {
        if (LastOccurrence(now, length) > 0) longest = length;
      }
      ASSERT_LE(got.length, longest);
      if (got.length > 0) ASSERT_EQ(got.next, LastOccurrence(now, got.length));
      there += longest > 0 ? 1 : 0;
      found += got.length == longest && longest > 0 ? 1 : 0;
    }
    if (!cramped) EXPECT_GE(found, there * 7 / 10);
  }
}

TEST(NgramIndex, TextsPastItsBoundForgetAndNothingElse) {
  base::Random random(1);
  auto text = RandomText(random, 200'000, 1'000'000);
  const std::size_t end = text.size();
  std::copy_n(text.end() - 4, 4, text.end() - 1000);
  NgramIndex index(static_cast<std::uint32_t>(end));
  while (!index.TakeIn(text)) {
  }
  EXPECT_EQ(index.Find(text).length, 4U) << "what is near is still there";
  EXPECT_EQ(index.Find(text).next, end - 996);
  // Runs from the beginning, of which there are five times as many as places.
  std::uint32_t kept = 0;
  for (std::size_t at = 0; at < 1000; ++at) {
    const auto run = std::vector<TokenId>(text.begin() + static_cast<std::ptrdiff_t>(at),
                                          text.begin() + static_cast<std::ptrdiff_t>(at) + 4);
    text.insert(text.end(), run.begin(), run.end());
    ASSERT_TRUE(index.TakeIn(text));
    const NgramIndex::Found found = index.Find(text);
    if (found.length == 4) ++kept;
    if (found.length > 0) EXPECT_EQ(found.next, LastOccurrence(text, found.length));
  }
  EXPECT_LT(kept, 100U);
}

}  // namespace
}  // namespace loquat::engine
