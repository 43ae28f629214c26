// Any bytes: tokens are ordered, apart, and cover all that is not a separator; positions in three units agree; filters
// and language guess take whatever comes.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/utf8.h"
#include "text/filters.h"
#include "text/script.h"
#include "text/segment.h"
#include "text/spans.h"

namespace {

using loquat::base::DecodedCodePoint;
using loquat::base::DecodeUtf8;
using namespace loquat::text;  // NOLINT(tidy): the folder under test.

void CheckSeparators(std::string_view text, std::uint32_t begin, std::uint32_t end) {
  while (begin < end) {
    const DecodedCodePoint c = DecodeUtf8(text, begin);
    LOQUAT_CHECK(c.valid && InfoOf(c.code_point).char_class == CharClass::kSpace, "only separators lie between tokens");
    begin += c.length;
  }
  LOQUAT_CHECK(begin == end, "tokens begin and end between characters");
}

void CheckPositions(std::string_view text, const std::vector<Token>& tokens) {
  PositionCursor cursor(text);
  for (const Token& token : tokens) {
    const TextPosition begin = cursor.AtByte(token.byte_begin), end = cursor.AtByte(token.byte_end);
    LOQUAT_CHECK(begin.byte == token.byte_begin && end.byte == token.byte_end, "tokens stand on characters");
    PositionCursor other(text);
    LOQUAT_CHECK(other.AtUtf16(begin.utf16) == begin && other.AtUtf16(end.utf16) == end, "UTF-16 offsets lead back");
    LOQUAT_CHECK(other.AtCodePoint(end.codepoint) == end, "code point offsets lead back");
    if (end.codepoint > 2000) break;  // The restarts above would be quadratic.
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<Token> tokens;
  const SegmentResult result = Segment(text, tokens);
  LOQUAT_CHECK(result.tokens_total == tokens.size() + result.tokens_left_out, "every token is counted");
  std::uint32_t at = 0;
  for (const Token& token : tokens) {
    LOQUAT_CHECK(token.byte_begin >= at && token.byte_end > token.byte_begin, "tokens are ordered and not empty");
    CheckSeparators(text, at, token.byte_begin);
    at = token.byte_end;
  }
  if (result.tokens_left_out == 0) CheckSeparators(text, at, static_cast<std::uint32_t>(size));
  CheckPositions(text, tokens);

  std::vector<Token> few;
  Segment(text, few, {.tokens_max = 3});
  for (std::size_t i = 0; i < few.size(); ++i) LOQUAT_CHECK(few[i] == tokens[i], "a bound keeps the first tokens");

  const LanguageGuess guess = GuessLanguage(text, tokens);
  LOQUAT_CHECK(guess.chinese >= 0 && guess.chinese <= 1, "a weight");
  const auto chain = FilterChain::Create(
      {.stop_words = {{"zh", {"的", "一个"}}}, .tokens_max = 5, .truncation = TruncationPolicy::kMiddle});
  LOQUAT_CHECK(chain.has_value(), "the stop words are sound");
  FilteredTokens filtered;
  LOQUAT_CHECK(chain->Run(text, "zh", tokens, filtered).has_value() && filtered.tokens.size() <= 5, "the cap holds");
  for (std::size_t i = 0; i < filtered.tokens.size(); ++i) LOQUAT_CHECK(!filtered.Form(i).empty(), "forms have text");
  return 0;
}
