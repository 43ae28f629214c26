#include "text/tokenizer/detokenizer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/random.h"
#include "base/utf8.h"
#include "text/random_text.h"
#include "text/tokenizer/tokenizer_test_data.h"

namespace loquat::text {
namespace {

std::shared_ptr<const Tokenizer> Made(TokenizerSpec spec) {
  auto tokenizer = Tokenizer::Create(std::move(spec));
  EXPECT_TRUE(tokenizer.has_value()) << tokenizer.error().message;
  return *tokenizer;
}

std::vector<std::shared_ptr<const Tokenizer>> AllKinds() {
  return {Made(WordsSpec()), Made(WordPieceSpec()), Made(SentencePieceSpec(TokenizerKind::kSentencePieceBpe)),
          Made(SentencePieceSpec(TokenizerKind::kUnigram))};
}

TEST(Detokenizer, NeverGivesAPartOfACodePointAndLosesNothing) {
  const std::uint64_t seed = testing::UnitTest::GetInstance()->random_seed() + 31;
  base::Random random(seed);
  for (const auto& tokenizer : AllKinds()) {
    for (int round = 0; round < 5000; ++round) {
      const DecodeOptions options{.skip_special = random.Chance(0.5), .continues = random.Chance(0.5)};
      Detokenizer detokenizer(tokenizer, options);
      std::vector<TokenId> ids(random.Below(20));
      std::string all;
      for (TokenId& id : ids) {
        id = static_cast<TokenId>(random.Below(tokenizer->size() + 2)) - 1;  // Some are none of the tokens.
        std::string part;
        detokenizer.Feed(id, part);
        ASSERT_TRUE(base::IsValidUtf8(part)) << "seed " << seed;
        ASSERT_LE(detokenizer.pending().size(), 3U);
        all += part;
      }
      detokenizer.Flush(all);
      ASSERT_EQ(all, Decode(tokenizer, ids, options)) << "seed " << seed;
    }
  }
}

TEST(Detokenizer, GivesBytesBackAsTheyWere) {
  const auto tokenizer = Made(WordsSpec());
  const std::uint64_t seed = 37;
  RandomText random(seed);
  for (int round = 0; round < 5000; ++round) {
    const std::string text = random.Any(20);
    const auto ids = tokenizer->Encode(text, {.add_special = false, .parse_special = false});
    ASSERT_TRUE(ids.has_value());
    std::string bytes, repaired;
    for (const TokenId id : *ids) bytes += tokenizer->TokenBytes(id);
    ASSERT_EQ(bytes, text) << "seed " << seed;
    base::AppendUtf8Repaired(text, repaired);
    ASSERT_EQ(Decode(tokenizer, *ids), repaired) << "seed " << seed;
  }
}

TEST(Detokenizer, HoldsACharacterBackUntilItIsWhole) {
  Detokenizer detokenizer(Made(ByteLevelSpec()));
  std::string out;
  for (const TokenId byte : {0xF0, 0x9F, 0x98}) detokenizer.Feed(byte, out);
  EXPECT_EQ(out, "");
  detokenizer.Feed(0x80, out);
  EXPECT_EQ(out, "😀");
  detokenizer.Feed(0xE4, out);
  detokenizer.Feed('a', out);  // It can no longer become one.
  EXPECT_EQ(out, "😀\uFFFDa");
  detokenizer.Feed(0xE4, out);
  detokenizer.Feed(0xBD, out);
  detokenizer.Flush(out);
  EXPECT_EQ(out, "😀\uFFFDa\uFFFD");
}

TEST(Detokenizer, GivesWhatIsNoCharacterAtOnce) {
  Detokenizer detokenizer(Made(ByteLevelSpec()));
  for (const TokenId byte : {0xC0, 0xC1, 0xF5, 0xFF, 0x80}) {
    std::string out;
    detokenizer.Feed(byte, out);
    EXPECT_EQ(out, "\uFFFD") << byte;
  }
  std::string surrogate;
  for (const TokenId byte : {0xED, 0xA0}) detokenizer.Feed(byte, surrogate);
  EXPECT_EQ(surrogate, "\uFFFD\uFFFD");
}

TEST(Detokenizer, DropsTheSpaceThatWasAddedAtTheBeginningAlone) {
  const auto tokenizer = Made(SentencePieceSpec(TokenizerKind::kSentencePieceBpe));
  const auto ids = *tokenizer->Encode("hello hello");
  EXPECT_EQ(Decode(tokenizer, ids), "hello hello");
  EXPECT_EQ(Decode(tokenizer, ids, {.skip_special = false}), "<s> hello hello");
  EXPECT_EQ(Decode(tokenizer, ids, {.continues = true}), " hello hello");
  EXPECT_EQ(Decode(tokenizer, *tokenizer->Encode("  hello")), "  hello");
}

TEST(Detokenizer, JoinsWordPieces) {
  TokenizerSpec spec = WordPieceSpec();
  const auto plain = Made(spec);
  const auto ids = *plain->Encode("unaffable, un!");
  EXPECT_EQ(Decode(plain, ids), "unaffable , un !");
  spec.clean_up_decoded = true;
  EXPECT_EQ(Decode(Made(spec), ids), "unaffable, un!");
}

}  // namespace
}  // namespace loquat::text
