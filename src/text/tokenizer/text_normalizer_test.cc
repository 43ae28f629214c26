#include "text/tokenizer/text_normalizer.h"

#include <gtest/gtest.h>
#include <unicode/normalizer2.h>

#include <string>

#include "text/random_text.h"
#include "text/tokenizer/tokenizer_test_data.h"
#include "text/tokenizer/unicode_forms.h"

namespace loquat::text {
namespace {

using Kind = NormalizerStep::Kind;

std::string Normalized(TokenizerSpec spec, std::string_view text, bool first = true) {
  const auto vocabulary = Vocabulary::Build(spec);
  EXPECT_TRUE(vocabulary.has_value());
  const auto normalizer = TextNormalizer::Create(spec, *vocabulary);
  EXPECT_TRUE(normalizer.has_value());
  NormalizerScratch scratch;
  PatternScratch pattern;
  const auto normal = normalizer->Apply(text, first, scratch, pattern);
  EXPECT_TRUE(normal.has_value());
  return std::string(*normal);
}

std::string ByStep(NormalizerStep step, std::string_view text) {
  TokenizerSpec spec = ByteLevelSpec();
  spec.normalizers = {std::move(step)};
  return Normalized(std::move(spec), text);
}

TEST(TextNormalizer, DecomposesAsIcuDoes) {
  const std::uint64_t seed = 41;
  RandomText random(seed);
  UErrorCode error = U_ZERO_ERROR;
  for (int round = 0; round < 3000; ++round) {
    const std::string text = random.Valid(12);
    std::string nfd, nfkd;
    icu::Normalizer2::getNFDInstance(error)->normalize(icu::UnicodeString::fromUTF8(text), error).toUTF8String(nfd);
    icu::Normalizer2::getNFKDInstance(error)->normalize(icu::UnicodeString::fromUTF8(text), error).toUTF8String(nfkd);
    ASSERT_EQ(ByStep({.kind = Kind::kNfd}, text), nfd) << "seed " << seed;
    ASSERT_EQ(ByStep({.kind = Kind::kNfkd}, text), nfkd) << "seed " << seed;
  }
}

TEST(TextNormalizer, TakesEachStepByItself) {
  EXPECT_EQ(ByStep({.kind = Kind::kNfc}, "e\u0301"), "é");
  EXPECT_EQ(ByStep({.kind = Kind::kLowercase}, "ΟΔΟΣ İ"), "οδοσ i\u0307");
  EXPECT_EQ(ByStep({.kind = Kind::kStripAccents}, "e\u0301é का a\u20DD"), "eé क a");
  EXPECT_EQ(ByStep({.kind = Kind::kStrip}, " \u3000a b\n"), "a b");
  EXPECT_EQ(ByStep({.kind = Kind::kStrip, .left = false}, " a "), " a");
  EXPECT_EQ(ByStep({.kind = Kind::kStrip, .right = false}, "  "), "");
  EXPECT_EQ(ByStep({.kind = Kind::kPrepend, .content = "▁"}, "a"), "▁a");
  EXPECT_EQ(ByStep({.kind = Kind::kPrepend, .content = "▁"}, ""), "");
  EXPECT_EQ(ByStep({.kind = Kind::kReplace, .pattern = "aa", .content = "b"}, "aaaca"), "baca");
  EXPECT_EQ(ByStep({.kind = Kind::kReplacePattern, .pattern = " {2,}", .content = " "}, "a    b c  "), "a b c ");
}

TEST(TextNormalizer, CleansTextAsBertDoes) {
  TokenizerSpec spec = WordPieceSpec();
  EXPECT_EQ(Normalized(spec, std::string_view("Á\0\tb\u200B\uFFFD\xFF c\u3000", 17)), "a b c ");
  EXPECT_EQ(Normalized(spec, "a中b"), "a 中 b");
  EXPECT_EQ(Normalized(spec, "カナ"), "カナ");  // Kana are no Chinese characters.
  spec.strip_accents = false;
  EXPECT_EQ(Normalized(spec, "É"), "é");
  spec.handle_chinese = false;
  EXPECT_EQ(Normalized(spec, "a中b"), "a中b");
  spec.lowercase = false;
  EXPECT_EQ(Normalized(spec, "É"), "É");
}

TEST(TextNormalizer, PutsTheDummyPrefixWhereTheSpecSays) {
  TokenizerSpec spec = SentencePieceSpec(TokenizerKind::kUnigram);
  EXPECT_EQ(Normalized(spec, " a  b "), "▁▁a▁▁b▁");
  EXPECT_EQ(Normalized(spec, ""), "");
  spec.remove_extra_spaces = true;
  EXPECT_EQ(Normalized(spec, " a  b "), "▁a▁b");
  EXPECT_EQ(Normalized(spec, "   "), "");
  spec.prefix_first_only = true;
  EXPECT_EQ(Normalized(spec, "a", false), "a");
  spec.add_prefix_space = false;
  EXPECT_EQ(Normalized(spec, "a"), "a");
}

TEST(Charsmap, OfAnyBytesStaysInside) {
  base::Random random(43);
  for (int round = 0; round < 5000; ++round) {
    const std::size_t units = 1 + random.Below(300);
    std::string blob(4, '\0');
    const auto bytes = static_cast<std::uint32_t>(units * 4);
    for (int i = 0; i < 4; ++i) blob[static_cast<std::size_t>(i)] = static_cast<char>(bytes >> (8 * i) & 0xFF);
    for (std::size_t i = 0; i < units * 4; ++i)
      blob.push_back(static_cast<char>(random.Below(random.Chance(0.5) ? 4 : 256)));
    for (std::uint64_t i = random.Below(20); i > 0; --i) blob.push_back(static_cast<char>(random.Below(3)));
    const auto map = Charsmap::Read(blob);
    ASSERT_TRUE(map.has_value());
    std::string text;
    for (int i = 0; i < 16; ++i) text.push_back(static_cast<char>(random.Below(256)));
    const Charsmap::Rule rule = map->Longest(text);
    ASSERT_LE(rule.length, text.size());
  }
  EXPECT_FALSE(Charsmap::Read("abc").has_value());
  EXPECT_FALSE(Charsmap::Read(std::string("\x05\0\0\0aaaaa", 9)).has_value());
  EXPECT_FALSE(Charsmap::Read(std::string("\x08\0\0\0aaaa", 8)).has_value());
}

}  // namespace
}  // namespace loquat::text
