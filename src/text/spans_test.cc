#include "text/spans.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/utf8.h"
#include "text/random_text.h"

namespace loquat::text {
namespace {

constexpr std::uint64_t kSeed = 77001;

// The positions before each character and at the end, counted one by one.
std::vector<TextPosition> Boundaries(std::string_view text) {
  std::vector<TextPosition> all = {{}};
  while (all.back().byte < text.size()) {
    const base::DecodedCodePoint c = base::DecodeUtf8(text, all.back().byte);
    all.push_back({.byte = all.back().byte + c.length,
                   .codepoint = all.back().codepoint + 1,
                   .utf16 = all.back().utf16 + (c.code_point > 0xFFFF ? 2 : 1)});
  }
  return all;
}

// A decoder of its own for each unit: the reference for slicing.
std::u32string Decoded(std::string_view text) {
  std::u32string out;
  for (std::size_t at = 0; at < text.size();) {
    const base::DecodedCodePoint c = base::DecodeUtf8(text, at);
    out.push_back(c.code_point);
    at += c.length;
  }
  return out;
}

std::u16string Utf16(std::u32string_view text) {
  std::u16string out;
  for (const char32_t c : text) {
    if (c >= 0x10000) {
      out.push_back(static_cast<char16_t>(0xD800 + ((c - 0x10000) >> 10)));
      out.push_back(static_cast<char16_t>(0xDC00 + ((c - 0x10000) & 0x3FF)));
    } else {
      out.push_back(static_cast<char16_t>(c));
    }
  }
  return out;
}

TEST(Spans, EachUnitSlicesToTheSameCharacters) {
  RandomText random(kSeed);
  for (int i = 0; i < 20000; ++i) {
    SCOPED_TRACE(testing::Message() << "seed " << kSeed << " round " << i);
    const std::string text = i % 2 == 0 ? random.Any(24) : random.Valid(24);
    const std::vector<TextPosition> all = Boundaries(text);
    const std::size_t first = random.Below(all.size());
    const std::size_t last = first + random.Below(all.size() - first);
    const TextPosition begin = all[first], end = all[last];
    const std::string_view slice = std::string_view(text).substr(begin.byte, end.byte - begin.byte);
    ASSERT_EQ(SliceByCodePoints(text, begin.codepoint, end.codepoint), slice);
    ASSERT_EQ(SliceByUtf16(text, begin.utf16, end.utf16), slice);
    const std::u32string whole = Decoded(text);
    ASSERT_EQ(Decoded(slice), whole.substr(begin.codepoint, end.codepoint - begin.codepoint));
    ASSERT_EQ(Utf16(Decoded(slice)), Utf16(whole).substr(begin.utf16, end.utf16 - begin.utf16));
  }
}

TEST(Spans, OnePassFindsEverySortedOffset) {
  RandomText random(kSeed + 1);
  for (int i = 0; i < 3000; ++i) {
    const std::string text = random.Any(40);
    const std::vector<TextPosition> all = Boundaries(text);
    std::vector<std::uint32_t> bytes;
    for (const TextPosition& position : all) bytes.push_back(position.byte);
    std::vector<TextPosition> found(bytes.size());
    LocateBytes(text, bytes, found);
    ASSERT_EQ(found, all) << "seed " << kSeed + 1 << " round " << i;
    ASSERT_EQ(EndOf(text), all.back());
    ASSERT_EQ(EndOf(text).codepoint, base::CountCodePoints(text));
    ASSERT_EQ(EndOf(text).utf16, base::CountUtf16Units(text));
    PositionCursor cursor(text);
    for (int step = 0; step < 8; ++step) {  // Any order.
      const TextPosition& wanted = all[random.Below(all.size())];
      ASSERT_EQ(cursor.AtByte(wanted.byte), wanted);
      ASSERT_EQ(cursor.AtUtf16(wanted.utf16), wanted);
      ASSERT_EQ(cursor.AtCodePoint(wanted.codepoint), wanted);
    }
  }
}

TEST(Spans, KnowTheUnitsOfChineseAndEmoji) {
  const std::string_view text = "去👨‍👩‍👧 e\u0301!";
  EXPECT_EQ(EndOf("去"), (TextPosition{3, 1, 1}));
  EXPECT_EQ(EndOf("😀"), (TextPosition{4, 1, 2}));
  EXPECT_EQ(EndOf("👨‍👩‍👧"), (TextPosition{18, 5, 8}));
  EXPECT_EQ(SliceByCodePoints(text, 1, 6), "👨‍👩‍👧");
  EXPECT_EQ(SliceByUtf16(text, 1, 9), "👨‍👩‍👧");
  EXPECT_EQ(SliceByUtf16(text, 10, 12), "e\u0301");
}

TEST(Spans, AnIllFormedSubpartIsOneOfEachUnit) {
  EXPECT_EQ(EndOf("\xFF"), (TextPosition{1, 1, 1}));
  EXPECT_EQ(EndOf("\xF0\x9F\x98"), (TextPosition{3, 1, 1}));  // A cut-off emoji is one maximal subpart.
  EXPECT_EQ(EndOf("\xED\xA0\x80"), (TextPosition{3, 3, 3}));  // A surrogate is three.
  EXPECT_EQ(SliceByUtf16("a\xFF"
                         "b",
                         1, 2),
            "\xFF");
}

TEST(Spans, OffsetsInsideACharacterMoveBackAndPastTheEndStop) {
  PositionCursor cursor("a去😀");
  EXPECT_EQ(cursor.AtByte(2).byte, 1U);
  EXPECT_EQ(cursor.AtByte(5).byte, 4U);
  EXPECT_EQ(cursor.AtUtf16(3), (TextPosition{4, 2, 2}));  // Between the surrogates.
  EXPECT_EQ(cursor.AtUtf16(99), (TextPosition{8, 3, 4}));
  EXPECT_EQ(cursor.AtCodePoint(99).byte, 8U);
  EXPECT_EQ(SliceByCodePoints("abc", 2, 1), "");
  EXPECT_EQ(SliceByUtf16("abc", 5, 9), "");
  EXPECT_EQ(SliceByUtf16("abc", 9, 5), "");
  EXPECT_EQ(EndOf(""), TextPosition{});
}

}  // namespace
}  // namespace loquat::text
