// Encoders on the main road: an embedding beside the intent, classifiers in an order with the assistant's own model,
// and what becomes of the frame where they fail.

#include "pipeline/frame_encoders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>

#include "pipeline/model_text.h"
#include "pipeline/test_assistant.h"
#include "pipeline/tokenizer_text.h"
#include "text/tokenizer/tokenizer.h"

namespace loquat::pipeline {
namespace {

using base::Code;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kWeather = "what is the weather in paris";
constexpr std::string_view kForeign = "who won the war of 1812";

// Every word is [UNK]: these tests are about who is asked.
std::shared_ptr<const text::Tokenizer> AnyWords() {
  text::TokenizerSpec spec;
  spec.kind = text::TokenizerKind::kWordPiece;
  spec.tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  for (text::TokenId id = 0; id < 5; ++id) {
    spec.specials.push_back({.content = spec.tokens[static_cast<std::size_t>(id)], .id = id});
  }
  spec.unknown = 1;
  spec.cls = 2;
  spec.sep = 3;
  auto made = text::Tokenizer::Create(std::move(spec));
  EXPECT_TRUE(made.has_value()) << made.error().message;
  return *std::move(made);
}

enum class Head : std::uint8_t { kNone, kSequence, kToken };

// Answers at once with what it was told to: the same logits for every text, or for every token but [CLS] and [SEP].
class ScriptedEncoder final : public engine::Engine {
 public:
  ScriptedEncoder(std::string name, Head head, std::vector<std::string> labels, std::vector<float> row)
      : row_(std::move(row)) {
    info_.name = std::move(name);
    info_.context = 16;
    info_.vocabulary = 5;
    info_.labels = std::move(labels);
    info_.can_embed = head == Head::kNone;
    info_.can_classify = head == Head::kSequence;
    info_.can_label_tokens = head == Head::kToken;
    info_.tokenizer = AnyWords();
  }

  const engine::ModelInfo& info() const override { return info_; }
  base::Result<engine::GenerationHandle> Generate(const base::CallContext&, engine::GenerateRequest,
                                                  std::shared_ptr<engine::GenerationSink>) override {
    return base::Internal("an encoder");
  }
  base::Status Encode(const base::CallContext& call, engine::EncodeRequest request, engine::EncodeDone done) override {
    ++asked;
    deadline = call.deadline;
    cancel = call.cancel;
    output = request.output;
    if (!refusal.has_value()) return refusal;
    if (holds) {
      held = std::move(done);
      return {};
    }
    if (!failure.has_value()) {
      done(failure.error());
      return {};
    }
    engine::EncodeResult result;
    const std::size_t times = info_.can_label_tokens ? request.texts.front().size() : 1;
    for (std::size_t i = 0; i < times; ++i) {
      if (i == 0) result.rows.emplace_back();
      result.rows[0].insert(result.rows[0].end(), row_.begin(), row_.end());
    }
    done(std::move(result));
    return {};
  }
  base::Status Health() const override { return {}; }
  engine::EngineStats Stats() const override { return {}; }

  std::atomic<int> asked{0};
  base::Deadline deadline;
  base::CancelToken cancel;
  engine::EncodeOutput output = engine::EncodeOutput::kPooled;
  base::Status refusal, failure;
  bool holds = false;
  engine::EncodeDone held;

 private:
  engine::ModelInfo info_;
  const std::vector<float> row_;
};

class FrameEncodersTest : public testing::Test {
 protected:
  base::Result<std::shared_ptr<const FrameEncoders>> Make(const EncoderOptions& options) {
    return FrameEncoders::Create(options, models_, TestModel::Load());
  }
  void Set(const EncoderOptions& options) {
    UnderstandSettings settings = TestPipeline::Settings();
    auto made = Make(options);
    ASSERT_TRUE(made.has_value()) << made.error().message;
    settings.encoders = *made;
    settings.truncation = truncation_;
    pipeline_.SetSettings(std::move(settings));
  }
  base::Status Run(std::string_view text) { return Run(text, test_.Call()); }
  base::Status Run(std::string_view text, const base::CallContext& call) {
    UnderstandRequest request;
    request.utterance.text = text;
    request.want_embedding = want_embedding_;
    request.want_intent = want_intent_;
    request.want_slots = want_slots_;
    return RunNow(pipeline_.Run(call, request, answer_));
  }
  const domain::Frame& frame() const { return answer_.frame; }
  std::string Best() const { return frame().intent_ranking.empty() ? "" : frame().intent_ranking.front().name; }
  std::vector<std::string> Slots() const {
    std::vector<std::string> said;
    for (const domain::Slot& slot : frame().slots) said.push_back(slot.name() + "=" + slot.value);
    return said;
  }

  ServedModel Served(const std::shared_ptr<ScriptedEncoder>& engine) {
    return {.engine = engine, .text = TextOfModel(engine->info(), test_.clock)};
  }

  using Labels = std::vector<std::string>;
  using Row = std::vector<float>;
  TestPipeline test_;
  std::shared_ptr<ScriptedEncoder> vectors_ =
      std::make_shared<ScriptedEncoder>("vectors", Head::kNone, Labels{}, Row{3, 0, 4});
  std::shared_ptr<ScriptedEncoder> music_ = std::make_shared<ScriptedEncoder>(
      "music", Head::kSequence, Labels{"weather", "play_music", "none"}, Row{0, 5, 0});
  std::shared_ptr<ScriptedEncoder> unsure_ = std::make_shared<ScriptedEncoder>(
      "unsure", Head::kSequence, Labels{"weather", "play_music", "set_alarm"}, Row{0, 0, 0.1F});
  std::shared_ptr<ScriptedEncoder> cities_ =
      std::make_shared<ScriptedEncoder>("cities", Head::kToken, Labels{"O", "B-thing", "I-thing"}, Row{0, 0, 3});
  const ModelSet models_{{Served(vectors_), Served(music_), Served(unsure_), Served(cities_)}};
  PromptWorkers workers_;
  UnderstandPipeline pipeline_{TestPipeline::Settings(), test_.sessions, test_.clock, {.workers = &workers_}};
  UnderstandAnswer answer_;
  bool want_embedding_ = false, want_intent_ = true, want_slots_ = true;
  understanding::Truncation truncation_ = understanding::Truncation::kHead;
  const EncoderOptions embedding_{.embedding = {.model = "vectors"}};
  const std::map<std::string, ClassifierOptions> rest_ = {{"music", {.out_of_scope_labels = {"none"}}}};
};

TEST_F(FrameEncodersTest, AnEmbeddingOfLengthOneComesOnRequest) {
  Set(embedding_);
  ASSERT_TRUE(Run(kWeather).has_value());
  EXPECT_TRUE(frame().embedding.empty());
  EXPECT_EQ(vectors_->asked, 0);
  want_embedding_ = true;
  ASSERT_TRUE(Run(kWeather).has_value());
  EXPECT_THAT(frame().embedding, ElementsAre(testing::FloatEq(0.6F), 0, testing::FloatEq(0.8F)));
  EXPECT_EQ(vectors_->output, engine::EncodeOutput::kPooled);
  EXPECT_EQ(Best(), "weather");
  want_embedding_ = false;
  ASSERT_TRUE(Run(kWeather).has_value());
  EXPECT_TRUE(frame().embedding.empty()) << "the frame is used again, its embedding is not";
}

TEST_F(FrameEncodersTest, AnEmbeddingComesAlwaysWhereTheConfigurationSaysSo) {
  EncoderOptions always = embedding_;
  always.embedding.always = true;
  Set(always);
  ASSERT_TRUE(Run(kWeather).has_value());
  EXPECT_EQ(frame().embedding.size(), 3u);
}

TEST_F(FrameEncodersTest, AnEmbeddingThatNobodyMakesIsRefused) {
  want_embedding_ = true;
  EXPECT_EQ(Run(kWeather).error().reason, "no_embedding_model");
  Set({.intent_order = {"music"}, .classifiers = rest_});
  EXPECT_EQ(Run(kWeather).error().param, "/features");
}

TEST_F(FrameEncodersTest, AFrameStandsWithoutItsEmbeddingAndSaysWhy) {
  Set(embedding_);
  want_embedding_ = true;
  vectors_->refusal = base::Error{.code = Code::kResourceExhausted, .message = "full", .reason = "queue_full"};
  ASSERT_TRUE(Run(kWeather).has_value());
  ASSERT_EQ(frame().notes.size(), 1u);
  EXPECT_EQ(frame().notes[0].feature, "embedding");
  EXPECT_EQ(frame().notes[0].model, "vectors");
  EXPECT_EQ(frame().notes[0].error.reason, "queue_full");
  EXPECT_EQ(Best(), "weather");
  vectors_->refusal = {};
  vectors_->failure = base::Internal("NaN");
  ASSERT_TRUE(Run(kWeather).has_value());
  EXPECT_EQ(frame().notes[0].error.code, Code::kInternal);
  vectors_->failure = {};
  ASSERT_TRUE(Run(kWeather).has_value());
  EXPECT_TRUE(frame().notes.empty());
  // 15 words and two special tokens: one more than the context.
  ASSERT_TRUE(Run("a b c d e f g h i j k l m n o").has_value());
  EXPECT_EQ(frame().notes[0].error.reason, "context_length_exceeded");
  ASSERT_TRUE(Run("a b c d e f g h i j k l m n").has_value());
  EXPECT_TRUE(frame().notes.empty());
}

TEST_F(FrameEncodersTest, AnEncoderThatIsLateIsPassedOverAndCancelled) {
  EncoderOptions options = embedding_;
  options.embedding.timeout = milliseconds(20);
  Set(options);
  want_embedding_ = true;
  vectors_->holds = true;
  ASSERT_TRUE(Run(kWeather).has_value());
  EXPECT_EQ(frame().notes[0].error.reason, "model_late");
  EXPECT_TRUE(vectors_->cancel.cancelled());
  EXPECT_EQ(vectors_->deadline.at(), test_.clock.Now() + milliseconds(20));
  vectors_->held(base::Cancelled("too late: nobody listens"));
}

TEST_F(FrameEncodersTest, AClientThatGoesEndsTheWait) {
  Set(embedding_);
  want_embedding_ = true;
  vectors_->holds = true;
  base::CancelSource client;
  base::CallContext call = test_.Call();
  call.cancel = client.token();
  base::Status done;
  std::jthread running([&] { done = Run(kWeather, call); });
  while (vectors_->asked == 0) std::this_thread::yield();
  client.Cancel();
  running.join();
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, Code::kCancelled);
}

TEST_F(FrameEncodersTest, AQuestionWhoseCallHasFailedIsCancelled) {
  truncation_ = understanding::Truncation::kError;
  Set(embedding_);
  UnderstandSettings settings = *pipeline_.settings();
  settings.tokens_max = 2;
  pipeline_.SetSettings(settings);
  want_embedding_ = true;
  vectors_->holds = true;
  EXPECT_EQ(Run(kWeather).error().reason, "text_too_long");
  EXPECT_EQ(vectors_->asked, 1);
  EXPECT_TRUE(vectors_->cancel.cancelled());
}

TEST_F(FrameEncodersTest, StoppingEndsTheWait) {
  Set(embedding_);
  want_embedding_ = true;
  vectors_->holds = true;
  pipeline_.Stop();
  ASSERT_TRUE(Run(kWeather).has_value());
  EXPECT_EQ(frame().notes[0].error.reason, "stopping");
}

TEST_F(FrameEncodersTest, AClassifierAloneRanksIntents) {
  Set({.intent_order = {"music"}, .classifiers = rest_});
  ASSERT_TRUE(Run(kWeather).has_value());
  EXPECT_EQ(Best(), "play_music");
  EXPECT_EQ(frame().intent_ranking.size(), 2u);
  EXPECT_FALSE(frame().out_of_scope);
  EXPECT_EQ(music_->output, engine::EncodeOutput::kLogits);
  EXPECT_THAT(Slots(), ElementsAre("city=paris")) << "slots are still the assistant's";
  want_intent_ = false;
  music_->asked = 0;
  ASSERT_TRUE(Run(kWeather).has_value());
  EXPECT_TRUE(frame().intent_ranking.empty());
  EXPECT_EQ(music_->asked, 0);
}

TEST_F(FrameEncodersTest, TheFirstOfTheOrderThatIsSureHasTheWord) {
  Set({.intent_order = {"small", "music"}, .sure_at = 0.5, .classifiers = rest_});
  ASSERT_TRUE(Run(kWeather).has_value());
  EXPECT_EQ(Best(), "weather");
  EXPECT_EQ(music_->asked, 0) << "whom nobody needs nobody asks";
  ASSERT_TRUE(Run(kForeign).has_value());  // Out of scope to the assistant.
  EXPECT_EQ(Best(), "play_music");
  EXPECT_FALSE(frame().out_of_scope);
  Set({.intent_order = {"unsure", "small"}, .sure_at = 0.5});
  ASSERT_TRUE(Run(kWeather).has_value());
  EXPECT_EQ(Best(), "weather");
  EXPECT_EQ(unsure_->asked, 1);
}

TEST_F(FrameEncodersTest, WhereNobodyIsSureTheLastHasTheWord) {
  Set({.intent_order = {"small", "unsure"}, .sure_at = 1});
  ASSERT_TRUE(Run(kWeather).has_value());
  EXPECT_EQ(Best(), "set_alarm");
}

TEST_F(FrameEncodersTest, AModelOfTheOrderThatFailsIsPassedOverAndNoted) {
  Set({.intent_order = {"music", "small"}, .classifiers = rest_});
  music_->failure = base::Unavailable("away");
  ASSERT_TRUE(Run(kWeather).has_value());
  EXPECT_EQ(Best(), "weather");
  ASSERT_EQ(frame().notes.size(), 1u);
  EXPECT_EQ(frame().notes[0].feature, "intent");
  EXPECT_EQ(frame().notes[0].model, "music");
}

TEST_F(FrameEncodersTest, WhereNoModelOfAnOrderAnswersTheCallFails) {
  Set({.intent_order = {"music"}, .classifiers = rest_});
  music_->failure = base::Unavailable("away");
  EXPECT_EQ(Run(kWeather).error().code, Code::kUnavailable);
  music_->failure = {};
  Set({.slot_order = {"cities"}});
  cities_->refusal = base::Unavailable("away");
  EXPECT_EQ(Run(kWeather).error().code, Code::kUnavailable);
  want_slots_ = false;
  EXPECT_TRUE(Run(kWeather).has_value());
}

TEST_F(FrameEncodersTest, TextWithoutAWordIsOutOfScopeAndAsksNobody) {
  Set({.intent_order = {"music"}, .slot_order = {"cities"}, .classifiers = rest_});
  ASSERT_TRUE(Run(" \t ").has_value());
  EXPECT_TRUE(frame().intent_ranking.empty());
  EXPECT_TRUE(frame().out_of_scope);
  EXPECT_TRUE(frame().slots.empty());
  EXPECT_EQ(music_->asked + cities_->asked, 0);
}

TEST_F(FrameEncodersTest, ATokenClassifierMarksSlots) {
  Set({.slot_order = {"cities"}});
  ASSERT_TRUE(Run("at 7 am").has_value());
  EXPECT_THAT(Slots(), ElementsAre("thing=at 7 am"));
  EXPECT_EQ(frame().slots[0].kind, "time") << "values have their normal form";
}

TEST_F(FrameEncodersTest, OfOverlappingSlotsTheEarlierModelsStand) {
  Set({.slot_order = {"small", "cities"}});
  ASSERT_TRUE(Run(kWeather).has_value());
  EXPECT_THAT(Slots(), ElementsAre("city=paris"));
  Set({.slot_order = {"cities", "small"}});
  ASSERT_TRUE(Run(kWeather).has_value());
  EXPECT_THAT(Slots(), ElementsAre("thing=what is the weather in paris"));
}

TEST_F(FrameEncodersTest, TextPastAModelsContextIsCutByThePolicyAndCounted) {
  const std::string_view text = "a b c d e f g h i j k l m n o p";  // 16, of which 14 fit.
  Set({.intent_order = {"music"}, .slot_order = {"cities"}, .classifiers = rest_});
  ASSERT_TRUE(Run(text).has_value());
  EXPECT_EQ(frame().truncated_tokens, 2u);
  EXPECT_THAT(Slots(), ElementsAre("thing=a b c d e f g h i j k l m n"));
  truncation_ = understanding::Truncation::kTail;
  Set({.slot_order = {"cities"}});
  ASSERT_TRUE(Run(text).has_value());
  EXPECT_THAT(Slots(), ElementsAre("thing=c d e f g h i j k l m n o p"));
  truncation_ = understanding::Truncation::kError;
  for (const EncoderOptions& options :
       {EncoderOptions{.slot_order = {"cities"}}, EncoderOptions{.intent_order = {"music"}, .classifiers = rest_}}) {
    Set(options);
    const base::Status refused = Run(text);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().reason, "text_too_long");
    EXPECT_EQ(refused.error().code, Code::kInvalidArgument);
  }
}

TEST_F(FrameEncodersTest, WhatCannotWorkIsRefusedAtItsKey) {
  const auto refused = [&](const EncoderOptions& options) {
    const auto made = Make(options);
    EXPECT_FALSE(made.has_value());
    return made.has_value() ? std::string() : made.error().param + " " + made.error().message;
  };
  EXPECT_THAT(refused({.embedding = {.model = "nobody"}}), HasSubstr("/encoders/embedding/model there is no model"));
  EXPECT_THAT(refused({.embedding = {.model = "music"}}), HasSubstr("makes no embeddings"));
  EXPECT_THAT(refused({.intent_order = {"nobody"}}), HasSubstr("/encoders/intent_order there is no model"));
  EXPECT_THAT(refused({.intent_order = {"cities"}}), HasSubstr("is no sequence classifier"));
  EXPECT_THAT(refused({.slot_order = {"music"}}), HasSubstr("is no token classifier"));
  EXPECT_THAT(refused({.intent_order = {"music"}}),
              HasSubstr("/encoders/classifiers/music/labels model music: the label \"none\""));
  EXPECT_THAT(refused({.slot_order = {"cities"}, .classifiers = {{"cities", {.labels = {{"thing", "planet"}}}}}}),
              HasSubstr("/encoders/classifiers/cities/labels"));
  EXPECT_THAT(refused({.slot_order = {"cities"}, .classifiers = {{"cities", {.out_of_scope_labels = {"O"}}}}}),
              HasSubstr("marks slots"));
}

TEST_F(FrameEncodersTest, AnAssistantAloneIsNoEncoderAtAll) {
  EXPECT_EQ(Make({}).value(), nullptr);
  EXPECT_EQ(Make({.intent_order = {"small"}, .slot_order = {"small"}}).value(), nullptr);
}

TEST(CheckEncoderNames, NamesTheKeyOfWhatIsNotThere) {
  const std::vector<std::string> models = {"bert"};
  const auto param = [&](const EncoderOptions& options, const std::string& assistant = "assistant") {
    const base::Status checked = CheckEncoderNames(options, models, assistant);
    return checked.has_value() ? std::string() : checked.error().param;
  };
  EXPECT_EQ(param({}), "");
  EXPECT_EQ(param({.intent_order = {"bert", "assistant"}, .slot_order = {"assistant", "bert"}}), "");
  EXPECT_EQ(param({.embedding = {.model = "x"}}), "/encoders/embedding/model");
  EXPECT_EQ(param({.intent_order = {"x"}}), "/encoders/intent_order");
  EXPECT_EQ(param({.slot_order = {"x"}}), "/encoders/slot_order");
  EXPECT_EQ(param({.classifiers = {{"bert", {}}}}), "/encoders/classifiers/bert");
  EXPECT_EQ(param({.intent_order = {"bert"}}, "bert"), "/encoders");
}

}  // namespace
}  // namespace loquat::pipeline
