#include "text/segment.h"

#include <array>
#include <limits>

#include "base/check.h"
#include "text/decode.h"

namespace loquat::text {
namespace {

struct Char {
  char32_t code_point = 0;
  CharInfo info;
  std::uint32_t length = 0;  // Zero at the end of the text.
  bool valid = false;

  bool Is(CharClass wanted) const { return valid && info.char_class == wanted; }
};

bool IsAsciiLetter(char c) {
  return static_cast<unsigned char>((c | 0x20) - 'a') < 26;
}

// The half-width form of the few full-width and typographic characters that matter inside words and numbers.
bool IsApostrophe(char32_t c) {
  return c == U'\'' || c == U'\u2019' || c == U'\uFF07';
}
bool IsDecimalPoint(char32_t c) {
  return c == U'.' || c == U'\uFF0E';
}

bool HasOwnScript(Script script) {
  return script != Script::kCommon && script != Script::kInherited && script != Script::kUnknown;
}

TokenKind KindOf(CharClass char_class) {
  switch (char_class) {
    case CharClass::kLetter:
      return TokenKind::kWord;
    case CharClass::kDigit:
    case CharClass::kNumeral:
      return TokenKind::kNumber;
    case CharClass::kHan:
      return TokenKind::kHan;
    case CharClass::kKana:
      return TokenKind::kKana;
    case CharClass::kHangul:
      return TokenKind::kHangul;
    case CharClass::kSingle:
      return TokenKind::kLetter;
    case CharClass::kModifier:
    case CharClass::kRegional:
      return TokenKind::kEmoji;
    case CharClass::kPunctuation:
      return TokenKind::kPunctuation;
    case CharClass::kPictograph:
    case CharClass::kSymbol:
      return TokenKind::kSymbol;
    case CharClass::kOther:
    case CharClass::kSpace:
    case CharClass::kExtend:
    case CharClass::kJoiner:
      return TokenKind::kOther;
  }
  return TokenKind::kOther;
}

class Cutter {
 public:
  explicit Cutter(std::string_view text) : text_(text) {}

  // Sets `token` to the next token; false at the end of the text.
  bool Next(Token& token) {
    const std::uint32_t from = at_;
    const Char first = SkipSpace();
    if (first.length == 0) return false;
    token = {.byte_begin = at_,
             .kind = first.valid ? KindOf(first.info.char_class) : TokenKind::kInvalid,
             .script = first.valid ? first.info.script : Script::kUnknown,
             .space_before = at_ == 0 || at_ != from};
    if (first.valid) {
      Take(first, token);
    } else {
      at_ += first.length;
    }
    token.byte_end = at_;
    return true;
  }

 private:
  Char Read(std::uint32_t offset) const {
    if (offset >= text_.size()) return {};
    const base::DecodedCodePoint decoded = Decode(text_, offset);
    return {.code_point = decoded.code_point,
            .info = InfoOf(decoded.code_point),
            .length = decoded.length,
            .valid = decoded.valid};
  }

  // Steps over separators and returns the character behind them.
  Char SkipSpace() {
    for (;;) {
      const Char c = Read(at_);
      if (!c.Is(CharClass::kSpace)) return c;
      at_ += c.length;
    }
  }

  void Take(const Char& first, Token& token) {
    switch (first.info.char_class) {
      case CharClass::kLetter:
        return TakeWord(token);
      case CharClass::kHangul:
        return TakeHangul();
      case CharClass::kDigit:
        if (TakeKeycap(token)) return;
        return TakeNumber();
      case CharClass::kPictograph:
        return TakePictograph(first, token);
      case CharClass::kRegional:
        return TakeFlag(first);
      case CharClass::kPunctuation:
        if ((first.code_point == U'#' || first.code_point == U'*') && TakeKeycap(token)) return;
        break;
      default:
        break;
    }
    at_ += first.length;
    TakeExtend();
  }

  // Steps over everything that belongs to the character before it.
  void TakeExtend() {
    if (at_ < text_.size() && static_cast<unsigned char>(text_[at_]) < 0x80) return;
    for (;;) {
      const Char c = Read(at_);
      if (!c.Is(CharClass::kExtend) && !c.Is(CharClass::kJoiner) && !c.Is(CharClass::kModifier)) return;
      at_ += c.length;
    }
  }

  void TakeWord(Token& token) {
    for (;;) {
      while (token.script == Script::kLatin && at_ < text_.size() && IsAsciiLetter(text_[at_])) ++at_;
      const Char c = Read(at_);
      if (JoinsWord(c, token)) {
        at_ += c.length;
        TakeExtend();
      } else if (c.Is(CharClass::kExtend) || c.Is(CharClass::kJoiner) || c.Is(CharClass::kModifier)) {
        at_ += c.length;
      } else if (IsApostrophe(c.code_point) && JoinsWord(Read(at_ + c.length), token)) {
        at_ += c.length;
      } else {
        return;
      }
    }
  }

  // Whether the letter goes on with the word; gives the word the script of its first letter that has one.
  static bool JoinsWord(const Char& c, Token& token) {
    if (!c.Is(CharClass::kLetter)) return false;
    if (!HasOwnScript(c.info.script) || c.info.script == token.script) return true;
    if (HasOwnScript(token.script)) return false;
    token.script = c.info.script;
    return true;
  }

  void TakeHangul() {
    for (Char c = Read(at_); c.Is(CharClass::kHangul); c = Read(at_)) {
      at_ += c.length;
      TakeExtend();
    }
  }

  // Digits with inner points and thousands separators.
  void TakeNumber() {
    std::uint32_t group = 0;  // Digits since the last separator.
    for (;;) {
      const Char c = Read(at_);
      if (c.Is(CharClass::kDigit) && KeycapLength() == 0) {
        at_ += c.length;
        TakeExtend();
        ++group;
        continue;
      }
      const bool point = IsDecimalPoint(c.code_point) && Read(at_ + c.length).Is(CharClass::kDigit);
      const bool thousands = c.code_point == U',' && group <= 3 && ThreeDigitsAt(at_ + c.length);
      if (!point && !thousands) return;
      if (KeycapLength(at_ + c.length) != 0) return;
      at_ += c.length;
      group = 0;
    }
  }

  // Exactly three digits, no more.
  bool ThreeDigitsAt(std::uint32_t offset) const {
    for (int i = 0; i < 3; ++i) {
      const Char c = Read(offset);
      if (!c.Is(CharClass::kDigit)) return false;
      offset += c.length;
    }
    return !Read(offset).Is(CharClass::kDigit);
  }

  // The bytes of a keycap sequence (UTS #51: [0-9#*] U+FE0F? U+20E3) that starts here; 0: none does.
  std::uint32_t KeycapLength() const { return KeycapLength(at_); }
  std::uint32_t KeycapLength(std::uint32_t offset) const {
    constexpr std::string_view kEmojiStyle = "\xEF\xB8\x8F", kKeycap = "\xE2\x83\xA3";
    if (offset + 1 >= text_.size()) return 0;
    const char first = text_[offset];
    if ((first < '0' || first > '9') && first != '#' && first != '*') return 0;
    std::string_view rest = text_.substr(offset + 1);
    const std::uint32_t style = rest.starts_with(kEmojiStyle) ? kEmojiStyle.size() : 0;
    rest.remove_prefix(style);
    return rest.starts_with(kKeycap) ? 1 + style + static_cast<std::uint32_t>(kKeycap.size()) : 0;
  }

  bool TakeKeycap(Token& token) {
    const std::uint32_t length = KeycapLength();
    if (length == 0) return false;
    at_ += length;
    TakeExtend();
    token.kind = TokenKind::kEmoji;
    return true;
  }

  // Pictographs joined by ZWJ (UAX #29, GB11), each with its marks, skin tone and variation selector. One without any
  // sign that it is meant as an emoji, like a plain © or ↔, stays a symbol.
  void TakePictograph(const Char& first, Token& token) {
    constexpr char32_t kEmojiStyle = U'\uFE0F';
    bool emoji = first.info.Has(kEmojiDefault);
    at_ += first.length;
    for (bool after_joiner = false;;) {
      const Char c = Read(at_);
      const bool joined = after_joiner && c.Is(CharClass::kPictograph);
      emoji |= joined || c.Is(CharClass::kModifier) || (c.valid && c.code_point == kEmojiStyle);
      after_joiner = c.Is(CharClass::kJoiner);
      if (!joined && !after_joiner && !c.Is(CharClass::kExtend) && !c.Is(CharClass::kModifier)) break;
      at_ += c.length;
    }
    if (emoji) token.kind = TokenKind::kEmoji;
  }

  // Two regional indicators (GB12), or a lone one.
  void TakeFlag(const Char& first) {
    at_ += first.length;
    if (const Char second = Read(at_); second.Is(CharClass::kRegional)) at_ += second.length;
    TakeExtend();
  }

  std::string_view text_;
  std::uint32_t at_ = 0;
};

}  // namespace

std::string_view TokenKindName(TokenKind kind) {
  static constexpr std::array<std::string_view, kTokenKindCount> kNames = {
      "word", "number", "han", "kana", "hangul", "letter", "emoji", "punctuation", "symbol", "other", "invalid"};
  return kNames[static_cast<std::size_t>(kind)];
}

SegmentResult Segment(std::string_view text, std::vector<Token>& tokens, const SegmentOptions& options) {
  LOQUAT_CHECK(text.size() < std::numeric_limits<std::uint32_t>::max(), "token offsets are 32 bits");
  tokens.clear();
  SegmentResult result;
  Cutter cutter(text);
  for (Token token; cutter.Next(token); ++result.tokens_total) {
    if (tokens.size() < options.tokens_max) {
      tokens.push_back(token);
    } else {
      ++result.tokens_left_out;
    }
  }
  return result;
}

}  // namespace loquat::text
