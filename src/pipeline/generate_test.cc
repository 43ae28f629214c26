// Generation and embeddings on an engine that says what it is told to.

#include "pipeline/generate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <thread>

#include "pipeline/embed.h"
#include "pipeline/fake_engine.h"
#include "pipeline/test_assistant.h"

namespace loquat::pipeline {
namespace {

using testing::ElementsAre;
using testing::FloatNear;
using testing::HasSubstr;

struct Told {
  std::vector<std::string> texts;  // By choice.
  std::vector<engine::Finish> finishes;
  base::Status status;
  engine::Usage usage;
  std::string all() const {
    std::string joined;
    for (const std::string& text : texts) joined += text + "|";
    return joined;
  }
};

class GenerateTest : public testing::Test {
 protected:
  static GenerateInput Ask(Prompt prompt) { return {.model = "small", .prompts = {std::move(prompt)}, .request = {}}; }
  base::CallContext Call() { return {.request_id = "r", .trace = {}, .received_at = {}, .tenant = "t"}; }

  boost::asio::awaitable<Told> Listen(const base::CallContext call, const GenerateInput input) {
    Told told;
    auto generation = co_await generate_.Start(call, input);
    if (!generation.has_value()) {
      told.status = generation.error();
      co_return told;
    }
    told.texts.resize(input.prompts.size() * input.request.choices);
    std::vector<AnswerDelta> deltas;
    while (co_await (*generation)->Next(deltas)) {
      for (const AnswerDelta& delta : deltas) {
        told.texts[delta.choice] += delta.text;
        if (delta.finish) told.finishes.push_back(*delta.finish);
      }
    }
    told.status = (*generation)->status();
    told.usage = (*generation)->usage();
    co_return told;
  }
  Told Run(const GenerateInput& input) { return RunNow(Listen(Call(), input)); }
  base::Result<EmbedAnswer> Embed(EmbedInput input) { return RunNow(EmbedNow(std::move(input))); }
  boost::asio::awaitable<base::Result<EmbedAnswer>> EmbedNow(EmbedInput input) {
    const base::CallContext call = Call();
    co_return co_await embed_.Run(call, input);
  }

  const std::shared_ptr<FakeEngine> engine_ = std::make_shared<FakeEngine>("small", 64);
  const ModelSet models_{{Serve(engine_)}};
  PromptWorkers workers_;
  GenerateUseCase generate_{models_, workers_};
  EmbedUseCase embed_{models_, workers_};
};

TEST_F(GenerateTest, TheAnswerComesWholeWithItsNumbers) {
  const Told told = Run(Ask(std::string("abc")));
  ASSERT_TRUE(told.status.has_value()) << told.status.error().message;
  EXPECT_EQ(told.all(), "Hello|");
  EXPECT_THAT(told.finishes, ElementsAre(engine::Finish::kStop));
  EXPECT_EQ(told.usage.prompt_tokens, 3u);
  EXPECT_EQ(told.usage.generated_tokens, 5u);
  EXPECT_EQ(told.usage.cached_prompt_tokens, 3u);
  EXPECT_EQ(engine_->last_request().prompt, (std::vector<engine::TokenId>{'a', 'b', 'c'}));
}

TEST_F(GenerateTest, ChoicesOfSeveralPromptsAreCountedThrough) {
  GenerateInput input = Ask(std::string("abc"));
  input.prompts.emplace_back(std::vector<engine::TokenId>{1, 2});
  input.request.choices = 2;
  const Told told = Run(input);
  EXPECT_EQ(told.all(), "Hello|Hello|Hello|Hello|");
  EXPECT_EQ(told.finishes.size(), 4u);
  EXPECT_EQ(told.usage.prompt_tokens, 5u);
  EXPECT_EQ(told.usage.generated_tokens, 20u);
}

TEST_F(GenerateTest, AnUnknownModelIsRefusedWithTheNamesThereAre) {
  GenerateInput input = Ask(std::string("abc"));
  input.model = "smal";
  const Told told = Run(input);
  EXPECT_EQ(told.status.error().code, base::Code::kNotFound);
  EXPECT_EQ(told.status.error().reason, "model_not_found");
  EXPECT_EQ(told.status.error().message, "there is no model \"smal\"; this server runs small");
}

TEST_F(GenerateTest, APromptFillsTheContextButForTheAnswer) {
  EXPECT_TRUE(Run(Ask(std::string(63, 'a'))).status.has_value());
  const Told told = Run(Ask(std::string(64, 'a')));
  EXPECT_EQ(told.status.error().reason, "context_length_exceeded");
  EXPECT_EQ(told.status.error().param, "/prompt");
  GenerateInput input = Ask(std::string(60, 'a'));
  input.request.tokens_max = 4;
  EXPECT_TRUE(Run(input).status.has_value());
  input.request.tokens_max = 5;
  EXPECT_THAT(Run(input).status.error().message, HasSubstr("60 tokens and 5 more are asked for"));
  EXPECT_EQ(Run(Ask(std::string())).status.error().code, base::Code::kInvalidArgument);
}

TEST_F(GenerateTest, TokensAndOptionsOutOfRangeAreRefused) {
  EXPECT_THAT(Run(Ask(std::vector<engine::TokenId>{1, 256})).status.error().message, HasSubstr("token 1 is 256"));
  GenerateInput input = Ask(std::string("abc"));
  input.request.sampling.top_p = 0;
  EXPECT_EQ(Run(input).status.error().param, "/top_p");
  engine_->mutable_info().can_generate = false;
  EXPECT_EQ(Run(Ask(std::string("abc"))).status.error().reason, "model_cannot_generate");
}

TEST_F(GenerateTest, ARefusalOfTheEngineIsTheAnswer) {
  engine_->set_script({.refusal = base::ResourceExhausted("full", "queue_full")});
  EXPECT_EQ(Run(Ask(std::string("abc"))).status.error().reason, "queue_full");
}

TEST_F(GenerateTest, AFailureComesAfterWhatWasSaid) {
  engine_->set_script({.text = "ab", .status = base::Internal("broken")});
  const Told told = Run(Ask(std::string("abc")));
  EXPECT_EQ(told.all(), "ab|");
  EXPECT_EQ(told.status.error().message, "broken");
}

TEST_F(GenerateTest, ALongPromptIsTokenisedOnAnotherThread) {
  engine_->mutable_info().context = 1 << 20;
  EXPECT_TRUE(Run(Ask(std::string(kPromptBytesInlineMax + 1, 'a'))).status.has_value());
  EXPECT_EQ(engine_->last_request().prompt.size(), kPromptBytesInlineMax + 1);
}

TEST_F(GenerateTest, ASessionBelongsToItsTenant) {
  GenerateInput input = Ask(std::string("abc"));
  input.request.session = "s";
  Run(input);
  EXPECT_EQ(engine_->last_request().session, "t/s");
}

TEST_F(GenerateTest, AClientThatGoesAwayEndsTheWaitAndTheWork) {
  engine_->set_script({.text = "abc", .hold_after = 1});
  base::CancelSource client;
  base::CallContext call = Call();
  call.cancel = client.token();
  std::thread leaving([&] { client.Cancel(); });
  const Told told = RunNow(Listen(call, Ask(std::string("x"))));
  leaving.join();
  EXPECT_EQ(told.status.error().code, base::Code::kCancelled);
  engine_->AwaitCancelled(1);
}

TEST_F(GenerateTest, StoppingEndsWhatWaitsAndWhatComesLater) {
  engine_->set_script({.text = "abc", .hold_after = 1});
  std::thread stopping([&] { generate_.Stop(); });
  EXPECT_EQ(Run(Ask(std::string("x"))).status.error().reason, "stopping");
  stopping.join();
  EXPECT_EQ(Run(Ask(std::string("x"))).status.error().reason, "stopping");
}

TEST(GenerationStreamTest, AReaderThatFallsBehindIsCut) {
  const auto stream = std::make_shared<GenerationStream>(100);
  const auto sink = stream->AddSource(0);
  const std::string text(40, 'a');
  EXPECT_TRUE(sink->OnDelta({.text = text}));
  EXPECT_TRUE(sink->OnDelta({.text = text}));
  std::vector<AnswerDelta> deltas;
  EXPECT_TRUE(RunNow(stream->Next(deltas)));
  EXPECT_EQ(deltas.at(0).text.size(), 80u);
  EXPECT_TRUE(sink->OnDelta({.text = text}));
  EXPECT_TRUE(sink->OnDelta({.text = text}));
  EXPECT_FALSE(sink->OnDelta({.text = text}));
  EXPECT_FALSE(sink->OnDelta({.text = text}));
  EXPECT_FALSE(RunNow(stream->Next(deltas)));
  EXPECT_EQ(stream->status().error().reason, "slow_reader");
  // One piece larger than the bound reaches a reader who is up to date.
  const auto other = std::make_shared<GenerationStream>(10);
  EXPECT_TRUE(other->AddSource(0)->OnDelta({.text = text}));
}

TEST_F(GenerateTest, EmbeddingsHaveLengthOne) {
  engine_->mutable_info().can_embed = true;
  const auto answer = Embed({.model = "small", .texts = {std::string("ccc"), std::vector<engine::TokenId>{4, 0, 0}}});
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_EQ(answer->tokens, 6u);
  EXPECT_THAT(answer->rows, ElementsAre(ElementsAre(FloatNear(3 / 99.0454F, 1e-5F), FloatNear(99 / 99.0454F, 1e-5F)),
                                        ElementsAre(FloatNear(0.6F, 1e-6F), FloatNear(0.8F, 1e-6F))));
}

TEST_F(GenerateTest, EmbeddingsAreRefusedByPlace) {
  EXPECT_EQ(Embed({.model = "small", .texts = {std::string("a")}}).error().reason, "model_cannot_embed");
  engine_->mutable_info().can_embed = true;
  EXPECT_EQ(Embed({.model = "x", .texts = {std::string("a")}}).error().reason, "model_not_found");
  const auto too_long = Embed({.model = "small", .texts = {std::string("a"), std::string(65, 'a')}});
  EXPECT_EQ(too_long.error().reason, "context_length_exceeded");
  EXPECT_EQ(too_long.error().param, "/input/1");
  EXPECT_EQ(Embed({.model = "small", .texts = {std::string()}}).error().param, "/input");
  EXPECT_EQ(Embed({.model = "small", .texts = {std::vector<engine::TokenId>{300}}}).error().param, "/input");
  engine_->set_script({.status = base::Internal("broken")});
  EXPECT_EQ(Embed({.model = "small", .texts = {std::string("a")}}).error().message, "broken");
  embed_.Stop();
  EXPECT_EQ(Embed({.model = "small", .texts = {std::string("a")}}).error().reason, "stopping");
}

}  // namespace
}  // namespace loquat::pipeline
