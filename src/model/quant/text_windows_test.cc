// How texts are cut for models to run over.

#include "model/quant/text_windows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace loquat::model {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// "a" and "b" and a token that begins every text.
std::shared_ptr<const text::Tokenizer> Letters(bool add_bos) {
  text::TokenizerSpec spec;
  spec.tokens = {"<s>", "a", "b", "\u010a"};  // Byte-level: Ċ is the end of a line.
  spec.kinds = {text::TokenKindInVocabulary::kControl, {}, {}, {}};
  spec.specials = {{.content = "<s>", .id = 0}};
  spec.bos = 0;
  spec.add_bos = add_bos;
  return text::Tokenizer::Create(std::move(spec)).value();
}

ModelConfig ConfigOf(Architecture architecture, std::uint32_t context) {
  ModelConfig config;
  config.architecture = architecture;
  config.context = context;
  return config;
}

TEST(TextWindows, DecodersReadTheWholeTextWindowByWindow) {
  const auto windows = CutText(*Letters(true), ConfigOf(Architecture::kLlama, 4), "abab\na");
  ASSERT_TRUE(windows.has_value()) << windows.error().message;
  EXPECT_THAT(*windows, ElementsAre(ElementsAre(0, 1, 2, 1), ElementsAre(0, 2, 3, 1)));
  EXPECT_EQ(TokensOf(*windows), 8U);
}

TEST(TextWindows, SpecialTokensInATextArePlainText) {
  const auto windows = CutText(*Letters(true), ConfigOf(Architecture::kLlama, 64), "ab<s>ab");
  ASSERT_TRUE(windows.has_value()) << windows.error().message;
  EXPECT_EQ(std::ranges::count(windows->front(), 0), 1);
}

TEST(TextWindows, ALastTokenAloneIsLeftOut) {
  const auto windows = CutText(*Letters(false), ConfigOf(Architecture::kLlama, 4), "ababa");
  ASSERT_TRUE(windows.has_value());
  EXPECT_THAT(*windows, ElementsAre(ElementsAre(1, 2, 1, 2)));
}

TEST(TextWindows, EncodersReadLineByLine) {
  const auto windows = CutText(*Letters(true), ConfigOf(Architecture::kBert, 4), "ab\n\n  \nababab\r\nb");
  ASSERT_TRUE(windows.has_value()) << windows.error().message;
  ASSERT_EQ(windows->size(), 3U);
  EXPECT_THAT((*windows)[0], ElementsAre(0, 1, 2));
  EXPECT_THAT((*windows)[1], ElementsAre(0, 1, 2, 1));
  EXPECT_THAT((*windows)[2], ElementsAre(0, 2));
}

TEST(TextWindows, WindowsAreNoLongerThanTheirBound) {
  const auto windows = CutText(*Letters(false), ConfigOf(Architecture::kLlama, 100000), std::string(1100, 'a'));
  ASSERT_TRUE(windows.has_value());
  ASSERT_EQ(windows->size(), 3U);
  EXPECT_EQ(windows->front().size(), kWindowTokensMax);
  EXPECT_EQ(windows->back().size(), 1100 - 2 * kWindowTokensMax);
}

TEST(TextWindows, TooLittleAndTooMuchAreRefused) {
  for (const std::string_view text : {"", "a"}) {
    const auto windows = CutText(*Letters(false), ConfigOf(Architecture::kLlama, 64), text);
    ASSERT_FALSE(windows.has_value());
    EXPECT_EQ(windows.error().code, base::Code::kInvalidArgument);
  }
  const auto windows =
      CutText(*Letters(false), ConfigOf(Architecture::kLlama, 64), std::string(kSampleTextBytesMax + 1, 'a'));
  ASSERT_FALSE(windows.has_value());
  EXPECT_EQ(windows.error().code, base::Code::kResourceExhausted);
  EXPECT_FALSE(CutText(*Letters(false), ConfigOf(Architecture::kLlama, 2), "abab").has_value()) << "no room to foresee";
}

}  // namespace
}  // namespace loquat::model
