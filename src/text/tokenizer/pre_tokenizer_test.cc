#include "text/tokenizer/pre_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "text/tokenizer/tokenizer_test_data.h"

namespace loquat::text {
namespace {

using testing::ElementsAre;

std::vector<std::string> Words(TokenizerSpec spec, std::string_view text, bool first = true) {
  const auto cutter = PreTokenizer::Create(spec);
  EXPECT_TRUE(cutter.has_value()) << cutter.error().message;
  PreTokenizerScratch scratch;
  PatternScratch pattern;
  const auto cut = cutter->Cut(text, first, scratch, pattern);
  EXPECT_TRUE(cut.has_value());
  std::vector<std::string> words;
  for (const Piece& piece : *cut->pieces) words.emplace_back(piece.Of(cut->text));
  return words;
}

std::vector<std::string> ByName(std::string_view name, std::string_view text) {
  TokenizerSpec spec = ByteLevelSpec();
  spec.pre_tokenizer = name;
  return Words(std::move(spec), text);
}

std::vector<std::string> BySteps(std::vector<PreTokenizerStep> steps, std::string_view text, bool first = true) {
  TokenizerSpec spec = ByteLevelSpec();
  spec.pre_tokenizers = std::move(steps);
  return Words(std::move(spec), text, first);
}

constexpr std::string_view kText = "I'LL pay $1234 now!!\n\nÉté";

TEST(PreTokenizer, CutsAsTheNameSays) {
  EXPECT_THAT(ByName("gpt-2", kText),
              ElementsAre("I", "'", "LL", " pay", " $", "1234", " now", "!!", "\n", "\n", "Été"));
  EXPECT_THAT(ByName("", kText), testing::ElementsAreArray(ByName("gpt-2", kText)));
  EXPECT_THAT(ByName("llama-bpe", kText), ElementsAre("I", "'LL", " pay", " $", "123", "4", " now", "!!\n\n", "Été"));
  EXPECT_THAT(ByName("chatglm-bpe", kText), testing::ElementsAreArray(ByName("llama-bpe", kText)));
  EXPECT_THAT(ByName("qwen2", kText),
              ElementsAre("I", "'LL", " pay", " $", "1", "2", "3", "4", " now", "!!\n\n", "Été"));
  EXPECT_THAT(ByName("tekken", "camelCase's 12/\n"), ElementsAre("camel", "Case", "'s", " ", "1", "2", "/\n"));
  EXPECT_THAT(ByName("gpt-4o", "camelCase's 1234"), ElementsAre("camel", "Case's", " ", "123", "4"));
  EXPECT_THAT(ByName("starcoder", "a 12b"), ElementsAre("a", " ", "1", "2", "b"));
  EXPECT_THAT(ByName("falcon", "a 12345`b"), ElementsAre("a", " ", "123", "45", "`", "b"));
  EXPECT_THAT(ByName("default", "a 12345=b"), ElementsAre("a", " ", "123", "45", "=", "b"));
  EXPECT_THAT(ByName("deepseek-coder", "a 12,\n中文"), ElementsAre("a", " ", "1", "2", ",", "\n", "中文"));
  EXPECT_THAT(ByName("deepseek-v3", "a 1234,b 中文"), ElementsAre("a", " ", "123", "4", ",b", " ", "中文"));
  EXPECT_THAT(ByName("qwen35", "ne\u0301 12"), ElementsAre("ne\u0301", " ", "1", "2"));
}

TEST(PreTokenizer, PutsASpaceBeforeTheTextWhereItIsAskedTo) {
  TokenizerSpec spec = ByteLevelSpec();
  spec.add_prefix_space = true;
  EXPECT_THAT(Words(spec, "a b"), ElementsAre(" a", " b"));
  EXPECT_THAT(Words(spec, " a"), ElementsAre(" a"));
  EXPECT_THAT(Words(spec, ""), ElementsAre());
}

TEST(PreTokenizer, PutsMetaspacesByItsScheme) {
  using Step = PreTokenizerStep;
  const auto step = [](Step::Prefix prefix, bool split) {
    return std::vector<Step>{{.kind = Step::Kind::kMetaspace, .prefix = prefix, .split = split}};
  };
  EXPECT_THAT(BySteps(step(Step::Prefix::kAlways, true), "a  b", false), ElementsAre("▁a", "▁", "▁b"));
  EXPECT_THAT(BySteps(step(Step::Prefix::kFirst, false), "a b", true), ElementsAre("▁a▁b"));
  EXPECT_THAT(BySteps(step(Step::Prefix::kFirst, false), "a b", false), ElementsAre("a▁b"));
  EXPECT_THAT(BySteps(step(Step::Prefix::kNever, true), "a b", true), ElementsAre("a", "▁b"));
  EXPECT_THAT(BySteps(step(Step::Prefix::kAlways, true), "▁a", true), ElementsAre("▁a"));
}

TEST(PreTokenizer, CutsInOneStepAfterTheOther) {
  using Step = PreTokenizerStep;
  const std::vector<Step> steps = {{.kind = Step::Kind::kWhitespaceSplit},
                                   {.kind = Step::Kind::kDigits, .individual_digits = true},
                                   {.kind = Step::Kind::kPunctuation, .behavior = Step::Behavior::kContiguous}};
  EXPECT_THAT(BySteps(steps, " ab12 c--d\u3000½"), ElementsAre("ab", "1", "2", "c", "--", "d", "½"));
  EXPECT_THAT(BySteps({{.kind = Step::Kind::kBert}}, "a, b--c"), ElementsAre("a", ",", "b", "-", "-", "c"));
  EXPECT_THAT(BySteps({{.kind = Step::Kind::kWhitespace}}, "a_1, b--c"), ElementsAre("a_1", ",", "b", "--", "c"));
}

}  // namespace
}  // namespace loquat::text
