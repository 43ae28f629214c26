#include "pipeline/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/test_assistant.h"

namespace loquat::pipeline {
namespace {

using base::Code;

class HealthTest : public testing::Test {
 protected:
  HealthReport Check() { return RunNow(health_.Check(test_.Call())); }

  TestPipeline test_;
  Health health_{test_.pipeline, test_.clock};
};

TEST_F(HealthTest, TheCanaryTakesTheRoadOfRequests) {
  const HealthReport report = Check();
  EXPECT_TRUE(report.ready.has_value());
  EXPECT_TRUE(report.canary.has_value());
  EXPECT_EQ(report.model, "small");
  EXPECT_EQ(test_.sessions.stats().sessions, 0u);
}

TEST_F(HealthTest, IsNeverReadyAgainOnceItDrains) {
  EXPECT_TRUE(health_.Ready().has_value());
  health_.StartDraining();
  const base::Status ready = health_.Ready();
  ASSERT_FALSE(ready.has_value());
  EXPECT_EQ(ready.error().code, Code::kUnavailable);
  EXPECT_EQ(ready.error().reason, "draining");
  EXPECT_GT(ready.error().retry_after.count(), 0);
  const HealthReport report = Check();
  EXPECT_FALSE(report.ready.has_value());
  EXPECT_TRUE(report.canary.has_value());
}

TEST_F(HealthTest, TheCanaryFailsWhereRequestsFail) {
  UnderstandSettings settings = *test_.pipeline.settings();
  settings.tokens_max = 0;
  test_.pipeline.SetSettings(settings);
  const HealthReport report = Check();
  EXPECT_TRUE(report.ready.has_value());
  ASSERT_FALSE(report.canary.has_value());
  EXPECT_EQ(report.canary.error().code, Code::kInvalidArgument);
}

TEST_F(HealthTest, ACallWhoseDeadlineHasPassedGetsNoCanary) {
  base::CallContext call = test_.Call();
  call.deadline = base::Deadline(test_.clock.Now());
  EXPECT_EQ(RunNow(health_.Check(call)).canary.error().code, Code::kDeadlineExceeded);
}

TEST_F(HealthTest, APolicyThatAnswersTheCanarysIntentByCallbackIsNoIllness) {
  UnderstandSettings settings = *test_.pipeline.settings();
  settings.delivery.callback_intents = settings.assistant->understander->intents();
  test_.pipeline.SetSettings(settings);
  EXPECT_TRUE(Check().canary.has_value());
}

TEST(HealthOfSlotModel, AModelWithoutIntentsIsWell) {
  const TempFolder folder;
  understanding::Dataset dataset = understanding::SmallAssistant();
  const auto trained =
      understanding::Train(dataset, folder.File("slots"), {.threads = 2, .intents = false, .progress = {}});
  ASSERT_TRUE(trained.has_value()) << trained.error().message;
  auto assistant = Assistant::Load("slots", folder.File("slots"));
  ASSERT_TRUE(assistant.has_value()) << assistant.error().message;
  TestPipeline test;
  UnderstandSettings settings;
  settings.assistant = *assistant;
  test.pipeline.SetSettings(settings);
  Health health(test.pipeline, test.clock);
  const HealthReport report = RunNow(health.Check(test.Call()));
  EXPECT_TRUE(report.canary.has_value()) << report.canary.error().message;
}

}  // namespace
}  // namespace loquat::pipeline
