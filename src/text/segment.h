// Cuts mixed Chinese, English and other text into tokens over the original bytes: no copy, no dictionary, no locale, so
// the same text always gives the same tokens. Follows UAX #29 where it applies (marks and format characters stay with
// what they follow, emoji sequences are one token); departs from its words where slot filling needs finer cuts.
//
//   words     a run of letters of one script; an apostrophe between two letters is inside: don't, o'clock, l’été
//   digits    a run of decimal digits; '.' between digits is inside (3.5, 1.2.3), ',' only before exactly three digits
//             (1,000); ':' '-' '/' are not (7:30 is three tokens)
//   Han       one character a token; kana, and letters of scripts without spaces (Thai): likewise
//   Hangul    a run, as Korean puts spaces between words
//   emoji     one token for a whole sequence: ZWJ families, flags, skin tones, keycaps, tag flags
//   the rest  one token a character
//
// Letters and digits are cut apart: "5km" is 5|km, "26度" is 26|度, "CA1831" is CA|1831. Full-width forms count as
// their half-width ones ("５ｋｍ" is ５|ｋｍ), but for the full-width comma, which is a clause comma in Chinese and
// never inside a number. White space, ZERO WIDTH SPACE and the byte order mark separate and are no token. Each maximal
// ill-formed subpart of UTF-8 (base/utf8.h) is one token of kind kInvalid.
//
// Tokens are ordered, do not overlap, and cover every byte that is not a separator. Pure functions; safe from any
// thread.

#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "text/unicode.h"

namespace loquat::text {

enum class TokenKind : std::uint8_t {
  kWord,    // Letters of a script with spaces: Latin, Cyrillic, Greek, Arabic, Devanagari ...
  kNumber,  // Decimal digits; or one numeral: ½, ②, Ⅳ.
  kHan,
  kKana,
  kHangul,
  kLetter,  // One letter, with its marks, of a script without spaces.
  kEmoji,
  kPunctuation,
  kSymbol,
  kOther,    // Control, private use, unassigned; a mark or joiner with nothing to stand on.
  kInvalid,  // Ill-formed UTF-8.
};
inline constexpr std::size_t kTokenKindCount = static_cast<std::size_t>(TokenKind::kInvalid) + 1;

// "word", "number", "han" ...
std::string_view TokenKindName(TokenKind kind);

struct Token {
  std::uint32_t byte_begin = 0, byte_end = 0;  // Half-open, over the text that was segmented.
  TokenKind kind = TokenKind::kOther;
  Script script = Script::kUnknown;  // Of the first letter that has one of its own; kCommon for 0 to 9.
  bool space_before = false;         // A separator, or the start of the text, stands before it.

  std::string_view Of(std::string_view text) const { return text.substr(byte_begin, byte_end - byte_begin); }
  bool operator==(const Token&) const = default;
};

inline constexpr std::uint32_t kSegmentTokensMax = 65536;

struct SegmentOptions {
  std::uint32_t tokens_max = kSegmentTokensMax;  // Tokens past it are counted, not stored. Zero: none are stored.
};

struct SegmentResult {
  std::uint32_t tokens_total = 0;     // Of the whole text.
  std::uint32_t tokens_left_out = 0;  // Not stored, because of tokens_max.
};

// Replaces the contents of `tokens`; allocates only when its capacity is too small.
// REQUIRES: text.size() < 2^32 (checked).
SegmentResult Segment(std::string_view text, std::vector<Token>& tokens, const SegmentOptions& options = {});

}  // namespace loquat::text
