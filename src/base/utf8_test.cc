#include "base/utf8.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <vector>

#include "base/random.h"
#include "base/utf8_reference.h"

namespace loquat::base {
namespace {

std::vector<std::size_t> Lengths(std::string_view text) {
  std::vector<std::size_t> lengths;
  for (std::size_t offset = 0; offset < text.size();) {
    const DecodedCodePoint decoded = DecodeUtf8(text, offset);
    lengths.push_back(decoded.length);
    offset += decoded.length;
  }
  return lengths;
}

// The bytes alone in memory, so that a sanitizer sees any read past them.
void ExpectLikeReference(std::string_view text) {
  const auto copy = std::make_unique<char[]>(text.size() + 1);
  std::memcpy(copy.get(), text.data(), text.size());
  const std::string_view exact(copy.get(), text.size());
  const ReferenceReading reference = ReferenceRead(exact);
  std::string repaired;
  AppendUtf8Repaired(exact, repaired);
  EXPECT_EQ(IsValidUtf8(exact), reference.valid);
  EXPECT_EQ(CountCodePoints(exact), reference.code_points);
  EXPECT_EQ(CountUtf16Units(exact), reference.utf16_units);
  EXPECT_EQ(repaired, reference.repaired);
  for (std::size_t offset = 0; offset < exact.size(); ++offset) {
    const DecodedCodePoint expected = ReferenceDecode(exact.substr(offset));
    const DecodedCodePoint found = DecodeUtf8(exact, offset);
    ASSERT_EQ(found.code_point, expected.code_point);
    ASSERT_EQ(found.length, expected.length);
    ASSERT_EQ(found.valid, expected.valid);
  }
}

TEST(Utf8, EveryScalarValueGoesThroughAndBack) {
  for (char32_t c = 0; c <= kMaxCodePoint; ++c) {
    const std::string expected = ReferenceEncode(c);
    std::string bytes;
    AppendUtf8(c, bytes);
    if (expected.empty()) {
      ASSERT_EQ(bytes, "\xEF\xBF\xBD") << std::hex << static_cast<unsigned>(c);
      continue;
    }
    ASSERT_EQ(bytes, expected);
    const DecodedCodePoint decoded = DecodeUtf8(bytes, 0);
    ASSERT_TRUE(decoded.valid);
    ASSERT_EQ(decoded.code_point, c);
    ASSERT_EQ(decoded.length, bytes.size());
  }
  std::string past;
  AppendUtf8(kMaxCodePoint + 1, past);
  EXPECT_EQ(past, "\xEF\xBF\xBD");
}

TEST(Utf8, EveryPairOfBytesDecodesLikeTheReference) {
  for (int pair = 0; pair < 0x10000; ++pair) {
    const char bytes[] = {static_cast<char>(pair >> 8), static_cast<char>(pair & 0xFF), '\xBF', '\x80'};
    for (std::size_t size = 1; size <= 4; ++size) {
      const std::string_view text(bytes, size);
      const DecodedCodePoint expected = ReferenceDecode(text);
      const DecodedCodePoint found = DecodeUtf8(text, 0);
      ASSERT_TRUE(found.code_point == expected.code_point && found.length == expected.length &&
                  found.valid == expected.valid)
          << std::hex << pair << " size " << size;
      ASSERT_EQ(IsValidUtf8(text), ReferenceRead(text).valid);
    }
  }
}

// The examples of the Unicode Standard, section 3.9, tables 3-8 to 3-11.
TEST(Utf8, ReplacesMaximalSubpartsAsTheStandardsTablesShow) {
  using Steps = std::vector<std::size_t>;
  EXPECT_EQ(Lengths("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"), Steps(9, 1));
  EXPECT_EQ(Lengths("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"), Steps(9, 1));
  EXPECT_EQ(Lengths("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"), Steps(9, 1));
  EXPECT_EQ(Lengths("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), (Steps{2, 1, 3, 2, 1}));
}

TEST(Utf8, EndOfTextHasNoLength) {
  EXPECT_EQ(DecodeUtf8("", 0).length, 0);
  EXPECT_EQ(DecodeUtf8("ab", 2).length, 0);
  EXPECT_EQ(DecodeUtf8("ab", 99).length, 0);
  EXPECT_TRUE(IsValidUtf8(""));
  EXPECT_EQ(CountCodePoints(""), 0U);
  EXPECT_EQ(CountUtf16Units(""), 0U);
}

TEST(Utf8, MultibyteDecodeTakesAsciiToo) {
  EXPECT_EQ(DecodeUtf8Multibyte("a", 0).code_point, U'a');
}

TEST(Utf8, CountsMixedText) {
  const std::string_view text = "a\xE5\xA4\xA9\xF0\x9F\x98\x80";  // a 天 😀
  EXPECT_EQ(CountCodePoints(text), 3U);
  EXPECT_EQ(CountUtf16Units(text), 4U);
}

TEST(Utf8, RandomBytesReadLikeTheReference) {
  constexpr std::uint64_t kSeed = 20260101;
  SCOPED_TRACE(kSeed);
  Random random(kSeed);
  // Bytes that matter come up often, so that near misses are common.
  constexpr std::string_view kAlphabet =
      "\x41\x7F\x80\x8F\x90\x9F\xA0\xBF\xC0\xC2\xDF\xE0\xE1\xED\xEF\xF0\xF1\xF4\xF5\xFF";
  for (int round = 0; round < 20000; ++round) {
    std::string text(random.Below(80), '\0');
    for (char& c : text) {
      c = random.Chance(0.8) ? kAlphabet[random.Below(kAlphabet.size())] : static_cast<char>(random.Below(256));
    }
    ExpectLikeReference(text);
  }
}

TEST(Utf8, RandomWellFormedTextReadsLikeTheReference) {
  constexpr std::uint64_t kSeed = 20260102;
  SCOPED_TRACE(kSeed);
  Random random(kSeed);
  for (int round = 0; round < 5000; ++round) {
    std::string text;
    for (std::uint64_t i = random.Below(60); i > 0; --i) {
      AppendUtf8(static_cast<char32_t>(random.Below(std::uint64_t{1} << (1 + random.Below(21)))), text);
    }
    ExpectLikeReference(text);
    ASSERT_TRUE(IsValidUtf8(text));
  }
}

}  // namespace
}  // namespace loquat::base
