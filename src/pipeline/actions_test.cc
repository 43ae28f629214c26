// When a step of a dialogue leads to an action. What follows is in response/sagas_test.cc and, with a whole server, in
// tests/functional/actions.test.mjs.

#include "pipeline/actions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/test_assistant.h"

namespace loquat::pipeline {
namespace {

using context::DialogueAct;
using testing::HasSubstr;

std::shared_ptr<const response::ActionSet> Set(const std::string& intent, const std::string& slot) {
  auto set =
      response::ActionSet::Compile("actions: {a: {url: \"http://h/{slots." + slot + "}\"}}\nintents:\n  " + intent +
                                       ": {steps: [{action: a}], failed: {en: [n]}, pending: {en: [p]}}\n",
                                   "a.yml");
  EXPECT_TRUE(set.has_value()) << set.error().message;
  return *set;
}

class ActionsTest : public testing::Test {
 protected:
  ActionsTest() {
    auto opened = response::Sagas::Open({.loop = loops_.at(0),
                                         .resolver = resolver_,
                                         .clock = clock_,
                                         .log = log_,
                                         .metrics = metrics_,
                                         .tls = nullptr,
                                         .user_agent = "test"},
                                        {.journal = folder_.File("journal")});
    EXPECT_TRUE(opened.has_value()) << opened.error().message;
    sagas_ = std::move(*opened);
    sagas_->SetActions(Set("weather", "city"));
    frame_.intent_ranking = {{"weather", 0.9F}};
  }

  bool Acts(DialogueAct act, const std::string& intent) {
    const context::DialogueStep step{.act = act, .intent = intent};
    return actions_.Acts({.frame = frame_, .session = session_, .step = step, .text = "t", .work_id = {}});
  }

  TempFolder folder_;
  base::SystemClock clock_;
  observe::Registry metrics_;
  observe::Logger log_{clock_, {}, {}};
  net::EventLoops loops_{{.threads = 1}};
  net::SystemResolver resolver_;
  std::unique_ptr<response::Sagas> sagas_;
  Actions actions_{clock_};
  domain::Frame frame_;
  domain::Session session_;
};

TEST_F(ActionsTest, OnlyAFulfilledIntentThatHasOneLeadsToAnAction) {
  EXPECT_FALSE(Acts(DialogueAct::kFulfil, "weather")) << "nothing is attached";
  EXPECT_EQ(actions_.Find({}, "x").error().reason, "saga_unknown");
  actions_.Attach(*sagas_);
  EXPECT_TRUE(Acts(DialogueAct::kFulfil, "weather"));
  EXPECT_FALSE(Acts(DialogueAct::kAsk, "weather"));
  EXPECT_FALSE(Acts(DialogueAct::kAside, "weather"));
  EXPECT_FALSE(Acts(DialogueAct::kFulfil, "play_music"));
}

TEST_F(ActionsTest, ACorrectionRepeatsWhatFailedAndNothingElse) {
  actions_.Attach(*sagas_);
  frame_.intent_ranking = {{"inform", 0.9F}};
  EXPECT_TRUE(Acts(DialogueAct::kFulfil, "weather")) << "the last slot came with it";
  domain::FilledSlot& last = session_.state.filled[std::string(kSagaSlot)];
  for (const auto& [state, again] : std::vector<std::pair<std::string, bool>>{
           {"done", false}, {"running", false}, {"compensating", false}, {"compensated", true}, {"dead", true}}) {
    last.normalized = state;
    EXPECT_EQ(Acts(DialogueAct::kFulfil, "weather"), again) << state;
  }
  last.normalized = "done";
  frame_.intent_ranking = {{"weather", 0.9F}};
  EXPECT_TRUE(Acts(DialogueAct::kFulfil, "weather")) << "it was asked for anew";
}

TEST(CheckActions, NamesIntentsAndSlotsThatNobodyKnows) {
  const auto assistant = TestModel::Load();
  EXPECT_TRUE(CheckActions(*Set("weather", "city"), *assistant).has_value());
  EXPECT_THAT(CheckActions(*Set("fly", "city"), *assistant).error().message, HasSubstr("a.yml:3:"));
  EXPECT_THAT(CheckActions(*Set("weather", "town"), *assistant).error().message, HasSubstr("no slot \"town\""));
}

}  // namespace
}  // namespace loquat::pipeline
