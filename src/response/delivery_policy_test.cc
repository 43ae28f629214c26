#include "response/delivery_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace loquat::response {
namespace {

using domain::DeliveryMode;
using testing::HasSubstr;

TEST(DeliveryPolicy, AnswersAtOnceWhenSureAndSaysWhy) {
  const auto at_limit = Decide({}, {.intent = "weather", .confidence = 0.92});
  ASSERT_TRUE(at_limit.has_value());
  EXPECT_EQ(at_limit->mode, DeliveryMode::kSync);
  EXPECT_EQ(at_limit->reason, "confidence 0.92 >= 0.92");
  const auto unsure = Decide({}, {.intent = "weather", .confidence = 0.41});
  ASSERT_TRUE(unsure.has_value());
  EXPECT_EQ(unsure->mode, DeliveryMode::kSync);
  EXPECT_THAT(unsure->reason, HasSubstr("confidence 0.41 < 0.92"));
}

TEST(DeliveryPolicy, ThePolicyInForceDecides) {
  const auto strict = Decide({.sync_confidence_min = 0.99}, {.confidence = 0.95});
  EXPECT_THAT(strict->reason, HasSubstr("0.95 < 0.99"));
}

TEST(DeliveryPolicy, StreamsPartialTextGeneratedTextAndEvents) {
  EXPECT_EQ(Decide({}, {.partial = true})->mode, DeliveryMode::kStream);
  EXPECT_EQ(Decide({}, {.generated = true})->mode, DeliveryMode::kStream);
  EXPECT_EQ(Decide({}, {.wants_events = true})->mode, DeliveryMode::kStream);
}

TEST(DeliveryPolicy, RefusesACallbackThatCouldNotArrive) {
  const DeliveryPolicy policy{.callback_intents = {"book_train"}};
  const auto no_url = Decide(policy, {.intent = "book_train", .confidence = 0.99});
  ASSERT_FALSE(no_url.has_value());
  EXPECT_EQ(no_url.error().code, base::Code::kFailedPrecondition);
  EXPECT_EQ(no_url.error().param, "/callback_url");
  const auto no_sender = Decide(policy, {.has_callback_url = true, .intent = "book_train", .confidence = 0.99});
  ASSERT_FALSE(no_sender.has_value());
  EXPECT_EQ(no_sender.error().code, base::Code::kUnimplemented);
  EXPECT_EQ(no_sender.error().reason, "callback_unavailable");
  EXPECT_FALSE(Decide({}, {.asked = DeliveryMode::kCallback}).has_value());
  EXPECT_TRUE(Decide(policy, {.asked = DeliveryMode::kSync, .intent = "book_train"}).has_value());
  EXPECT_TRUE(Decide(policy, {.intent = "weather", .confidence = 0.99}).has_value());
}

TEST(DeliveryPolicy, AStreamNeedsAClientThatReadsOne) {
  EXPECT_EQ(Decide({}, {.asked = DeliveryMode::kStream}).error().param, "/delivery");
  EXPECT_EQ(Decide({}, {.asked = DeliveryMode::kStream, .wants_events = true})->mode, DeliveryMode::kStream);
}

TEST(DeliveryPolicy, BoundsEachModeInTime) {
  const DeliveryPolicy policy;
  EXPECT_EQ(TimeoutOf(policy, DeliveryMode::kSync), std::chrono::milliseconds(800));
  EXPECT_EQ(TimeoutOf(policy, DeliveryMode::kCallback), std::chrono::seconds(5));
  EXPECT_EQ(TimeoutOf(policy, DeliveryMode::kStream).count(), 0);
}

}  // namespace
}  // namespace loquat::response
