// From training to serving: one small model, trained once, asked everything that a user might send.

#include "understanding/understander.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <thread>

#include "base/allocation_counter.h"
#include "base/file.h"
#include "kernels/isa.h"
#include "understanding/trainer.h"
#include "understanding/understander_test_data.h"

namespace loquat::understanding {
namespace {

using base::Code;

class UnderstanderTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    path_ = new std::string(testing::TempDir() + "/loquat_understander_model");
    const auto summary = Train(SmallAssistant(), *path_, {.threads = 2, .slots = false, .progress = {}});
    ASSERT_TRUE(summary.has_value()) << summary.error().message;
    const auto model = Understander::Load(*path_);
    ASSERT_TRUE(model.has_value()) << model.error().message;
    model_ = new std::shared_ptr<const Understander>(*model);
  }
  static void TearDownTestSuite() {
    std::filesystem::remove_all(*path_);
    delete model_;
    delete path_;
  }

  const domain::Frame& Ask(std::string text, const UnderstandOptions& options = {}) {
    utterance_.text = std::move(text);
    const base::Status status = (*model_)->Understand(utterance_, options, *workspace_, frame_);
    EXPECT_TRUE(status.has_value());
    return frame_;
  }
  std::string IntentOf(std::string text) {
    Ask(std::move(text));
    return frame_.intent_ranking.empty() ? "" : frame_.intent_ranking[0].name;
  }

  static std::string* path_;
  static std::shared_ptr<const Understander>* model_;
  WorkspacePtr workspace_ = Understander::NewWorkspace();
  domain::Utterance utterance_;
  domain::Frame frame_;
};

std::string* UnderstanderTest::path_ = nullptr;
std::shared_ptr<const Understander>* UnderstanderTest::model_ = nullptr;

TEST_F(UnderstanderTest, UnderstandsUnseenWordingsInBothLanguages) {
  EXPECT_EQ(IntentOf("what's the weather going to be in berlin"), "weather");
  EXPECT_EQ(IntentOf("please play something by adele"), "play_music");
  EXPECT_EQ(IntentOf("设一个明天早上七点的闹钟"), "set_alarm");
  EXPECT_EQ(frame_.locale, domain::Locale::kChinese);
  EXPECT_EQ(IntentOf("广州天气怎么样"), "weather");
  EXPECT_FALSE(frame_.out_of_scope);
}

TEST_F(UnderstanderTest, TheRankingIsAProbabilityBestFirst) {
  const domain::Frame& frame = Ask("what is the weather in oslo", {.ranking_max = 0});
  ASSERT_EQ(frame.intent_ranking.size(), 3U);
  float sum = 0;
  for (std::size_t i = 0; i < frame.intent_ranking.size(); ++i) {
    sum += frame.intent_ranking[i].confidence;
    EXPECT_GE(frame.intent_ranking[i].confidence, 0);
    if (i > 0) {
      EXPECT_LE(frame.intent_ranking[i].confidence, frame.intent_ranking[i - 1].confidence);
    }
  }
  EXPECT_LE(sum, 1.0001F);
  EXPECT_EQ(Ask("what is the weather in oslo", {.ranking_max = 2}).intent_ranking.size(), 2U);
  EXPECT_TRUE(Ask("what is the weather in oslo", {.want_intent = false}).intent_ranking.empty());
}

// Open wounds of others: RasaHQ/rasa issues 387 and 1026, where text far from every intent came back with a confidence
// near one.
TEST_F(UnderstanderTest, OutOfScopeTextDoesNotGetHighConfidence) {
  for (const char* text :
       {"asdf qwer zxcv", "the mitochondria is the powerhouse of the cell", "量子力学的基本原理", "12345",
        "who painted the ceiling", "xyzzy", "为什么恐龙灭绝了", "lorem ipsum dolor sit amet"}) {
    const domain::Frame& frame = Ask(text);
    EXPECT_TRUE(frame.out_of_scope) << text;
    ASSERT_FALSE(frame.intent_ranking.empty());
    EXPECT_LT(frame.intent_ranking[0].confidence, 0.6F) << text;
  }
}

TEST_F(UnderstanderTest, EmptyTextHasNoIntentAndIsOutOfScope) {
  for (const char* text : {"", "   ", "\n\t"}) {
    const domain::Frame& frame = Ask(text);
    EXPECT_TRUE(frame.intent_ranking.empty());
    EXPECT_TRUE(frame.out_of_scope);
    EXPECT_NE(frame.locale, domain::Locale::kAuto);
  }
}

TEST_F(UnderstanderTest, HostileTextIsAnswered) {
  std::string emoji;
  for (int i = 0; i < 2000; ++i) emoji += "👩‍👩‍👧‍👦🏳️‍🌈🇩🇪";
  std::string megabyte;
  while (megabyte.size() < (1U << 20)) megabyte += "weather 天气 \xF0\x9F ";
  std::string one_word(1U << 20, 'a');
  std::string bytes;
  for (int i = 0; i < 4096; ++i) bytes.push_back(static_cast<char>(i * 37));
  for (const std::string& text :
       {emoji, megabyte, one_word, bytes, std::string("\xFF\xFE\xC0\x80"), std::string(50, '\0')}) {
    for (const Truncation truncation : {Truncation::kHead, Truncation::kMiddle, Truncation::kTail}) {
      utterance_.text = text;
      const base::Status status =
          (*model_)->Understand(utterance_, {.tokens_max = 64, .truncation = truncation}, *workspace_, frame_);
      if (!status.has_value()) {
        EXPECT_EQ(status.error().reason, "text_too_long");
        EXPECT_NE(truncation, Truncation::kHead);
      } else if (!frame_.intent_ranking.empty()) {
        EXPECT_GE(frame_.intent_ranking[0].confidence, 0);
        EXPECT_LE(frame_.intent_ranking[0].confidence, 1);
      }
    }
  }
}

TEST_F(UnderstanderTest, TruncationIsNeverSilent) {
  const std::string text = "play some jazz and wake me up at seven";  // Nine words.
  EXPECT_EQ(Ask(text, {.tokens_max = 9, .truncation = Truncation::kError}).truncated_tokens, 0U);
  utterance_.text = text;
  const base::Status refused =
      (*model_)->Understand(utterance_, {.tokens_max = 8, .truncation = Truncation::kError}, *workspace_, frame_);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::kInvalidArgument);
  EXPECT_EQ(refused.error().reason, "text_too_long");
  EXPECT_EQ(Ask(text, {.tokens_max = 3, .truncation = Truncation::kHead}).truncated_tokens, 6U);
  EXPECT_EQ(frame_.intent_ranking[0].name, "play_music");
  EXPECT_EQ(Ask(text, {.tokens_max = 5, .truncation = Truncation::kTail}).truncated_tokens, 4U);
  EXPECT_EQ(frame_.intent_ranking[0].name, "set_alarm");
  EXPECT_EQ(Ask(text, {.tokens_max = 4, .truncation = Truncation::kMiddle}).truncated_tokens, 5U);
  EXPECT_FALSE((*model_)->Understand(utterance_, {.tokens_max = 0}, *workspace_, frame_).has_value());
}

TEST_F(UnderstanderTest, EveryInstructionSetGivesTheSameFrame) {
  const auto expected = Ask("will it rain in london tomorrow");
  const auto ranking = expected.intent_ranking;
  for (const auto isa : kernels::kIsas) {
    if (!kernels::Supports(isa)) continue;
    const auto model = Understander::Load(*path_, {.force_isa = std::string(kernels::IsaName(isa))});
    ASSERT_TRUE(model.has_value());
    ASSERT_TRUE((*model)->Understand(utterance_, {}, *workspace_, frame_).has_value());
    ASSERT_EQ(frame_.intent_ranking.size(), ranking.size());
    for (std::size_t i = 0; i < ranking.size(); ++i) {
      EXPECT_EQ(frame_.intent_ranking[i].name, ranking[i].name);
      EXPECT_EQ(frame_.intent_ranking[i].confidence, ranking[i].confidence);
    }
  }
  EXPECT_EQ(Understander::Load(*path_, {.force_isa = "mmx"}).error().code, Code::kInvalidArgument);
}

TEST_F(UnderstanderTest, StopWordsOfTheLocaleAreRankedWithout) {
  const auto filter = text::FilterChain::Create({.stop_words = {{"en", {"Hey Loquat"}}, {"zh", {"小琵"}}}});
  ASSERT_TRUE(filter.has_value());
  const auto bare = Ask("what is the weather in paris").intent_ranking;
  const auto woken = Ask("what is the weather in paris hey loquat").intent_ranking;
  EXPECT_NE(woken[0].confidence, bare[0].confidence);
  const domain::Frame& filtered = Ask("what is the weather in paris HEY loquat", {.intent_filter = &*filter});
  ASSERT_EQ(filtered.intent_ranking.size(), bare.size());
  for (std::size_t i = 0; i < bare.size(); ++i) {
    EXPECT_EQ(filtered.intent_ranking[i].name, bare[i].name);
    EXPECT_EQ(filtered.intent_ranking[i].confidence, bare[i].confidence);
  }
  const auto other_locale = Ask("小琵小琵北京今天天气怎么样", {.intent_filter = &*filter}).intent_ranking;
  EXPECT_EQ(other_locale[0].confidence, Ask("北京今天天气怎么样").intent_ranking[0].confidence);
}

TEST_F(UnderstanderTest, TheSteadyStateAllocatesNothing) {
  const auto filter = text::FilterChain::Create({.stop_words = {{"en", {"the"}}, {"zh", {"的"}}}});
  ASSERT_TRUE(filter.has_value());
  const UnderstandOptions options{.intent_filter = &*filter};
  const std::string texts[] = {"what is the weather in paris", "播放周杰伦的歌", "wake me up at seven",
                               "who won the war"};
  for (const std::string& text : texts) Ask(text, options);
  utterance_.text.reserve(256);
  const std::uint64_t before = base::AllocationsOfThisThread();
  std::size_t answered = 0;
  for (const std::string& text : texts) {
    utterance_.text.assign(text);
    answered += (*model_)->Understand(utterance_, options, *workspace_, frame_).has_value() ? 1 : 0;
  }
  const std::uint64_t after = base::AllocationsOfThisThread();
  EXPECT_EQ(answered, 4U);
  EXPECT_EQ(after - before, 0U);
}

TEST_F(UnderstanderTest, ThreadsWithTheirOwnWorkspacesAgree) {
  const auto expected = Ask("play some jazz").intent_ranking;
  std::atomic<int> different{0};
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      const auto workspace = Understander::NewWorkspace();
      domain::Frame frame;
      domain::Utterance utterance;
      for (int i = 0; i < 200; ++i) {
        utterance.text = i % 2 == 0 ? "play some jazz" : "北京明天会下雨吗";
        const bool ok = (*model_)->Understand(utterance, {}, *workspace, frame).has_value();
        if (!ok || (i % 2 == 0 && frame.intent_ranking[0].confidence != expected[0].confidence)) ++different;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(different.load(), 0);
}

TEST_F(UnderstanderTest, TrainingTwiceGivesTheSameFiles) {
  const std::string again = *path_ + "_again";
  ASSERT_TRUE(Train(SmallAssistant(), again, {.threads = 1, .slots = false, .progress = {}}).has_value());
  for (const auto file : {kManifestFile, kWeightsFile}) {
    const auto first = base::ReadFile(*path_ + "/" + std::string(file));
    const auto second = base::ReadFile(again + "/" + std::string(file));
    ASSERT_TRUE(first.has_value() && second.has_value());
    EXPECT_TRUE(*first == *second) << file;
  }
  std::filesystem::remove_all(again);
}

TEST_F(UnderstanderTest, ADamagedModelSaysWhatToDo) {
  const std::string broken = *path_ + "_broken";
  std::filesystem::remove_all(broken);
  std::filesystem::copy(*path_, broken, std::filesystem::copy_options::recursive);
  auto weights = base::ReadFile(broken + "/weights.bin");
  ASSERT_TRUE(weights.has_value());
  (*weights)[weights->size() / 2] ^= 1;
  ASSERT_TRUE(base::WriteFileAtomically(broken + "/weights.bin", *weights).has_value());
  const auto model = Understander::Load(broken);
  ASSERT_FALSE(model.has_value());
  EXPECT_EQ(model.error().code, Code::kDataLoss);
  EXPECT_THAT(model.error().message, testing::HasSubstr("train the model again"));
  std::filesystem::remove_all(broken);
}

TEST(Trainer, NothingToLearnIsRefused) {
  Dataset dataset;
  dataset.files = {"x.yml"};
  dataset.examples = {{.text = "hello", .intent = "greet", .entities = {}, .file = 0, .line = 1}};
  const auto summary = Train(dataset, testing::TempDir() + "/never", {.progress = {}});
  ASSERT_FALSE(summary.has_value());
  EXPECT_EQ(summary.error().code, Code::kInvalidArgument);
}

}  // namespace
}  // namespace loquat::understanding
