#include "understanding/word_tokens.h"

#include <fmt/format.h>

#include "base/check.h"
#include "base/utf8.h"
#include "text/tokenizer/scan_classes.h"
#include "text/tokenizer/unicode_forms.h"

namespace loquat::understanding {
namespace {

constexpr std::uint32_t kFrameTokens = 2;  // [CLS] and [SEP].

enum class Part : std::uint8_t { kSpace, kAlone, kInWord };

// ASCII signs that Unicode calls symbols ($, +, ^ ...) are punctuation to BERT.
bool IsAsciiSign(char32_t c) {
  return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
}

Part PartOf(char32_t c) {
  const std::uint8_t bits = text::ScanClassOf(c);
  if ((bits & text::kScanSpace) != 0) return Part::kSpace;
  if (IsAsciiSign(c) || (bits & text::kScanPunctuation) != 0 || text::IsChineseCharacter(c)) return Part::kAlone;
  return Part::kInWord;
}

struct Pieces {
  std::vector<text::TokenId> ids;
  std::vector<std::uint32_t> ends;  // [word]: where its pieces end in `ids`.

  std::uint32_t begin(std::size_t word) const { return word == 0 ? 0 : ends[word - 1]; }
};

// The words that stay: the first `head` and the last `tail`.
struct Kept {
  std::size_t head = 0, tail = 0;
};

Kept Keep(const Pieces& pieces, std::uint32_t limit, Truncation truncation) {
  const std::size_t count = pieces.ends.size();
  const auto total = static_cast<std::uint32_t>(pieces.ids.size());
  if (total <= limit) return {.head = count};
  std::uint32_t head_limit = limit;
  if (truncation == Truncation::kTail) head_limit = 0;
  if (truncation == Truncation::kMiddle) head_limit = (limit + 1) / 2;
  Kept kept;
  while (kept.head < count && pieces.ends[kept.head] <= head_limit) ++kept.head;
  if (truncation == Truncation::kHead) return kept;
  const std::uint32_t used = kept.head == 0 ? 0 : pieces.ends[kept.head - 1];
  while (kept.head + kept.tail < count && total - pieces.begin(count - kept.tail - 1) <= limit - used) ++kept.tail;
  return kept;
}

}  // namespace

std::vector<WordOfText> BertWords(std::string_view text) {
  std::vector<WordOfText> words;
  bool open = false;  // The last word may go on.
  for (std::uint32_t at = 0; at < text.size();) {
    const base::DecodedCodePoint c = base::DecodeUtf8(text, at);
    const Part part = PartOf(c.code_point);
    const std::uint32_t end = at + c.length;
    if (part == Part::kInWord && open) {
      words.back().byte_end = end;
    } else if (part != Part::kSpace) {
      words.push_back({.byte_begin = at, .byte_end = end});
    }
    open = part == Part::kInWord;
    at = end;
  }
  return words;
}

base::Result<WordTokens> TokenizeWords(std::string_view text, const text::Tokenizer& tokenizer,
                                       std::uint32_t tokens_max, Truncation truncation) {
  LOQUAT_CHECK(tokenizer.cls() && tokenizer.sep() && tokens_max >= kFrameTokens, "the classifier was checked");
  text::EncodeWorkspace workspace;
  Pieces pieces;
  std::vector<WordOfText> words;
  for (const WordOfText& word : BertWords(text)) {
    const std::size_t before = pieces.ids.size();
    const std::string_view letters = text.substr(word.byte_begin, word.byte_end - word.byte_begin);
    LOQUAT_TRY(tokenizer.Encode(letters, {.add_special = false, .parse_special = false}, workspace, pieces.ids));
    if (pieces.ids.size() == before) continue;  // Nothing but what the normaliser drops.
    words.push_back(word);
    pieces.ends.push_back(static_cast<std::uint32_t>(pieces.ids.size()));
  }
  const std::uint32_t limit = tokens_max - kFrameTokens;
  if (pieces.ids.size() > limit && truncation == Truncation::kError) {
    base::Error error = base::InvalidArgument(fmt::format(
        "the text has {} tokens, the model takes {}: shorten it or choose a truncation", pieces.ids.size(), limit));
    error.reason = "text_too_long";
    return error;
  }
  const Kept kept = Keep(pieces, limit, truncation);
  WordTokens result;
  result.tokens.push_back(*tokenizer.cls());
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i >= kept.head && i < words.size() - kept.tail) continue;
    words[i].first_token = static_cast<std::uint32_t>(result.tokens.size());
    words[i].after_cut = i > 0 && i >= kept.head && i == words.size() - kept.tail;
    result.words.push_back(words[i]);
    result.tokens.insert(result.tokens.end(), pieces.ids.begin() + pieces.begin(i),
                         pieces.ids.begin() + pieces.ends[i]);
  }
  result.tokens_left_out = static_cast<std::uint32_t>(pieces.ids.size() + 1 - result.tokens.size());
  result.tokens.push_back(*tokenizer.sep());
  return result;
}

}  // namespace loquat::understanding
