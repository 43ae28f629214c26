// What one code point is: its part in segmentation, its script, and what normalisation and casing do to it.
// Pure functions over constant two-stage tables (unicode_tables_gen.cc makes them during the build from ICU's data,
// Unicode 15.0): no start-up work, no allocation, safe from any thread.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace loquat::text {

// The part a code point plays in segmentation (segment.h), from General_Category, Script, Line_Break,
// Grapheme_Cluster_Break (UAX #29) and the emoji properties (UTS #51).
enum class CharClass : std::uint8_t {
  kOther,   // Controls, unassigned, private use.
  kSpace,   // White_Space, ZERO WIDTH SPACE and the byte order mark.
  kLetter,  // Of a script that puts spaces between words.
  kSingle,  // A letter of a script without spaces or alphabet runs (Thai, Khmer, Bopomofo, Yi ...).
  kHan,
  kKana,
  kHangul,
  kDigit,       // Decimal digits of any script.
  kNumeral,     // Other numbers: ½, ②, Ⅳ.
  kExtend,      // Combining marks, variation selectors, format characters: part of what stands before them.
  kJoiner,      // ZERO WIDTH JOINER.
  kModifier,    // Emoji skin tones.
  kRegional,    // Regional indicators, which pair into flags.
  kPictograph,  // Extended_Pictographic.
  kPunctuation,
  kSymbol,
};

// Scripts told apart (UAX #24); every other script is kOther.
enum class Script : std::uint8_t {
  kUnknown,  // Unassigned, private use, ill-formed bytes.
  kCommon,
  kInherited,
  kOther,
  kLatin,
  kHan,
  kHiragana,
  kKatakana,
  kHangul,
  kBopomofo,
  kCyrillic,
  kGreek,
  kArabic,
  kHebrew,
  kArmenian,
  kGeorgian,
  kDevanagari,
  kBengali,
  kTamil,
  kTelugu,
  kThai,
  kLao,
  kKhmer,
  kMyanmar,
  kTibetan,
  kEthiopic,
};
inline constexpr std::size_t kScriptCount = static_cast<std::size_t>(Script::kEthiopic) + 1;

// Unicode's name of the script: "Latin", "Han"; "Other" for kOther.
std::string_view ScriptName(Script script);

// Bits of CharInfo::flags. "Inert": the form maps the code point to itself, it composes with nothing before it and its
// combining class is 0. "Boundary": text before the code point and text from it on may be normalised apart.
inline constexpr std::uint8_t kNfcInert = 1 << 0;
inline constexpr std::uint8_t kNfcBoundary = 1 << 1;
inline constexpr std::uint8_t kNfkcInert = 1 << 2;
inline constexpr std::uint8_t kNfkcBoundary = 1 << 3;
inline constexpr std::uint8_t kFoldInert = 1 << 4;  // Fold: NFKC_Casefold, then PlainPunctuation.
inline constexpr std::uint8_t kFoldBoundary = 1 << 5;
inline constexpr std::uint8_t kLowerInert = 1 << 6;
inline constexpr std::uint8_t kEmojiDefault = 1 << 7;  // Emoji_Presentation: an emoji even without U+FE0F.

struct CharInfo {
  CharClass char_class = CharClass::kOther;
  Script script = Script::kUnknown;
  std::uint8_t flags = 0;

  bool Has(std::uint8_t flag) const { return (flags & flag) != 0; }
  bool operator==(const CharInfo&) const = default;
};

// Typographic quotes, hyphens, dashes and the minus sign as ' " or -; anything else as it is.
constexpr char32_t PlainPunctuation(char32_t c) {
  if (c == 0x2018 || c == 0x2019) return U'\'';
  if (c == 0x201C || c == 0x201D) return U'"';
  if ((c >= 0x2010 && c <= 0x2015) || c == 0x2212) return U'-';
  return c;
}

namespace tables {
inline constexpr int kBlockBits = 8;
inline constexpr char32_t kBlockMask = (1 << kBlockBits) - 1;
inline constexpr std::size_t kBlocks = 0x110000 >> kBlockBits;

extern const CharInfo kInfos[];                  // Distinct values, at most 256.
extern const std::uint8_t kInfoBlocks[kBlocks];  // [code point >> kBlockBits] -> block
extern const std::uint8_t kInfoIndex[];          // [block, code point & kBlockMask] -> index in kInfos
extern const std::int32_t kFoldDeltas[];         // Distinct values, at most 256; [0] is 0.
extern const std::uint8_t kFoldBlocks[kBlocks];  // [code point >> kBlockBits] -> block
extern const std::uint8_t kFoldIndex[];          // [block, code point & kBlockMask] -> index in kFoldDeltas
extern const std::size_t kTableBytes;            // What all of them take.
}  // namespace tables

// REQUIRES: code_point <= U+10FFFF.
inline CharInfo InfoOf(char32_t code_point) {
  const std::size_t block = tables::kInfoBlocks[code_point >> tables::kBlockBits];
  return tables::kInfos[tables::kInfoIndex[block << tables::kBlockBits | (code_point & tables::kBlockMask)]];
}

// What the fold (see kFoldInert) maps the code point to when that is one code point at a distance the table holds;
// otherwise the code point itself, which then is either inert or left to ICU. REQUIRES: code_point <= U+10FFFF.
inline char32_t SimpleFold(char32_t code_point) {
  const std::size_t block = tables::kFoldBlocks[code_point >> tables::kBlockBits];
  const std::size_t index = tables::kFoldIndex[block << tables::kBlockBits | (code_point & tables::kBlockMask)];
  return static_cast<char32_t>(static_cast<std::int32_t>(code_point) + tables::kFoldDeltas[index]);
}

}  // namespace loquat::text
