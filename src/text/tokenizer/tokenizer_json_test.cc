#include "text/tokenizer/tokenizer_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "text/tokenizer/tokenizer.h"

namespace loquat::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kConfig = R"({"bos_token": {"content": "<s>"}, "eos_token": "</s>", "pad_token": null,
  "chat_template": [{"name": "tools", "template": "T"}, {"name": "default", "template": "D"}]})";

// A unigram tokenizer like that of XLM-R, with one part replaced.
std::string Unigram(std::string_view part = "", std::string_view with = "") {
  std::string json = R"({"version": "1.0", "truncation": null, "padding": null,
    "added_tokens": [{"id": 0, "content": "<s>", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false},
                     {"id": 7, "content": "<mask>", "special": true, "lstrip": true}],
    "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]},
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "▁", "add_prefix_space": true}]},
    "post_processor": {"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
      "pair": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
      "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}},
    "decoder": {"type": "Metaspace", "replacement": "▁", "add_prefix_space": true},
    "model": {"type": "Unigram", "unk_id": 1, "vocab": [["<s>", 0.0], ["<unk>", 0.0], ["▁ab", -1.0], ["▁a", -2.0], ["b", -2.5], ["c", -3], ["▁", -4]]}})";
  if (!part.empty()) {
    const std::size_t at = json.find(part);
    EXPECT_NE(at, std::string::npos) << part;
    if (at != std::string::npos) json.replace(at, part.size(), with);
  }
  return json;
}

base::Error Refused(const std::string& json) {
  const auto spec = ReadTokenizerJson({.tokenizer_json = json});
  EXPECT_FALSE(spec.has_value());
  return spec.has_value() ? base::Error{} : spec.error();
}

std::vector<std::string> Encoded(const std::string& json, std::string_view text) {
  auto spec = ReadTokenizerJson({.tokenizer_json = json});
  EXPECT_TRUE(spec.has_value()) << spec.error().message;
  const auto tokenizer = Tokenizer::Create(std::move(*spec));
  EXPECT_TRUE(tokenizer.has_value()) << tokenizer.error().message;
  std::vector<std::string> tokens;
  for (const TokenId id : *(*tokenizer)->Encode(text)) tokens.emplace_back((*tokenizer)->TokenText(id));
  return tokens;
}

TEST(TokenizerJson, ReadsAUnigramTokenizer) {
  EXPECT_THAT(Encoded(Unigram(), "ａb  ac <mask>x"), ElementsAre("<s>", "▁ab", "▁a", "c", "<mask>", "▁", "<unk>"));
  const auto spec = ReadTokenizerJson({.tokenizer_json = Unigram(), .tokenizer_config_json = kConfig});
  ASSERT_TRUE(spec.has_value());
  EXPECT_EQ(spec->bos, 0);
  EXPECT_EQ(spec->eos, std::nullopt);  // The vocabulary has no such token.
  EXPECT_EQ(spec->unknown, 1);
  EXPECT_EQ(spec->chat_template, "D");
  EXPECT_EQ(spec->strip_decoded_space, true);
}

TEST(TokenizerJson, ReadsIllFormedTextAsReplacementCharacters) {
  const std::string json = R"({"model": {"type": "BPE", "vocab": {"a": 0, "\ufffd": 1, "<0xFF>": 2}, "merges": [],
    "byte_fallback": true, "unk_token": "a"}})";
  EXPECT_THAT(Encoded(json,
                      "a\xFF"
                      "a\xE4\xBD"),
              ElementsAre("a", "\uFFFD", "a", "\uFFFD"));
}

TEST(TokenizerJson, TakesThePiecesOfEachSplitBehaviour) {
  const auto with = [](std::string_view step) { return Unigram(R"({"type": "WhitespaceSplit"})", step); };
  EXPECT_THAT(
      Encoded(with(R"({"type": "Split", "pattern": {"String": "b"}, "behavior": "Removed", "invert": false})"), "abc"),
      ElementsAre("<s>", "▁a", "▁", "c"));
  EXPECT_THAT(
      Encoded(
          with(R"({"type": "Split", "pattern": {"String": "b"}, "behavior": "MergedWithPrevious", "invert": false})"),
          "abc"),
      ElementsAre("<s>", "▁ab", "▁", "c"));
  EXPECT_THAT(
      Encoded(with(R"({"type": "Split", "pattern": {"Regex": "b"}, "behavior": "MergedWithNext", "invert": false})"),
              "abc"),
      ElementsAre("<s>", "▁a", "▁", "b", "c"));
  EXPECT_THAT(
      Encoded(with(R"({"type": "Split", "pattern": {"Regex": "b"}, "behavior": "Isolated", "invert": false})"), "abb"),
      ElementsAre("<s>", "▁a", "▁", "b", "▁", "b"));
  EXPECT_THAT(
      Encoded(with(R"({"type": "Split", "pattern": {"Regex": "b"}, "behavior": "Contiguous", "invert": false})"),
              "abb"),
      ElementsAre("<s>", "▁a", "▁", "b", "b"));
  EXPECT_THAT(
      Encoded(with(R"({"type": "Split", "pattern": {"Regex": "b"}, "behavior": "Removed", "invert": true})"), "abc"),
      ElementsAre("<s>", "▁", "b"));
  EXPECT_THAT(Encoded(with(R"({"type": "Whitespace"})"), "a b"), ElementsAre("<s>", "▁a", "▁", "b"));
  EXPECT_THAT(Encoded(with(R"({"type": "Digits", "individual_digits": true})"), "a1"),
              ElementsAre("<s>", "▁a", "▁", "<unk>"));
}

TEST(TokenizerJson, NamesWhatItDoesNotSupportAndWhereItStands) {
  const auto error = [](std::string_view part, std::string_view with) { return Refused(Unigram(part, with)); };
  EXPECT_EQ(error(R"({"type": "NFKC"})", R"({"type": "Nmt"})").param, "/normalizer/normalizers/0");
  EXPECT_EQ(error(R"({"type": "WhitespaceSplit"})", R"({"type": "UnicodeScripts"})").param,
            "/pre_tokenizer/pretokenizers/0");
  EXPECT_EQ(error(R"("type": "TemplateProcessing")", R"("type": "Unheard")").param, "/post_processor");
  EXPECT_EQ(error(R"("decoder": {"type": "Metaspace")", R"("decoder": {"type": "WordPiece")").param, "/decoder");
  EXPECT_EQ(error(R"("type": "Unigram")", R"("type": "WordLevel")").param, "/model");
  EXPECT_EQ(error(R"("unk_id": 1)", R"("unk_id": 99)").param, "/model/unk_id");
  EXPECT_EQ(error(R"("unk_id": 1)", R"("unknown_key": 1)").param, "/model/unknown_key");
  EXPECT_EQ(error(R"({"type": "NFKC"})", R"({"type": "NFKC", "extra": 1})").param, "/normalizer/normalizers/0/extra");
  EXPECT_EQ(error(R"("replacement": "▁", "add_prefix_space": true}]})", R"("replacement": "_"}]})").param,
            "/pre_tokenizer/pretokenizers/1/replacement");
  EXPECT_EQ(error(R"("id": 7, "content": "<mask>")", R"("id": 2, "content": "<mask>")").param, "/added_tokens/1");
  EXPECT_EQ(error(R"("id": 7,)", R"("id": 4000000,)").param, "/added_tokens/1/id");
  EXPECT_EQ(error(R"("ids": [0])", R"("ids": [-1])").param, "/post_processor/single/0/SpecialToken/id");
  EXPECT_THAT(error(R"({"type": "NFKC"})", R"({"type": "Nmt"})").message,
              HasSubstr("tokenizer.json: /normalizer/normalizers/0: the normalizer 'Nmt' is not supported"));
  EXPECT_THAT(Refused("{").message, HasSubstr("tokenizer.json"));
  EXPECT_EQ(Refused("{}").param, "/model");
}

TEST(TokenizerJson, RefusesAVocabularyThatClaimsTooMuch) {
  const auto word_piece = [](std::string_view vocabulary) {
    return std::string(R"({"model": {"type": "WordPiece", "unk_token": "a", "vocab": )") + std::string(vocabulary) +
           "}}";
  };
  EXPECT_TRUE(ReadTokenizerJson({.tokenizer_json = word_piece(R"({"a": 1025})")}).has_value());
  EXPECT_THAT(Refused(word_piece(R"({"a": 1026})")).message, HasSubstr("no number under 1026"));
  EXPECT_THAT(Refused(word_piece(R"({"a": 1, "b": 1})")).message, HasSubstr("two tokens have the id 1"));
  EXPECT_THAT(Refused(word_piece(R"([])")).message, HasSubstr("must be an object"));
}

TEST(VocabAndMerges, ReadTheClassThatTheConfigNames) {
  const std::string vocab = R"({"a": 0, "b": 1, "ab": 2})";
  const TokenizerFiles config{.tokenizer_config_json = R"({"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|e|>",
      "added_tokens_decoder": {"3": {"content": "<|e|>", "special": true}}})"};
  auto spec = ReadVocabAndMerges(vocab, "#version: 0.2\r\na b\r\n", R"({"<|e|>": 3, "<x>": 4})", config);
  ASSERT_TRUE(spec.has_value()) << spec.error().message;
  EXPECT_EQ(spec->pre_tokenizer, "qwen2");
  EXPECT_TRUE(spec->nfc);
  EXPECT_EQ(spec->eos, 3);
  const auto tokenizer = Tokenizer::Create(std::move(*spec));
  ASSERT_TRUE(tokenizer.has_value());
  EXPECT_THAT(*(*tokenizer)->Encode("ab<|e|>b<x>"), ElementsAre(2, 3, 1, 4));
  EXPECT_EQ(ReadVocabAndMerges(vocab, "a b", "", {}).error().param, "/tokenizer_class");
  EXPECT_THAT(ReadVocabAndMerges(vocab, "ab", "", config).error().message, HasSubstr("merges.txt: 'ab' is no pair"));
  EXPECT_FALSE(ReadVocabAndMerges(vocab, "a b", R"({"<x>": -4})", config).has_value());
}

TEST(TokenizerPath, SaysWhatIsMissing) {
  EXPECT_EQ(ReadTokenizerPath("tests/no-such-folder").error().code, base::Code::kNotFound);
  EXPECT_THAT(ReadTokenizerPath("tests").error().message, HasSubstr("no tokenizer.json"));
}

}  // namespace
}  // namespace loquat::text
