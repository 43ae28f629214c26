#include "engine/encoder_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "engine/fake_encoder.h"

namespace loquat::engine {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Answer {
  std::optional<base::Result<EncodeResult>> result;
  int calls = 0;
  base::CancelSource cancel;
};

std::vector<TokenId> TextOf(std::size_t tokens, std::uint64_t seed) {
  base::Random random(seed);
  std::vector<TokenId> text(tokens);
  for (TokenId& token : text) token = static_cast<TokenId>(2 + random.Below(998));
  return text;
}

class EncoderUnderTest {
 public:
  explicit EncoderUnderTest(model::BertHead head = model::BertHead::kSequenceClassification,
                            const EncoderLoopOptions& options = {.batch_tokens_max = 512})
      : model_(std::make_shared<FakeEncoder>(head)),
        admission_({.queue_max = 64, .queue_tokens_max = 1 << 20, .sequences_max = 1}, clock_),
        metrics_(registry_, "fake"),
        loop_({.model = model_, .workspace = FakeEncoder::MakeWorkspace()}, options, admission_, metrics_,
              EncodeTokens(registry_, "fake"), clock_) {
    model_->before_step = [this] { clock_.Advance(milliseconds(10)); };
    info_ = {.name = "fake", .context = 512, .vocabulary = 1000, .width = 8, .token_types = 2};
    info_.can_embed = true;
    info_.can_label_tokens = head == model::BertHead::kTokenClassification;
    info_.can_classify = head == model::BertHead::kSequenceClassification;
  }
  ~EncoderUnderTest() { loop_.EndAll(base::Unavailable("the test ends")); }

  std::shared_ptr<Answer> Submit(EncodeRequest request, base::Priority lane = base::Priority::kInteractive,
                                 base::Deadline deadline = {}) {
    auto answer = std::make_shared<Answer>();
    base::CallContext call;
    call.cancel = answer->cancel.token();
    call.priority = lane;
    call.deadline = deadline;
    auto done = [answer](base::Result<EncodeResult> result) {
      answer->result = std::move(result);
      ++answer->calls;
    };
    auto job = EncodeJob::Create(call, std::move(request), done, info_, clock_.Now());
    base::Status admitted =
        job.has_value() ? admission_.Enter((*job)->work, deadline) : base::Status(std::move(job).error());
    if (admitted.has_value()) {
      loop_.Take(*std::move(job));
    } else {
      done(std::move(admitted).error());
    }
    return answer;
  }
  void RunUntilIdle() {
    while (loop_.Step()) continue;
  }
  // What the model gives for the text alone.
  std::vector<float> Alone(const std::vector<TokenId>& text, EncodeOutput output) {
    const model::EncoderText one{.tokens = text, .token_types = {}};
    const auto workspace = FakeEncoder::MakeWorkspace();
    FakeEncoder plain(model_->config().head);
    plain.Forward(std::span(&one, 1), *workspace);
    const auto row = output == EncodeOutput::kPooled ? plain.Pooled(*workspace) : plain.Logits(*workspace);
    return {row.begin(), row.end()};
  }

  FakeEncoder& model() { return *model_; }
  EncoderLoop& loop() { return loop_; }
  Admission& admission() { return admission_; }
  base::ManualClock& clock() { return clock_; }
  std::string metrics() const { return registry_.Text(); }

 private:
  base::ManualClock clock_;
  observe::Registry registry_;
  std::shared_ptr<FakeEncoder> model_;
  ModelInfo info_;
  Admission admission_;
  EngineMetrics metrics_;
  EncoderLoop loop_;
};

TEST(EncodeBatcher, TakesTurnsAndKeepsWhatDoesNotFitForTheNextBatch) {
  const std::vector<std::vector<TokenId>> many(10, std::vector<TokenId>(40));
  const std::vector<std::vector<TokenId>> large(1, std::vector<TokenId>(90));
  const std::vector<std::vector<TokenId>> small(1, std::vector<TokenId>(10));
  EncodeTurns a{.texts = many};
  EncodeTurns b{.texts = large};
  EncodeTurns c{.texts = small};
  EncodeBatcher batcher(100, 100);
  batcher.Add(a);
  batcher.Add(b);
  batcher.Add(c);
  const auto who = [&] {
    std::string names;
    for (const EncodeItem& item : batcher.Next()) names += item.turns == &a ? 'a' : item.turns == &b ? 'b' : 'c';
    return names;
  };
  EXPECT_EQ(who(), "aca");  // The large one does not fit beside the first.
  EXPECT_EQ(who(), "b");
  EXPECT_EQ(who(), "aa");
  batcher.Remove(a);
  EXPECT_EQ(who(), "");
}

TEST(EncodeBatcher, BoundsTheTextsOfABatch) {
  const std::vector<std::vector<TokenId>> many(10, std::vector<TokenId>(1));
  EncodeTurns a{.texts = many};
  EncodeBatcher batcher(100, 4);
  batcher.Add(a);
  EXPECT_EQ(batcher.Next().size(), 4U);
  EXPECT_EQ(batcher.Next().size(), 4U);
  EXPECT_EQ(batcher.Next().size(), 2U);
}

TEST(EncodeBatcher, TheBatchLaneHasItsTurnUnderInteractiveLoad) {
  const std::vector<std::vector<TokenId>> many(1000, std::vector<TokenId>(50));
  EncodeTurns busy{.texts = many};
  EncodeTurns batch{.lane = base::Priority::kBatch, .texts = many};
  EncodeBatcher batcher(100, 100);
  batcher.Add(busy);
  batcher.Add(batch);
  for (int i = 0; i < 40; ++i) batcher.Next();
  EXPECT_EQ(batch.next, 2U * 40 / kBatchLaneEvery);
  EXPECT_EQ(busy.next, 2U * (40 - 40 / kBatchLaneEvery));
}

TEST(EncoderLoop, GivesEachRequestItsOwnRowsWhateverIsInTheBatch) {
  for (const model::BertHead head : {model::BertHead::kSequenceClassification, model::BertHead::kTokenClassification}) {
    EncoderUnderTest test(head);
    base::Random random(5);
    std::vector<std::pair<EncodeRequest, std::shared_ptr<Answer>>> made;
    for (std::uint64_t i = 0; i < 40; ++i) {
      EncodeRequest request;
      for (std::uint64_t n = 1 + random.Below(8); n > 0; --n) {
        request.texts.push_back(TextOf(1 + random.Below(512), random.Next()));
      }
      request.output = random.Chance(0.5) ? EncodeOutput::kPooled : EncodeOutput::kLogits;
      made.emplace_back(
          request, test.Submit(request, random.Chance(0.5) ? base::Priority::kBatch : base::Priority::kInteractive));
    }
    test.RunUntilIdle();
    for (const auto& [request, answer] : made) {
      ASSERT_EQ(answer->calls, 1);
      ASSERT_TRUE(answer->result->has_value());
      std::uint32_t tokens = 0;
      for (std::size_t i = 0; i < request.texts.size(); ++i) {
        EXPECT_EQ((*answer->result)->rows[i], test.Alone(request.texts[i], request.output));
        tokens += static_cast<std::uint32_t>(request.texts[i].size());
      }
      EXPECT_EQ((*answer->result)->tokens, tokens);
    }
    EXPECT_EQ(test.admission().queued(), 0U);
  }
}

TEST(EncoderLoop, ALargeRequestDoesNotKeepASmallOneWaiting) {
  EncoderUnderTest test;
  const auto large = test.Submit({.texts = std::vector(500, TextOf(100, 1))});
  test.loop().Step();
  const auto small = test.Submit({.texts = {TextOf(20, 2)}});
  test.loop().Step();
  EXPECT_EQ(small->calls, 1);
  EXPECT_EQ(large->calls, 0);
  test.RunUntilIdle();
  EXPECT_EQ(large->calls, 1);
}

TEST(EncoderLoop, ComputesNothingFromDamagedWeights) {
  EncoderUnderTest test;
  test.model().weights = base::DataLoss("chunk 3 is damaged");
  const auto one = test.Submit({.texts = {TextOf(20, 1), TextOf(20, 2)}});
  const auto two = test.Submit({.texts = {TextOf(20, 3)}});
  test.RunUntilIdle();
  for (const auto& answer : {one, two}) {
    EXPECT_EQ(answer->calls, 1);
    ASSERT_FALSE(answer->result->has_value());
    EXPECT_EQ(answer->result->error().code, base::Code::kDataLoss);
  }
  EXPECT_EQ(test.model().steps, 0U);
}

TEST(EncoderLoop, FillsABatchByTokens) {
  EncoderUnderTest test;
  for (std::uint64_t i = 0; i < 20; ++i) test.Submit({.texts = {TextOf(50, i)}});
  test.loop().Step();
  EXPECT_EQ(test.model().batch_texts, 10U);
  EXPECT_EQ(test.model().batch_tokens, 500U);
  test.RunUntilIdle();
  EXPECT_EQ(test.model().steps, 2U);
}

// https://github.com/ggml-org/llama.cpp/issues/12836: a text longer than the physical batch gave a 500 or a crash.
TEST(LlamaCpp12836, ATextAsLongAsTheContextIsEncodedAndALongerOneIsAnErrorThatNamesIt) {
  EncoderUnderTest test;
  const auto longest = test.Submit({.texts = {TextOf(512, 1), TextOf(512, 2)}});
  const auto longer = test.Submit({.texts = {TextOf(3, 1), TextOf(513, 2)}});
  const auto good = test.Submit({.texts = {TextOf(3, 3)}});
  test.RunUntilIdle();
  EXPECT_TRUE(longest->result->has_value());
  EXPECT_TRUE(good->result->has_value());
  ASSERT_FALSE(longer->result->has_value());
  EXPECT_EQ(longer->result->error().param, "/input/1");
  EXPECT_EQ(longer->result->error().reason, "context_length_exceeded");
  EXPECT_THAT(longer->result->error().message, HasSubstr("513"));
}

TEST(EncoderLoop, RefusesWhatMakesNoSense) {
  EncoderUnderTest test(model::BertHead::kNone);
  const auto error = [&](EncodeRequest request) { return test.Submit(std::move(request))->result->error(); };
  EXPECT_EQ(error({}).param, "/input");
  EXPECT_EQ(error({.texts = {{5}, {}}}).param, "/input/1");
  EXPECT_EQ(error({.texts = {{5, 1000}}}).param, "/input/0/1");
  EXPECT_EQ(error({.texts = {{-5}}}).param, "/input/0/0");
  EXPECT_EQ(error({.texts = std::vector(kEncodeTextsMax + 1, std::vector<TokenId>{5})}).param, "/input");
  EXPECT_EQ(error({.texts = {{5}}, .output = EncodeOutput::kLogits}).code, base::Code::kFailedPrecondition);
  EXPECT_EQ(error({.texts = {{5}}, .token_types = {{2}}}).param, "/token_types");
  EXPECT_EQ(error({.texts = {{5}}, .token_types = {{0, 1}}}).param, "/token_types");
  const auto most = test.Submit({.texts = std::vector(kEncodeTextsMax, std::vector<TokenId>{5})});
  test.RunUntilIdle();
  EXPECT_TRUE(most->result->has_value());
}

TEST(EncoderLoop, TokenTypesReachTheModel) {
  EncoderUnderTest test;
  const auto one = test.Submit({.texts = {{5, 6}}, .token_types = {{0, 0}}});
  const auto two = test.Submit({.texts = {{5, 6}}, .token_types = {{0, 1}}});
  test.RunUntilIdle();
  EXPECT_NE((*one->result)->rows, (*two->result)->rows);
}

TEST(EncoderLoop, OneBrokenTextFailsItsOwnRequestAlone) {
  EncoderUnderTest test;
  const auto good = test.Submit({.texts = {TextOf(20, 1)}});
  const auto bad = test.Submit({.texts = {TextOf(20, 2), {kPoisonWord}, TextOf(20, 3)}});
  const auto after = test.Submit({.texts = {TextOf(20, 4)}});
  test.RunUntilIdle();
  EXPECT_TRUE(good->result->has_value());
  EXPECT_TRUE(after->result->has_value());
  EXPECT_EQ(bad->result->error().code, base::Code::kInternal);
  EXPECT_EQ(bad->calls, 1);
}

TEST(EncoderLoop, ACancelOrADeadlineEndsARequestWithinOneStep) {
  EncoderUnderTest test;
  const auto runs = test.Submit({.texts = std::vector(50, TextOf(500, 1))});
  const auto late = test.Submit({.texts = std::vector(50, TextOf(500, 2))}, base::Priority::kInteractive,
                                base::Deadline::After(test.clock(), milliseconds(25)));
  for (int i = 0; i < 4; ++i) test.loop().Step();
  EXPECT_EQ(late->result->error().code, base::Code::kDeadlineExceeded);
  runs->cancel.Cancel();
  const std::size_t before = test.model().steps;
  EXPECT_FALSE(test.loop().Step());
  EXPECT_EQ(test.model().steps, before);
  EXPECT_EQ(runs->result->error().code, base::Code::kCancelled);
  EXPECT_THAT(test.metrics(), HasSubstr(R"(wasted_tokens_total{model="fake",reason="cancelled"})"));
  EXPECT_EQ(test.admission().queued(), 0U);
}

}  // namespace
}  // namespace loquat::engine
