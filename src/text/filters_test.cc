#include "text/filters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace loquat::text {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Filters : public ::testing::Test {
 protected:
  void Make(FilterOptions options) {
    auto made = FilterChain::Create(std::move(options));
    ASSERT_TRUE(made.has_value()) << made.error().message;
    chain_.emplace(*std::move(made));
  }

  std::vector<std::string> Run(std::string_view text, std::string_view locale = "en") {
    std::vector<Token> tokens;
    Segment(text, tokens);
    status_ = chain_->Run(text, locale, tokens, out_);
    std::vector<std::string> forms;
    for (std::size_t i = 0; i < out_.tokens.size(); ++i) forms.emplace_back(out_.Form(i));
    return forms;
  }

  std::optional<FilterChain> chain_;
  FilteredTokens out_;
  base::Status status_;
};

FilterOptions WithStopWords() {
  return {.stop_words = {{.locale = "en", .words = {"the", "of course", "a"}},
                         {.locale = "zh", .words = {"的", "一个", "我"}}}};
}

TEST_F(Filters, GiveMatchingForms) {
  Make({});
  EXPECT_THAT(Run("Ｄｏｎ’ｔ GO"), ElementsAre("don't", "go"));
  EXPECT_EQ(out_.tokens[0].byte_begin, 0U);
  Make({.normalize = false});
  EXPECT_THAT(Run("Don’t GO"), ElementsAre("Don’t", "GO"));
}

TEST_F(Filters, DropStopWordsOfTheLocale) {
  Make(WithStopWords());
  EXPECT_THAT(Run("Of course THE cat"), ElementsAre("cat"));
  EXPECT_EQ(out_.report.stop_words, 3U);
  EXPECT_EQ(out_.tokens[0].byte_begin, 14U);
  EXPECT_THAT(Run("我要一个苹果", "zh"), ElementsAre("要", "苹", "果"));
  EXPECT_THAT(Run("the 的", "fr"), ElementsAre("the", "的"));
  EXPECT_EQ(out_.report, FilterReport{});
}

TEST_F(Filters, DropOnlyWholePhrases) {
  Make(WithStopWords());
  EXPECT_THAT(Run("of courses"), ElementsAre("of", "courses"));
  EXPECT_THAT(Run("offcourse ofcourse"), ElementsAre("offcourse", "ofcourse"));
  EXPECT_THAT(Run("of"), ElementsAre("of"));
  EXPECT_THAT(Run("一", "zh"), ElementsAre("一"));
}

TEST_F(Filters, CompareRawBytesWithoutTheNormaliser) {
  FilterOptions options = WithStopWords();
  options.normalize = false;
  Make(options);
  EXPECT_THAT(Run("The the cat"), ElementsAre("The", "cat"));
}

TEST_F(Filters, SpareATextOfNothingButStopWords) {
  Make(WithStopWords());
  EXPECT_THAT(Run("The a"), ElementsAre("the", "a"));
  EXPECT_TRUE(out_.report.stop_words_spared);
  EXPECT_EQ(out_.report.stop_words, 0U);
  EXPECT_THAT(Run(""), IsEmpty());
  EXPECT_FALSE(out_.report.stop_words_spared);
}

// Silent truncation is the complaint; each policy reports the tokens and the bytes that it cut.
TEST_F(Filters, SayWhatTheLengthCapCut) {
  Make({.tokens_max = 3, .truncation = TruncationPolicy::kTail});
  EXPECT_THAT(Run("a b c d e"), ElementsAre("a", "b", "c"));
  EXPECT_EQ(out_.report.truncated, 2U);
  EXPECT_EQ(out_.report.cut_byte_begin, 6U);
  EXPECT_EQ(out_.report.cut_byte_end, 9U);
  Make({.tokens_max = 3, .truncation = TruncationPolicy::kHead});
  EXPECT_THAT(Run("a b c d e"), ElementsAre("c", "d", "e"));
  EXPECT_EQ(out_.report.cut_byte_begin, 0U);
  EXPECT_EQ(out_.report.cut_byte_end, 3U);
  Make({.normalize = false, .tokens_max = 3, .truncation = TruncationPolicy::kMiddle});
  EXPECT_THAT(Run("a b c d e"), ElementsAre("a", "b", "e"));
  EXPECT_EQ(out_.report.cut_byte_begin, 4U);
  EXPECT_EQ(out_.report.cut_byte_end, 7U);
  EXPECT_THAT(Run("a b c"), ElementsAre("a", "b", "c"));
  EXPECT_EQ(out_.report, FilterReport{});
}

TEST_F(Filters, RefuseTextOverTheCapUnderPolicyError) {
  Make({.tokens_max = 2});
  EXPECT_THAT(Run("a b"), ElementsAre("a", "b"));
  EXPECT_TRUE(status_.has_value());
  Run("a b c");
  ASSERT_FALSE(status_.has_value());
  EXPECT_EQ(status_.error().code, base::Code::kResourceExhausted);
}

TEST_F(Filters, CapWhatStopWordsLeave) {
  FilterOptions options = WithStopWords();
  options.tokens_max = 2;
  Make(options);
  EXPECT_THAT(Run("the cat a dog"), ElementsAre("cat", "dog"));
  EXPECT_TRUE(status_.has_value());
  options.normalize = false;
  Make(options);
  EXPECT_THAT(Run("the Cat a dog"), ElementsAre("Cat", "dog"));
}

TEST_F(Filters, CountTokensWithoutAForm) {
  Make({});
  EXPECT_THAT(Run("a \uFE0F b"), ElementsAre("a", "b"));
  EXPECT_EQ(out_.report.empty, 1U);
  EXPECT_THAT(Run("\uFE0F"), IsEmpty());
}

TEST_F(Filters, AllocateNothingOnceWarm) {
  FilterOptions options = WithStopWords();
  options.tokens_max = 4;
  options.truncation = TruncationPolicy::kTail;
  Make(options);
  const std::string_view text = "The quick brown fox jumps of course";
  Run(text);
  const Token* tokens = out_.tokens.data();
  const char* forms = out_.Form(0).data();
  Run(text);
  EXPECT_EQ(out_.tokens.data(), tokens);
  EXPECT_EQ(out_.Form(0).data(), forms);
}

TEST(FilterChain, RefusesBadStopWords) {
  const auto refuse = [](std::vector<LocaleStopWords> stop_words) {
    const auto made = FilterChain::Create({.stop_words = std::move(stop_words)});
    EXPECT_FALSE(made.has_value());
    return made.has_value() ? "" : made.error().param;
  };
  EXPECT_EQ(refuse({{"zh", {"的", ""}}}), "stop_words/zh/1");
  EXPECT_EQ(refuse({{"en", {"one two three four five six seven eight nine"}}}), "stop_words/en/0");
  EXPECT_EQ(refuse({{"en", {"a"}}, {"en", {"b"}}}), "stop_words/en");
  EXPECT_EQ(refuse({{"en", std::vector<std::string>(kStopWordsMax + 1, "a")}}), "stop_words/en");
  EXPECT_TRUE(FilterChain::Create({.stop_words = {{"en", {"1 2 3 4 5 6 7 8"}}}}).has_value());
  EXPECT_TRUE(FilterChain::Create({.stop_words = {{"en", std::vector<std::string>(kStopWordsMax, "a")}}}).has_value());
}

}  // namespace
}  // namespace loquat::text
