#include "pipeline/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/fake_engine.h"
#include "pipeline/test_assistant.h"

namespace loquat::pipeline {
namespace {

using base::Code;

class HealthTest : public testing::Test {
 protected:
  HealthReport Check() { return RunNow(health_.Check(test_.Call())); }

  TestPipeline test_;
  std::shared_ptr<FakeEngine> first_ = std::make_shared<FakeEngine>("first");
  std::shared_ptr<FakeEngine> second_ = std::make_shared<FakeEngine>("second");
  ModelSet models_{{{.engine = first_}, {.engine = second_}}};
  Health health_{test_.pipeline, models_, test_.clock};
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

TEST_F(HealthTest, Vllm39863AServerWhoseEngineHangsIsNotReadyUntilItTurnsAgain) {
  EXPECT_TRUE(health_.Ready().has_value());
  second_->set_health(base::Unavailable("the engine's loop has not turned for 31 s"));
  const base::Status ready = health_.Ready();
  ASSERT_FALSE(ready.has_value());
  EXPECT_EQ(ready.error().code, Code::kUnavailable);
  EXPECT_EQ(ready.error().reason, "engine_stalled");
  EXPECT_EQ(ready.error().message, "model second: the engine's loop has not turned for 31 s");
  EXPECT_FALSE(Check().ready.has_value());
  second_->set_health({});
  EXPECT_TRUE(health_.Ready().has_value());
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

// Serves a model trained on `dataset` in place of the one there was.
void Serve(const understanding::Dataset& dataset, bool intents, const std::string& path, UnderstandPipeline& pipeline) {
  const auto trained = understanding::Train(dataset, path, {.threads = 2, .intents = intents, .progress = {}});
  ASSERT_TRUE(trained.has_value()) << trained.error().message;
  auto assistant = Assistant::Load("other", path);
  ASSERT_TRUE(assistant.has_value()) << assistant.error().message;
  UnderstandSettings settings = *pipeline.settings();
  settings.assistant = *assistant;
  settings.delivery.callback_intents = settings.assistant->understander->intents();
  pipeline.SetSettings(settings);
}

TEST_F(HealthTest, APolicyThatAnswersTheCanarysIntentByCallbackIsNoIllness) {
  const TempFolder folder;
  understanding::Dataset dataset;
  dataset.files = {"greetings.yml"};
  understanding::AddExamples("greet", {"hello", "hello 你好", "你好", "hello there", "hello 你好 again"}, {""},
                             dataset);
  understanding::AddExamples("leave", {"bye", "再见", "see you", "good night", "bye bye"}, {""}, dataset);
  Serve(dataset, true, folder.File("greetings"), test_.pipeline);
  UnderstandRequest hello;
  hello.utterance.text = "hello 你好";
  UnderstandAnswer answer;
  // What a client's request would meet:
  EXPECT_EQ(RunNow(test_.pipeline.Run(test_.Call(), hello, answer)).error().reason, "callback_url_missing");
  EXPECT_TRUE(Check().canary.has_value());
}

TEST_F(HealthTest, AModelWithoutIntentsIsWell) {
  const TempFolder folder;
  Serve(understanding::SmallAssistant(), false, folder.File("slots"), test_.pipeline);
  const HealthReport report = Check();
  EXPECT_EQ(report.model, "other");
  EXPECT_TRUE(report.canary.has_value()) << report.canary.error().message;
}

}  // namespace
}  // namespace loquat::pipeline
