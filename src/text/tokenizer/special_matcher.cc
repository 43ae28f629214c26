#include "text/tokenizer/special_matcher.h"

#include <algorithm>

#include "text/tokenizer/scan_classes.h"

namespace loquat::text {
namespace {

// The class bits of the last character of [0, end); 0 at the beginning.
ScannedCharacter LastCharacter(std::string_view text, std::size_t end) {
  if (end == 0) return {};
  std::size_t begin = end - 1;
  while (begin > 0 && end - begin < 4 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
  const ScannedCharacter c = ScanAt(text.substr(0, end), begin);
  return begin + c.length == end ? c : ScannedCharacter{.bits = 0, .length = 1};
}

}  // namespace

SpecialMatcher::SpecialMatcher(std::vector<SpecialToken> tokens, const std::vector<std::string>& contents)
    : tokens_(std::move(tokens)) {
  std::vector<ByteTrie::Entry> entries;
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    if (contents[i].empty()) continue;
    entries.push_back({contents[i], static_cast<std::int32_t>(i)});
    first_bytes_[static_cast<unsigned char>(contents[i].front())] = true;
  }
  trie_ = ByteTrie::Build(std::move(entries));
}

void SpecialMatcher::Split(std::string_view text, bool parse_special, std::uint32_t offset,
                           std::vector<Part>& parts) const {
  std::size_t done = 0;  // Everything before stands in `parts`.
  const auto push = [&](std::size_t begin, std::size_t end, TokenId id) {
    parts.push_back({{offset + static_cast<std::uint32_t>(begin), offset + static_cast<std::uint32_t>(end)}, id});
  };
  for (std::size_t at = 0; at < text.size();) {
    if (!first_bytes_[static_cast<unsigned char>(text[at])]) {
      ++at;
      continue;
    }
    const ByteTrie::Match match = trie_.Longest(text.substr(at));
    if (match.length == 0) {
      ++at;
      continue;
    }
    std::size_t begin = at, end = at + match.length;
    at = end;
    const SpecialToken& token = tokens_[static_cast<std::size_t>(match.value)];
    if (token.special && !parse_special) continue;
    const bool inside_word = LastCharacter(text, begin).Is(kScanWord) || ScanAt(text, end).Is(kScanWord);
    if (token.single_word && inside_word) continue;
    while (token.strip_left && begin > done) {
      const ScannedCharacter c = LastCharacter(text, begin);
      if (!c.Is(kScanSpace) || begin - done < c.length) break;
      begin -= c.length;
    }
    while (token.strip_right && ScanAt(text, end).Is(kScanSpace)) end += ScanAt(text, end).length;
    if (begin > done) push(done, begin, -1);
    push(begin, end, token.id);
    done = end;
    at = std::max(at, end);
  }
  if (done < text.size()) push(done, text.size(), -1);
}

}  // namespace loquat::text
