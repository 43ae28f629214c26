// Random text for the property tests of this folder: every script, marks, emoji sequences, and ill-formed bytes on
// demand. A value; one thread at a time.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/random.h"
#include "base/utf8.h"

namespace loquat::text {

class RandomText {
 public:
  explicit RandomText(std::uint64_t seed) : random_(seed) {}

  // Up to `pieces_max` characters or short sequences; well-formed UTF-8.
  std::string Valid(std::size_t pieces_max) {
    std::string text;
    for (std::size_t pieces = random_.Below(pieces_max + 1); pieces > 0; --pieces) AppendPiece(text);
    return text;
  }

  // The same with stray bytes among the pieces.
  std::string Any(std::size_t pieces_max) {
    std::string text;
    for (std::size_t pieces = random_.Below(pieces_max + 1); pieces > 0; --pieces) {
      if (random_.Below(4) == 0) {
        text.push_back(static_cast<char>(random_.Below(256)));
      } else {
        AppendPiece(text);
      }
      if (random_.Below(32) == 0) text.pop_back();
    }
    return text;
  }

  std::uint64_t Below(std::uint64_t bound) { return random_.Below(bound); }

 private:
  struct Range {
    char32_t first, last;
  };

  void AppendPiece(std::string& text) {
    static constexpr Range kRanges[] = {{0x20, 0x7E},       {0x20, 0x7E},       {'0', '9'},         {'a', 'z'},
                                        {0x4E00, 0x9FFF},   {0x4E00, 0x4FFF},   {0xA0, 0x24F},      {0x300, 0x36F},
                                        {0x300, 0x345},     {0x370, 0x52F},     {0x590, 0x6FF},     {0x900, 0x97F},
                                        {0xE00, 0xEFF},     {0xF00, 0xFBF},     {0x1100, 0x11FF},   {0x1E00, 0x1FFF},
                                        {0x2000, 0x206F},   {0x2070, 0x23FF},   {0x2600, 0x27BF},   {0x3000, 0x30FF},
                                        {0x3130, 0x33FF},   {0xAC00, 0xD7A3},   {0xD7B0, 0xD7FB},   {0xF900, 0xFAFF},
                                        {0xFE00, 0xFE6F},   {0xFF00, 0xFFEF},   {0x1D160, 0x1D1FF}, {0x1F1E6, 0x1F1FF},
                                        {0x1F300, 0x1F6FF}, {0x1F3FB, 0x1F3FF}, {0x1F900, 0x1FAFF}, {0x20000, 0x2FA1D},
                                        {0xE0000, 0xE01EF}, {0, 0xD7FF},        {0xE000, 0x10FFFF}, {0x1D400, 0x1D7FF}};
    static constexpr std::string_view kSequences[] = {"👨‍👩‍👧‍👦",
                                                      "🇨🇳",
                                                      "👍🏽",
                                                      "1️⃣",
                                                      "❤️",
                                                      "🏴\U000E0067\U000E0062\U000E007F",
                                                      "don't",
                                                      "o’clock",
                                                      "3.5",
                                                      "1,000",
                                                      "\r\n",
                                                      " ",
                                                      "e\u0301",
                                                      "각",
                                                      "\u0344",
                                                      "\u0F73",
                                                      "\u200D",
                                                      "ﬁ",
                                                      "ŉ",
                                                      "İ",
                                                      "Σ",
                                                      "ß",
                                                      "Å",
                                                      "ＡＢ１",
                                                      "ｶﾞ",
                                                      "的",
                                                      "שלום",
                                                      "؀1",
                                                      "नि",
                                                      "กำ"};
    if (random_.Below(6) == 0) {
      text += kSequences[random_.Below(std::size(kSequences))];
      return;
    }
    const Range range = kRanges[random_.Below(std::size(kRanges))];
    base::AppendUtf8(static_cast<char32_t>(range.first + random_.Below(range.last - range.first + 1)), text);
  }

  base::Random random_;
};

}  // namespace loquat::text
