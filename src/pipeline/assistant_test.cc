#include "pipeline/assistant.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/test_assistant.h"

namespace loquat::pipeline {
namespace {

using testing::HasSubstr;

class AssistantFolderTest : public testing::Test {
 protected:
  AssistantFolderTest() { std::filesystem::copy(TestModel::Path(), path_, std::filesystem::copy_options::recursive); }
  void WriteDomain(std::string_view yaml) {
    ASSERT_TRUE(base::WriteFileAtomically(path_ + "/domain.yml", yaml).has_value());
  }

  const TempFolder folder_;
  const std::string path_ = folder_.File("model");
};

TEST_F(AssistantFolderTest, LoadsTheModelTheDialogueAndTheWords) {
  const auto assistant = Assistant::Load("small", path_);
  ASSERT_TRUE(assistant.has_value()) << assistant.error().message;
  EXPECT_EQ((*assistant)->name, "small");
  EXPECT_EQ((*assistant)->path, path_);
  EXPECT_EQ((*assistant)->dialogue.intent("weather").required.size(), 1u);
}

TEST_F(AssistantFolderTest, WorksWithoutADomainFile) {
  std::filesystem::remove(path_ + "/domain.yml");
  TestPipeline test;
  UnderstandSettings settings;
  auto assistant = Assistant::Load("bare", path_);
  ASSERT_TRUE(assistant.has_value()) << assistant.error().message;
  settings.assistant = *assistant;
  test.pipeline.SetSettings(settings);
  UnderstandRequest request;
  request.utterance.text = "what is the weather in paris";
  request.utterance.session = "s";
  request.want_reply = true;
  UnderstandAnswer answer;
  ASSERT_TRUE(RunNow(test.pipeline.Run(test.Call(), request, answer)).has_value());
  EXPECT_EQ(answer.reply->text, "");  // There are no words to say.
  EXPECT_EQ(answer.session->state.active_intent, "weather");
}

TEST_F(AssistantFolderTest, ABadDomainFileIsNamedWithItsLine) {
  WriteDomain("version: \"1\"\nintents:\n  weather: {kind: sunny}\n");
  const auto assistant = Assistant::Load("small", path_);
  ASSERT_FALSE(assistant.has_value());
  EXPECT_THAT(assistant.error().message, HasSubstr(path_ + "/domain.yml:3:"));
}

TEST_F(AssistantFolderTest, ABadReplyIsNamedWithItsKey) {
  WriteDomain("version: \"1\"\nlocales: [en]\nintents:\n  weather: {}\nreplies:\n  weather: {en: [\"{\"]}\n");
  const auto assistant = Assistant::Load("small", path_);
  ASSERT_FALSE(assistant.has_value());
  EXPECT_THAT(assistant.error().message, HasSubstr("replies.weather.en"));
}

TEST_F(AssistantFolderTest, AKindOfValueThatNobodyKnowsIsNamed) {
  WriteDomain("version: \"1\"\nlocales: [en]\nentities:\n  city: {kind: planet}\n");
  const auto assistant = Assistant::Load("small", path_);
  ASSERT_FALSE(assistant.has_value());
  EXPECT_THAT(assistant.error().message, HasSubstr("planet"));
  EXPECT_THAT(assistant.error().message, HasSubstr("domain.yml"));
}

TEST_F(AssistantFolderTest, AMissingFolderIsNamed) {
  const auto assistant = Assistant::Load("none", folder_.File("nowhere"));
  ASSERT_FALSE(assistant.has_value());
  EXPECT_THAT(assistant.error().message, HasSubstr("nowhere"));
}

TEST_F(AssistantFolderTest, ADomainFilePastItsBoundIsRefused) {
  WriteDomain(std::string(kDomainFileBytesMax + 1, '#'));
  const auto assistant = Assistant::Load("small", path_);
  ASSERT_FALSE(assistant.has_value());
  EXPECT_EQ(assistant.error().code, base::Code::kResourceExhausted);
}

}  // namespace
}  // namespace loquat::pipeline
