// What a code point is to the scanners and normalisers of this folder, as bits: Unicode's general categories and
// properties under the names that tokenizer patterns use.
// Pure functions over constant two-stage tables (scan_classes_gen.cc makes them during the build from ICU's data).

#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "text/decode.h"

namespace loquat::text {

inline constexpr std::uint8_t kScanLetter = 1 << 0;       // \p{L}
inline constexpr std::uint8_t kScanNumber = 1 << 1;       // \p{N}
inline constexpr std::uint8_t kScanSpace = 1 << 2;        // White_Space
inline constexpr std::uint8_t kScanPunctuation = 1 << 3;  // \p{P}
inline constexpr std::uint8_t kScanControl = 1 << 4;      // Cc but \t \n \r, Cf, Co: what BERT drops.
inline constexpr std::uint8_t kScanNonspacing = 1 << 5;   // \p{Mn}
inline constexpr std::uint8_t kScanWord = 1 << 6;         // \w of UTS #18: Alphabetic, M, Nd, Pc, Join_Control.
inline constexpr std::uint8_t kScanNewline = 1 << 7;      // \r and \n.

namespace scan_tables {
inline constexpr int kBlockBits = 8;
inline constexpr char32_t kBlockMask = (1 << kBlockBits) - 1;
inline constexpr std::size_t kBlocks = 0x110000 >> kBlockBits;

extern const std::uint8_t kBlockOf[kBlocks];  // [code point >> kBlockBits] -> block
extern const std::uint8_t kClasses[];         // [block, code point & kBlockMask] -> bits
}  // namespace scan_tables

// REQUIRES: code_point <= U+10FFFF.
inline std::uint8_t ScanClassOf(char32_t code_point) {
  const std::size_t block = scan_tables::kBlockOf[code_point >> scan_tables::kBlockBits];
  return scan_tables::kClasses[block << scan_tables::kBlockBits | (code_point & scan_tables::kBlockMask)];
}

struct ScannedCharacter {
  std::uint8_t bits = 0;
  std::uint8_t length = 0;  // Bytes; 0 at the end of the text.

  bool Is(std::uint8_t any_of) const { return (bits & any_of) != 0; }
};

// The character at a byte offset; a maximal ill-formed subpart is U+FFFD, which is none of the classes.
inline ScannedCharacter ScanAt(std::string_view text, std::size_t at) {
  if (at >= text.size()) return {};
  const auto byte = static_cast<unsigned char>(text[at]);
  if (byte < 0x80) return {.bits = scan_tables::kClasses[byte], .length = 1};  // The first block is block 0.
  const base::DecodedCodePoint c = Decode(text, at);
  return {.bits = ScanClassOf(c.code_point), .length = c.length};
}

}  // namespace loquat::text
