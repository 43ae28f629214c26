#include "text/tokenizer/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

#include "base/allocation_counter.h"
#include "text/tokenizer/tokenizer_test_data.h"

namespace loquat::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Ids = std::vector<TokenId>;

std::shared_ptr<const Tokenizer> Made(TokenizerSpec spec) {
  auto tokenizer = Tokenizer::Create(std::move(spec));
  EXPECT_TRUE(tokenizer.has_value()) << tokenizer.error().message;
  return *tokenizer;
}

std::vector<std::string> Texts(const Tokenizer& tokenizer, std::string_view text, EncodeOptions options = {}) {
  const auto ids = tokenizer.Encode(text, options);
  EXPECT_TRUE(ids.has_value());
  std::vector<std::string> texts;
  for (const TokenId id : *ids) texts.emplace_back(tokenizer.TokenText(id));
  return texts;
}

std::string Refusal(TokenizerSpec spec) {
  const auto tokenizer = Tokenizer::Create(std::move(spec));
  return tokenizer.has_value() ? "accepted" : tokenizer.error().message;
}

TEST(Tokenizer, MergesBytesWithinWords) {
  const auto tokenizer = Made(WordsSpec());
  EXPECT_THAT(Texts(*tokenizer, "hello world"), ElementsAre("hello", "Ġworld"));
  EXPECT_THAT(Texts(*tokenizer, "hell"), ElementsAre("hell"));
  EXPECT_THAT(Texts(*tokenizer, "你").size(), 1U);
  // Bytes that are no text stay what they are.
  EXPECT_EQ(*tokenizer->Encode("\xFF\xE4"), (Ids{0xFF, 0xE4}));
}

TEST(Tokenizer, FindsSpecialTokensUnlessToldNotTo) {
  const auto tokenizer = Made(WordsSpec());
  EXPECT_THAT(Texts(*tokenizer, "hello<|end|>hello"), ElementsAre("hello", "<|end|>", "hello"));
  EXPECT_GT(Texts(*tokenizer, "<|end|>", {.parse_special = false}).size(), 1U);
  EXPECT_TRUE(tokenizer->IsSpecial(*tokenizer->IdOf("<|end|>")));
  EXPECT_FALSE(tokenizer->IsSpecial(*tokenizer->IdOf("Ġworld")));
}

TEST(Tokenizer, OfOverlappingSpecialTokensTakesTheLeftmostLongest) {
  TokenizerSpec spec = ByteLevelSpec();
  for (const std::string_view content : {"<a>", "<a><b>", "b><c"}) {
    spec.specials.push_back({.content = std::string(content), .id = static_cast<TokenId>(spec.tokens.size())});
    spec.tokens.emplace_back(content);
  }
  const auto tokenizer = Made(std::move(spec));
  EXPECT_THAT(Texts(*tokenizer, "<a><b><c>"), ElementsAre("<a><b>", "<", "c", ">"));
  EXPECT_THAT(Texts(*tokenizer, "<a><b"), ElementsAre("<a>", "<", "b"));
}

TEST(Tokenizer, SpecialTokensTakeSpacesAndMindWordsWhereTheySaySo) {
  TokenizerSpec spec = ByteLevelSpec();
  const auto add = [&](SpecialToken token) {
    token.id = static_cast<TokenId>(spec.tokens.size());
    spec.tokens.push_back(token.content);
    spec.specials.push_back(std::move(token));
  };
  add({.content = "<mask>", .strip_left = true, .strip_right = true});
  add({.content = "word", .special = false, .single_word = true});
  const auto tokenizer = Made(std::move(spec));
  EXPECT_THAT(Texts(*tokenizer, "a \u3000<mask>\n b"), ElementsAre("a", "<mask>", "b"));
  EXPECT_THAT(Texts(*tokenizer, "<mask> <mask>"), ElementsAre("<mask>", "<mask>"));
  EXPECT_THAT(Texts(*tokenizer, "word-word"), ElementsAre("word", "-", "word"));
  EXPECT_EQ(Texts(*tokenizer, "words").size(), 5U);
  EXPECT_EQ(Texts(*tokenizer, "äword").size(), 6U);
  // Not special: found also when special tokens are to stay text.
  EXPECT_THAT(Texts(*tokenizer, "word", {.parse_special = false}), ElementsAre("word"));
}

TEST(Tokenizer, TakesAWordThatIsATokenWholeIfMergesAreIgnored) {
  TokenizerSpec spec = WordsSpec();
  spec.tokens.push_back(ByteLevel("held"));
  EXPECT_THAT(Texts(*Made(spec), "held"), ElementsAre("he", "ld"));
  spec.ignore_merges = true;
  EXPECT_THAT(Texts(*Made(spec), "held"), ElementsAre("held"));
}

TEST(Tokenizer, CutsWordPiecesAndWrapsThem) {
  const auto tokenizer = Made(WordPieceSpec());
  EXPECT_THAT(Texts(*tokenizer, "UNaffable, Café你好x"),
              ElementsAre("[CLS]", "un", "##aff", "##able", ",", "cafe", "你", "好", "[UNK]", "[SEP]"));
  EXPECT_THAT(Texts(*tokenizer, "unx [MASK]", {.add_special = false}), ElementsAre("[UNK]", "[MASK]"));
  const std::string longest(100, 'u'), longer(101, 'u');
  EXPECT_THAT(Texts(*tokenizer, "un" + longer, {.add_special = false}), ElementsAre("[UNK]"));
}

TEST(Tokenizer, FallsBackToBytes) {
  for (const TokenizerKind kind : {TokenizerKind::kSentencePieceBpe, TokenizerKind::kUnigram}) {
    const auto tokenizer = Made(SentencePieceSpec(kind));
    EXPECT_THAT(Texts(*tokenizer, "hello 你é"), ElementsAre("<s>", "▁hello", "▁你", "<0xC3>", "<0xA9>"));
    // A token that only looks like a byte in the text is text.
    EXPECT_GT(Texts(*tokenizer, "<0xC3>", {.add_special = false}).size(), 1U);
  }
}

TEST(Tokenizer, CutsALongTextByThePolicyAndSaysSo) {
  const auto tokenizer = Made(WordPieceSpec());
  EncodeWorkspace workspace;
  Ids ids;
  const std::string text = "un un , . able";
  const auto report = tokenizer->EncodeTruncated(text, {}, 5, TruncationPolicy::kMiddle, workspace, ids);
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->tokens_before, 7U);
  EXPECT_EQ(report->tokens_after, 5U);
  EXPECT_EQ(report->first, (Cut{.begin = 2, .end = 4}));
  EXPECT_EQ(ids, (Ids{2, 5, 5, 8, 3}));
  ids.clear();
  ASSERT_TRUE(tokenizer->EncodeTruncated(text, {}, 7, TruncationPolicy::kError, workspace, ids).has_value());
  const auto refused = tokenizer->EncodeTruncated(text, {}, 6, TruncationPolicy::kError, workspace, ids);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr("7 tokens, at most 6"));
  EXPECT_FALSE(tokenizer->EncodeTruncated(text, {}, 1, TruncationPolicy::kTail, workspace, ids).has_value());
}

TEST(Tokenizer, EncodesPairsWithTypesAndCutsTheLongerFirst) {
  const auto tokenizer = Made(WordPieceSpec());
  EncodeWorkspace workspace;
  EncodedPair pair;
  ASSERT_TRUE(tokenizer->EncodePair("un", "able , .", {}, 99, TruncationPolicy::kError, workspace, pair).has_value());
  EXPECT_EQ(pair.ids, (Ids{2, 5, 3, 8, 9, 10, 3}));
  EXPECT_THAT(pair.types, ElementsAre(0, 0, 0, 1, 1, 1, 1));
  for (std::uint32_t limit = 3; limit <= 7; ++limit) {
    const auto report = tokenizer->EncodePair("un", "able , .", {}, limit, TruncationPolicy::kTail, workspace, pair);
    ASSERT_TRUE(report.has_value());
    EXPECT_EQ(pair.ids.size(), limit);
    EXPECT_EQ(pair.types.size(), limit);
    EXPECT_EQ(report->first.size(), limit < 4 ? 1U : 0U) << limit;
  }
  EXPECT_FALSE(tokenizer->EncodePair("a", "b", {}, 2, TruncationPolicy::kTail, workspace, pair).has_value());
}

TEST(Tokenizer, AllocatesNothingOnceItsWorkspaceIsWarm) {
  std::vector<TokenizerSpec> specs = {WordsSpec(), SentencePieceSpec(TokenizerKind::kSentencePieceBpe),
                                      SentencePieceSpec(TokenizerKind::kUnigram)};
  specs[0].nfc = true;
  for (TokenizerSpec& spec : specs) {
    const auto tokenizer = Made(std::move(spec));
    EncodeWorkspace workspace;
    Ids ids;
    std::string text;
    for (int i = 0; i < 50; ++i) text += "hello world, 你好! don't <|end|> ";
    const auto encode = [&] {
      ids.clear();
      ASSERT_TRUE(tokenizer->Encode(text, {}, workspace, ids).has_value());
    };
    encode();
    const std::uint64_t before = base::AllocationsOfThisThread();
    encode();
    EXPECT_EQ(base::AllocationsOfThisThread() - before, 0U);
  }
}

TEST(Tokenizer, EncodesAMegabyteWithoutSpaces) {
  for (TokenizerSpec& spec : std::vector{WordsSpec(), SentencePieceSpec(TokenizerKind::kSentencePieceBpe),
                                         SentencePieceSpec(TokenizerKind::kUnigram)}) {
    const auto tokenizer = Made(std::move(spec));
    const auto ids = tokenizer->Encode(std::string(std::size_t{1} << 20, 'l'), {.add_special = false});
    ASSERT_TRUE(ids.has_value());
    EXPECT_GE(ids->size(), std::size_t{1} << 19);
  }
}

TEST(Tokenizer, BoundsTheText) {
  const auto tokenizer = Made(WordPieceSpec());
  const auto refused = tokenizer->Encode(std::string(Tokenizer::kTextBytesMax + 1, ' '));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, "text_too_long");
  EXPECT_TRUE(tokenizer->Encode(std::string(Tokenizer::kTextBytesMax, ' ')).has_value());
}

TEST(Tokenizer, RefusesASpecThatContradictsItself) {
  EXPECT_THAT(Refusal({}), HasSubstr("no tokens"));
  TokenizerSpec spec = WordsSpec();
  spec.eos = static_cast<TokenId>(spec.tokens.size());
  EXPECT_THAT(Refusal(spec), HasSubstr("its tokens end before"));
  spec = WordsSpec();
  spec.specials.front().id = -1;
  EXPECT_THAT(Refusal(spec), HasSubstr("has the id -1"));
  spec = WordsSpec();
  spec.merges.emplace_back("x", "y");
  EXPECT_THAT(Refusal(spec), HasSubstr("needs the token 'xy'"));
  spec = WordsSpec();
  spec.pre_tokenizer = "unheard-of";
  EXPECT_THAT(Refusal(spec), HasSubstr("'unheard-of' is not known"));
  spec = WordsSpec();
  spec.kinds.resize(3);
  EXPECT_THAT(Refusal(spec), HasSubstr("3 kinds"));
  spec = SentencePieceSpec(TokenizerKind::kUnigram);
  spec.scores.pop_back();
  EXPECT_THAT(Refusal(spec), HasSubstr("scores"));
  spec = SentencePieceSpec(TokenizerKind::kSentencePieceBpe);
  spec.precompiled_charsmap = std::string("\xFF\xFF\xFF\x7F", 4);
  EXPECT_THAT(Refusal(spec), HasSubstr("double array"));
  spec = WordPieceSpec();
  spec.unknown.reset();
  EXPECT_THAT(Refusal(spec), HasSubstr("needs an unknown token"));
  spec = WordPieceSpec();
  spec.single_template = {{.kind = TemplatePiece::Kind::kFirst}, {.kind = TemplatePiece::Kind::kToken, .id = 999}};
  EXPECT_THAT(Refusal(spec), HasSubstr("names the token 999"));
  spec.single_template = {{.kind = TemplatePiece::Kind::kSecond}};
  EXPECT_THAT(Refusal(spec), HasSubstr("each text once"));
}

TEST(Tokenizer, BoundsWhatAFileMayAskFor) {
  TokenizerSpec spec = WordsSpec();
  spec.tokens.emplace_back(Vocabulary::kTokenBytesMax, 'a');
  EXPECT_EQ(Refusal(spec), "accepted");
  spec.tokens.back().push_back('a');
  EXPECT_THAT(Refusal(spec), HasSubstr("4097 bytes; at most 4096"));
  spec = WordsSpec();
  spec.normalizers.emplace(TextNormalizer::kStepsMax);
  EXPECT_EQ(Refusal(spec), "accepted");
  spec.normalizers->emplace_back();
  EXPECT_THAT(Refusal(spec), HasSubstr("33 steps; at most 32"));
  // A rule that makes much out of little stops at a multiple of the text.
  spec.normalizers = {{.kind = NormalizerStep::Kind::kReplace, .pattern = "a", .content = std::string(1024, 'b')}};
  const auto refused = Made(spec)->Encode(std::string(std::size_t{1} << 16, 'a'));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, "normalized_text_too_long");
}

TEST(Tokenizer, NamesItsTokens) {
  const auto tokenizer = Made(SentencePieceSpec(TokenizerKind::kUnigram));
  EXPECT_EQ(tokenizer->IdOf("▁hello"), 259);
  EXPECT_EQ(tokenizer->IdOf("<0x0A>"), 3 + 10);
  EXPECT_EQ(tokenizer->IdOf("<s>"), 1);
  EXPECT_EQ(tokenizer->IdOf("absent"), std::nullopt);
  EXPECT_EQ(tokenizer->TokenBytes(259), " hello");
  EXPECT_EQ(tokenizer->TokenBytes(3 + 10), "\n");
  EXPECT_EQ(tokenizer->TokenText(-1), "");
  EXPECT_EQ(tokenizer->TokenBytes(1'000'000), "");
  EXPECT_EQ(tokenizer->bos(), 1);
  EXPECT_EQ(tokenizer->added_tokens(), 1U);
}

}  // namespace
}  // namespace loquat::text
