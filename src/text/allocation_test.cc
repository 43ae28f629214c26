// The steady state allocates nothing: this file counts the allocations of its thread.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <vector>

#include "base/allocation_counter.h"
#include "text/filters.h"
#include "text/normalize.h"
#include "text/script.h"
#include "text/segment.h"
#include "text/spans.h"

namespace loquat::text {
namespace {

constexpr std::string_view kTypical =
    "帮我订明天早上7:30从北京去Shanghai的火车票,价格不超过１,０００元。Don’t be late! "
    "👍🏽";

template <typename Work>
std::uint64_t AllocationsWhenWarm(Work work) {
  work();
  const std::uint64_t before = base::AllocationsOfThisThread();
  work();
  return base::AllocationsOfThisThread() - before;
}

TEST(Allocation, IsSeenByTheCounter) {
  EXPECT_EQ(AllocationsWhenWarm([] { ::operator delete(::operator new(1)); }), 1U);
}

TEST(Allocation, SegmentingMakesNone) {
  std::vector<Token> tokens;
  EXPECT_EQ(AllocationsWhenWarm([&] { Segment(kTypical, tokens); }), 0U);
  EXPECT_GT(tokens.size(), 20U);
  EXPECT_EQ(AllocationsWhenWarm([&] { GuessLanguage(kTypical, tokens); }), 0U);
}

TEST(Allocation, NormalisingMakesNone) {
  std::string out;
  OffsetMap map;
  EXPECT_EQ(AllocationsWhenWarm([&] {
              out.clear();
              AppendForMatching(kTypical, out, &map);
            }),
            0U);
  EXPECT_EQ(AllocationsWhenWarm([&] {
              out.clear();
              AppendNfc(kTypical, out);
            }),
            0U);
  EXPECT_EQ(AllocationsWhenWarm([&] {
              out.clear();
              AppendLowerCase(kTypical, out);
            }),
            0U);
}

TEST(Allocation, LocatingAndFilteringMakeNone) {
  std::vector<Token> tokens;
  Segment(kTypical, tokens);
  EXPECT_EQ(AllocationsWhenWarm([] { EndOf(kTypical); }), 0U);
  const auto chain = FilterChain::Create(
      {.stop_words = {{"zh", {"的", "我"}}}, .tokens_max = 10, .truncation = TruncationPolicy::kMiddle});
  ASSERT_TRUE(chain.has_value());
  FilteredTokens out;
  EXPECT_EQ(AllocationsWhenWarm([&] { ASSERT_TRUE(chain->Run(kTypical, "zh", tokens, out).has_value()); }), 0U);
  EXPECT_EQ(out.tokens.size(), 10U);
}

}  // namespace
}  // namespace loquat::text
