// Replies by a local model on the main road: when it is asked, what it is told, what becomes of its words, and what is
// said where it cannot.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "pipeline/fake_engine.h"
#include "pipeline/test_assistant.h"

namespace loquat::pipeline {
namespace {

using base::Code;
using boost::asio::awaitable;
using domain::ReplySource;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kWeather = "what is the weather in paris";
constexpr std::string_view kForeign = "who won the war of 1812";

// Keeps what it is told; can be told to stop reading.
class HeardEvents final : public response::AnswerSink {
 public:
  awaitable<base::Status> OnFrame(const domain::Frame& frame) override {
    events.push_back("frame " + (frame.intent_ranking.empty() ? "" : frame.intent_ranking.front().name));
    if (on_frame) on_frame();
    co_return base::Status();
  }
  awaitable<base::Status> OnReplyDelta(std::string_view text) override {
    said += text;
    if (on_delta) on_delta();
    if (gone) co_return base::Cancelled("nobody reads");
    co_return base::Status();
  }

  std::vector<std::string> events;
  std::string said;
  std::function<void()> on_frame, on_delta;
  bool gone = false;
};

class ReplyTest : public testing::Test {
 protected:
  ReplyTest() { SetPolicy({}); }

  ReplyPolicy Policy() const {
    ReplyPolicy policy;
    policy.model = "chat";
    policy.instructions = "";
    policy.tokens_max = 64;
    return policy;
  }
  base::Result<std::shared_ptr<const ReplyRule>> Rule(const ReplyPolicy& policy) {
    return ReplyRule::Create(policy, models_, *TestModel::Load());
  }
  void SetPolicy(const std::function<void(ReplyPolicy&)>& change) {
    ReplyPolicy policy = Policy();
    if (change) change(policy);
    UnderstandSettings settings = TestPipeline::Settings();
    auto rule = Rule(policy);
    ASSERT_TRUE(rule.has_value()) << rule.error().message;
    settings.reply = *rule;
    pipeline_.SetSettings(std::move(settings));
  }
  base::Status Run(std::string_view text, std::string_view session = {}, response::AnswerSink* sink = nullptr) {
    return Run(text, session, test_.Call(), sink);
  }
  base::Status Run(std::string_view text, std::string_view session, const base::CallContext& call,
                   response::AnswerSink* sink = nullptr) {
    UnderstandRequest request;
    request.utterance.text = text;
    request.utterance.session = session;
    request.want_reply = want_reply_;
    request.want_intent = want_intent_;
    request.wants_events = sink != nullptr;
    return RunNow(pipeline_.Run(call, request, answer_, sink));
  }
  // The prompt of the last generation as ByteText writes it.
  std::string Prompt() const {
    std::string text;
    for (const engine::TokenId token : engine_->last_request().prompt) text += static_cast<char>(token);
    return text;
  }
  bool asked() const { return !engine_->last_request().prompt.empty(); }

  std::shared_ptr<FakeEngine> engine_ = std::make_shared<FakeEngine>("chat", 4096);
  const ModelSet models_{{Serve(engine_)}};
  PromptWorkers workers_;
  GenerateUseCase generate_{models_, workers_};
  TestPipeline test_;
  observe::Registry metrics_;
  ReplyWriter writer_{generate_, metrics_, test_.clock};
  UnderstandPipeline pipeline_{
      TestPipeline::Settings(), test_.sessions, test_.clock, {.replies = &writer_, .workers = &workers_}};
  UnderstandAnswer answer_;
  bool want_reply_ = true, want_intent_ = true;
};

TEST_F(ReplyTest, WhatIsOutOfScopeIsAnsweredByTheModel) {
  ASSERT_TRUE(Run(kForeign).has_value());
  EXPECT_TRUE(answer_.frame.out_of_scope);
  EXPECT_EQ(answer_.reply->text, "Hello");
  EXPECT_EQ(answer_.reply->source, ReplySource::kModel);
  EXPECT_EQ(answer_.reply->generation->model, "chat");
  EXPECT_EQ(answer_.reply->generation->reason, "out of scope");
  EXPECT_FALSE(answer_.reply->generation->failed.has_value());
  EXPECT_EQ(Prompt(), "<user>who won the war of 1812<assistant>");
}

TEST_F(ReplyTest, WhatIsUnderstoodKeepsTheDomainsWords) {
  ASSERT_TRUE(Run(kWeather).has_value());
  EXPECT_EQ(answer_.reply->text, "The weather in paris is fine.");
  EXPECT_EQ(answer_.reply->source, ReplySource::kTemplate);
  EXPECT_FALSE(answer_.reply->generation.has_value());
  EXPECT_FALSE(asked());
}

TEST_F(ReplyTest, NobodyIsAskedForAReplyThatNobodyWants) {
  want_reply_ = false;
  ASSERT_TRUE(Run(kForeign, "s").has_value());
  EXPECT_FALSE(answer_.reply.has_value());
  want_reply_ = true;
  want_intent_ = false;  // Without a look at the intent there is no reason to ask.
  ASSERT_TRUE(Run(kForeign, "s").has_value());
  EXPECT_EQ(answer_.reply->source, ReplySource::kTemplate);
  EXPECT_FALSE(asked());
}

TEST_F(ReplyTest, AnIntentBelowTheThresholdIsAnsweredByTheModelAndOneAtItIsNot) {
  ASSERT_TRUE(Run(kWeather).has_value());
  const float confidence = answer_.frame.intent_ranking.front().confidence;
  SetPolicy([&](ReplyPolicy& policy) { policy.confidence_min = confidence; });
  ASSERT_TRUE(Run(kWeather).has_value());
  EXPECT_EQ(answer_.reply->source, ReplySource::kTemplate);
  SetPolicy([&](ReplyPolicy& policy) { policy.confidence_min = std::nextafter(static_cast<double>(confidence), 1.0); });
  ASSERT_TRUE(Run(kWeather).has_value());
  EXPECT_EQ(answer_.reply->source, ReplySource::kModel);
  EXPECT_THAT(answer_.reply->generation->reason, HasSubstr("confidence"));
}

TEST_F(ReplyTest, AListedIntentIsAnsweredByTheModelHoweverSure) {
  SetPolicy([](ReplyPolicy& policy) { policy.intents = {"weather"}; });
  ASSERT_TRUE(Run(kWeather).has_value());
  EXPECT_EQ(answer_.reply->source, ReplySource::kModel);
  EXPECT_EQ(answer_.reply->generation->reason, "the policy answers \"weather\" by a model");
  ASSERT_TRUE(Run("play some jazz").has_value());
  EXPECT_EQ(answer_.reply->source, ReplySource::kTemplate);
}

TEST_F(ReplyTest, OutOfScopeAndTheThresholdAreReasonsOfTheirOwn) {
  SetPolicy([](ReplyPolicy& policy) { policy.out_of_scope = false; });
  ASSERT_TRUE(Run(kForeign).has_value());
  EXPECT_EQ(answer_.reply->text, "Pardon?");
  EXPECT_FALSE(answer_.reply->generation.has_value());
  SetPolicy([](ReplyPolicy& policy) { policy.out_of_scope = false, policy.confidence_min = 1; });
  ASSERT_TRUE(Run(kForeign).has_value());
  EXPECT_EQ(answer_.reply->source, ReplySource::kModel);
}

TEST_F(ReplyTest, AnAnswerToTheDialoguesOwnQuestionIsNoMatterForTheModel) {
  SetPolicy([](ReplyPolicy& policy) { policy.confidence_min = 1; });
  UnderstandSettings settings = *pipeline_.settings();
  auto rule = settings.reply;
  settings.reply = nullptr;
  pipeline_.SetSettings(settings);
  ASSERT_TRUE(Run("what is the weather", "s").has_value());
  ASSERT_EQ(answer_.session->state.asked, "city");
  settings.reply = rule;
  pipeline_.SetSettings(settings);
  ASSERT_TRUE(Run("kyoto", "s").has_value());
  EXPECT_EQ(answer_.reply->text, "The weather in kyoto is fine.");
  EXPECT_FALSE(asked());
}

TEST_F(ReplyTest, TheWindowOfTheSessionStandsInThePrompt) {
  ASSERT_TRUE(Run(kWeather, "s").has_value());
  want_reply_ = false;
  ASSERT_TRUE(Run("play some jazz", "s").has_value());
  want_reply_ = true;
  ASSERT_TRUE(Run(kForeign, "s").has_value());
  // A turn without a reply is said in one breath with the next: roles alternate.
  EXPECT_EQ(Prompt(),
            "<user>what is the weather in paris<assistant>The weather in paris is fine."
            "<user>play some jazz\nwho won the war of 1812<assistant>");
  EXPECT_EQ(engine_->last_request().session, "/understand/s");
}

TEST_F(ReplyTest, TheModelsWordsAreTheAssistantsTurnInTheSession) {
  engine_->set_script({.text = "The Treaty of Ghent."});
  ASSERT_TRUE(Run(kForeign, "s").has_value());
  EXPECT_EQ(answer_.session->turns.back().reply, "The Treaty of Ghent.");
  ASSERT_TRUE(Run("how tall is the tallest giraffe", "s").has_value());
  EXPECT_THAT(Prompt(), HasSubstr("<assistant>The Treaty of Ghent.<user>how tall"));
}

TEST_F(ReplyTest, NoMoreTurnsAreShownThanThePolicySays) {
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(Run(kWeather, "s").has_value());
  SetPolicy([](ReplyPolicy& policy) { policy.turns_max = 1; });
  ASSERT_TRUE(Run(kForeign, "s").has_value());
  EXPECT_EQ(Prompt(),
            "<user>what is the weather in paris<assistant>The weather in paris is fine.<user>who won the war of "
            "1812<assistant>");
  SetPolicy([](ReplyPolicy& policy) { policy.turns_max = 0; });
  ASSERT_TRUE(Run(kForeign, "s").has_value());
  EXPECT_EQ(Prompt(), "<user>who won the war of 1812<assistant>");
}

TEST_F(ReplyTest, TurnsThatDoNotFitTheContextAreLeftOutAndCounted) {
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(Run(kWeather, "s").has_value());
  engine_->mutable_info().context =
      300;  // Bytes here: room for two turns of about 72 beside the question and the reply.
  ASSERT_TRUE(Run(kForeign, "s").has_value());
  EXPECT_EQ(answer_.reply->source, ReplySource::kModel);
  EXPECT_EQ(answer_.reply->generation->turns_left_out, 6u);
  EXPECT_LE(Prompt().size() + 64, 300u);
}

TEST_F(ReplyTest, APromptThatNeverFitsIsAFallback) {
  engine_->mutable_info().context = 70;
  ASSERT_TRUE(Run(kForeign, "s").has_value());
  EXPECT_EQ(answer_.reply->text, "Pardon?");
  EXPECT_EQ(answer_.reply->generation->failed->reason, "context_length_exceeded");
}

TEST_F(ReplyTest, TheInstructionsAreTheSystemMessageWithTheirFieldsFilled) {
  SetPolicy([](ReplyPolicy& policy) {
    policy.intents = {"weather"};
    policy.instructions = "{{{intent}}} {locale} [{slots}] [{missing}] {reply}";
  });
  ASSERT_TRUE(Run("what is the weather in {locale} paris").has_value());
  EXPECT_THAT(Prompt(), testing::StartsWith("<system>{weather} en [city: "));
  EXPECT_THAT(Prompt(), HasSubstr("<user>what is the weather in {locale} paris"));
}

TEST_F(ReplyTest, ThePolicysLimitsReachTheEngine) {
  SetPolicy([](ReplyPolicy& policy) {
    policy.tokens_max = 3;
    policy.temperature = 0;
    policy.stop = {"\n\n", "User:"};
    policy.timeout = milliseconds(700);
  });
  ASSERT_TRUE(Run(kForeign).has_value());
  const engine::GenerateRequest request = engine_->last_request();
  EXPECT_EQ(request.tokens_max, 3u);
  EXPECT_TRUE(request.sampling.greedy());
  EXPECT_THAT(request.stop, ElementsAre("\n\n", "User:"));
  EXPECT_EQ(engine_->last_deadline().at(), test_.clock.Now() + milliseconds(700));
  EXPECT_EQ(answer_.reply->text, "Hel");
  EXPECT_TRUE(answer_.reply->generation->cut);
}

TEST_F(ReplyTest, ACallersOwnDeadlineLeavesTimeForTheFallback) {
  base::CallContext call = test_.Call();
  call.deadline = base::Deadline(test_.clock.Now() + milliseconds(400));
  ASSERT_TRUE(Run(kForeign, {}, call).has_value());
  EXPECT_EQ(engine_->last_deadline().at(), call.deadline.at() - kReplyReserve);
  call.deadline = base::Deadline(test_.clock.Now() + kReplyReserve);
  ASSERT_TRUE(Run(kForeign, {}, call).has_value());
  EXPECT_EQ(answer_.reply->text, "Pardon?");
  EXPECT_EQ(answer_.reply->generation->failed->reason, "model_late");
}

TEST_F(ReplyTest, ARefusalAFailureAndSilenceAreFallbacksThatSayWhy) {
  struct Case {
    FakeScript script;
    Code code;
    std::string reason;
  };
  const std::vector<Case> cases = {
      {{.refusal = base::Error{.code = Code::kResourceExhausted, .message = "full", .reason = "queue_full"}},
       Code::kResourceExhausted,
       "queue_full"},
      {{.text = "Half a", .status = base::Internal("the model gave NaN")}, Code::kInternal, ""},
      {{.text = "Half a", .status = base::DeadlineExceeded("the deadline passed")}, Code::kDeadlineExceeded, ""},
      {{.text = ""}, Code::kUnavailable, "empty_reply"},
      {{.text = " \n "}, Code::kUnavailable, "empty_reply"},
  };
  for (const Case& given : cases) {
    engine_->set_script(given.script);
    ASSERT_TRUE(Run(kForeign, "s").has_value());
    EXPECT_EQ(answer_.reply->text, "Pardon?");
    EXPECT_EQ(answer_.reply->source, ReplySource::kTemplate);
    ASSERT_TRUE(answer_.reply->generation->failed.has_value());
    EXPECT_EQ(answer_.reply->generation->failed->code, given.code);
    EXPECT_EQ(answer_.reply->generation->failed->reason, given.reason);
    EXPECT_EQ(answer_.session->turns.back().reply, "Pardon?");
  }
}

TEST_F(ReplyTest, AModelThatIsLateIsGivenUpAndCancelled) {
  SetPolicy([](ReplyPolicy& policy) { policy.timeout = milliseconds(20); });
  engine_->set_script({.text = "slowly", .hold_after = 2});
  ASSERT_TRUE(Run(kForeign, "s").has_value());
  EXPECT_EQ(answer_.reply->text, "Pardon?");
  EXPECT_EQ(answer_.reply->generation->failed->reason, "model_late");
  EXPECT_THAT(answer_.reply->generation->failed->message, HasSubstr("reply.timeout is 20 ms"));
  engine_->AwaitCancelled(1);
}

TEST_F(ReplyTest, TheTimeOfAnAnswerAtOnceIsNoLimitForTheModel) {
  const base::CallContext call = test_.Call();
  engine_->set_script({.text = "late but there", .hold_after = 4});
  base::Status done;
  std::jthread running([&] { done = Run(kForeign, "s", call); });
  while (!asked()) std::this_thread::yield();
  test_.clock.Advance(milliseconds(900));  // delivery.sync_timeout is 800 ms.
  engine_->Release();
  running.join();
  ASSERT_TRUE(done.has_value()) << done.error().message;
  EXPECT_EQ(answer_.reply->text, "late but there");
}

TEST_F(ReplyTest, TheFrameIsHeardBeforeTheModelSpeaksAndTheDeltasAreTheReply) {
  engine_->set_script({.text = "\n Hello there, you. \n", .hold_after = 0});
  HeardEvents heard;
  // The engine says nothing until the frame is out.
  heard.on_frame = [&] { engine_->Release(); };
  ASSERT_TRUE(Run(kForeign, "s", &heard).has_value());
  EXPECT_EQ(heard.events.size(), 1u);
  EXPECT_EQ(heard.said, "Hello there, you.");
  EXPECT_EQ(answer_.reply->text, heard.said);
}

TEST_F(ReplyTest, WhereNoModelSpeaksTheSinkHearsNothing) {
  HeardEvents heard;
  ASSERT_TRUE(Run(kWeather, "s", &heard).has_value());
  EXPECT_TRUE(heard.events.empty());
  EXPECT_EQ(heard.said, "");
}

TEST_F(ReplyTest, AClientThatGoesCancelsTheGenerationAndLeavesTheSession) {
  base::CancelSource client;
  base::CallContext call = test_.Call();
  call.cancel = client.token();
  engine_->set_script({.text = "never mind", .hold_after = 3});
  HeardEvents heard;
  heard.on_delta = [&] {
    if (heard.said == "nev") client.Cancel();
  };
  const base::Status done = Run(kForeign, "s", call, &heard);
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, Code::kCancelled);
  engine_->AwaitCancelled(1);
  EXPECT_EQ(test_.sessions.stats().sessions, 0u);
}

TEST_F(ReplyTest, AReaderThatStopsReadingCancelsTheGeneration) {
  engine_->set_script({.text = "never mind", .hold_after = 3});
  HeardEvents heard;
  heard.gone = true;
  const base::Status done = Run(kForeign, "s", &heard);
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, Code::kCancelled);
  engine_->AwaitCancelled(1);
}

TEST_F(ReplyTest, ALostRaceForTheSessionKeepsTheModelsWords) {
  HeardEvents heard;
  heard.on_frame = [&] {
    // Another turn of the session is saved while the model speaks.
    auto winner = std::make_unique<domain::Session>();
    winner->id = "s";
    winner->turn_count = 3;
    EXPECT_TRUE(test_.sessions.SaveNow(std::move(winner), 0).has_value());
  };
  ASSERT_TRUE(Run(kForeign, "s", &heard).has_value());
  EXPECT_EQ(heard.events.size(), 1u);
  EXPECT_EQ(answer_.session->turn_count, 4u);
  EXPECT_EQ(answer_.session->turns.back().reply, "Hello");
}

TEST_F(ReplyTest, AReplyPastItsBoundIsCutAtACharacter) {
  engine_->mutable_info().context = 1 << 20;
  SetPolicy([](ReplyPolicy& policy) { policy.tokens_max = 2 * kReplyBytesMax; });
  engine_->set_script({.text = std::string(kReplyBytesMax, 'x')});
  ASSERT_TRUE(Run(kForeign).has_value());
  EXPECT_EQ(answer_.reply->text.size(), kReplyBytesMax);
  EXPECT_FALSE(answer_.reply->generation->cut);
  engine_->set_script({.text = std::string(kReplyBytesMax - 1, 'x') + "\u00e9 and more"});
  ASSERT_TRUE(Run(kForeign).has_value());
  EXPECT_EQ(answer_.reply->text, std::string(kReplyBytesMax - 1, 'x'));
  EXPECT_TRUE(answer_.reply->generation->cut);
}

TEST_F(ReplyTest, HowEachReplyEndedIsCounted) {
  ASSERT_TRUE(Run(kForeign).has_value());
  ASSERT_TRUE(Run(kWeather).has_value());
  engine_->set_script({.text = ""});
  ASSERT_TRUE(Run(kForeign).has_value());
  std::string text;
  metrics_.WriteText(text);
  EXPECT_THAT(text, HasSubstr("loquat_understand_model_replies_total{model=\"chat\",end=\"done\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("loquat_understand_model_replies_total{model=\"chat\",end=\"empty_reply\"} 1\n"));
}

TEST_F(ReplyTest, APolicyThatCannotWorkIsRefusedAtItsKey) {
  const auto refused = [&](const std::function<void(ReplyPolicy&)>& change) {
    ReplyPolicy policy = Policy();
    change(policy);
    const auto rule = Rule(policy);
    EXPECT_FALSE(rule.has_value());
    return rule.has_value() ? std::string() : rule.error().param + " " + rule.error().message;
  };
  EXPECT_THAT(refused([](auto& policy) { policy.model = "other"; }), HasSubstr("/reply/model there is no model"));
  EXPECT_THAT(refused([](auto& policy) { policy.intents = {"fly"}; }), HasSubstr("/reply/intents"));
  EXPECT_THAT(refused([](auto& policy) { policy.instructions = "{nam}"; }), HasSubstr("/reply/instructions"));
  EXPECT_THAT(refused([](auto& policy) { policy.instructions = "{nam}"; }), HasSubstr("{missing}"));
  EXPECT_THAT(refused([](auto& policy) { policy.tokens_max = 4096; }), HasSubstr("/reply/tokens_max"));
  engine_->mutable_info().can_generate = false;
  EXPECT_THAT(refused([](auto&) {}), HasSubstr("/reply/model chat is an encoder"));
  ReplyPolicy none = Policy();
  none.model = "";
  EXPECT_EQ(Rule(none).value(), nullptr);
}

}  // namespace
}  // namespace loquat::pipeline
