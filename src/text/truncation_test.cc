#include "text/truncation.h"

#include <gtest/gtest.h>

namespace loquat::text {
namespace {

TEST(Truncation, CutsTheNamedPart) {
  EXPECT_EQ(*PlanTruncation(10, 4, TruncationPolicy::kHead), (Cut{0, 6}));
  EXPECT_EQ(*PlanTruncation(10, 4, TruncationPolicy::kTail), (Cut{4, 10}));
  EXPECT_EQ(*PlanTruncation(10, 4, TruncationPolicy::kMiddle), (Cut{2, 8}));
  EXPECT_EQ(*PlanTruncation(10, 5, TruncationPolicy::kMiddle), (Cut{3, 8}));
  EXPECT_EQ(*PlanTruncation(10, 1, TruncationPolicy::kMiddle), (Cut{1, 10}));
}

TEST(Truncation, KeepsWhatFits) {
  for (const auto policy :
       {TruncationPolicy::kError, TruncationPolicy::kHead, TruncationPolicy::kTail, TruncationPolicy::kMiddle}) {
    EXPECT_EQ(*PlanTruncation(4, 4, policy), Cut{});
    EXPECT_EQ(*PlanTruncation(0, 0, policy), Cut{});
  }
}

TEST(Truncation, AlwaysKeepsExactlyTheLimit) {
  for (std::uint32_t limit = 0; limit <= 9; ++limit) {
    for (const auto policy : {TruncationPolicy::kHead, TruncationPolicy::kTail, TruncationPolicy::kMiddle}) {
      const Cut cut = *PlanTruncation(10, limit, policy);
      EXPECT_EQ(10 - cut.size(), limit);
      EXPECT_LE(cut.end, 10U);
    }
  }
}

TEST(Truncation, RefusesUnderErrorOneTokenPastTheLimit) {
  const auto refused = PlanTruncation(5, 4, TruncationPolicy::kError);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, base::Code::kResourceExhausted);
  EXPECT_EQ(refused.error().reason, "too_many_tokens");
  EXPECT_NE(refused.error().message.find("5 tokens, at most 4"), std::string::npos);
}

TEST(Truncation, NamesReadBack) {
  for (const auto policy :
       {TruncationPolicy::kError, TruncationPolicy::kHead, TruncationPolicy::kTail, TruncationPolicy::kMiddle}) {
    EXPECT_EQ(*ParseTruncationPolicy(TruncationPolicyName(policy)), policy);
  }
  EXPECT_EQ(ParseTruncationPolicy("left").error().code, base::Code::kInvalidArgument);
}

}  // namespace
}  // namespace loquat::text
