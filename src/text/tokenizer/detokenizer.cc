#include "text/tokenizer/detokenizer.h"

#include <algorithm>

#include "base/utf8.h"

namespace loquat::text {
namespace {

// Tokens that Hugging Face's WordPiece clean-up draws to the word before them.
constexpr std::string_view kDrawnToTheLeft[] = {".", "?", "!", ",", "n't", "'m", "'s", "'ve", "'re"};

// How many bytes at the end may yet become a code point: a proper prefix of a well-formed one.
std::size_t UnfinishedBytes(std::string_view bytes) {
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, bytes.size()); ++back) {
    const auto lead = static_cast<unsigned char>(bytes[bytes.size() - back]);
    if ((lead & 0xC0) == 0x80) continue;
    const std::size_t needed = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (back >= needed) return 0;
    // One maximal subpart to the end: nothing in it is wrong so far.
    const base::DecodedCodePoint c = base::DecodeUtf8(bytes, bytes.size() - back);
    const bool possible = lead != 0xC0 && lead != 0xC1 && lead < 0xF5;
    return possible && !c.valid && c.length == back ? back : 0;
  }
  return 0;
}

}  // namespace

void Detokenizer::AppendBytes(std::string_view bytes, std::string& out) {
  if (bytes.empty()) return;
  at_start_ = false;
  pending_.append(bytes);
  const std::size_t ready = pending_.size() - UnfinishedBytes(pending_);
  base::AppendUtf8Repaired(std::string_view(pending_).substr(0, ready), out);
  pending_.erase(0, ready);
}

void Detokenizer::Feed(TokenId id, std::string& out) {
  const Tokenizer& tokenizer = *tokenizer_;
  if (!tokenizer.Has(id) || (options_.skip_special && tokenizer.IsSpecial(id))) return;
  std::string_view bytes = tokenizer.TokenBytes(id);
  if (tokenizer.kind() == TokenizerKind::kWordPiece) {
    const bool drawn =
        tokenizer.clean_up_decoded_ && std::ranges::find(kDrawnToTheLeft, bytes) != std::end(kDrawnToTheLeft);
    if (!at_start_ && !drawn && !tokenizer.vocabulary_.Continues(id)) AppendBytes(" ", out);
    // At the very beginning a continuation stands as it is stored.
    if (at_start_ && tokenizer.vocabulary_.Continues(id)) bytes = tokenizer.TokenText(id);
  } else if (at_start_ && tokenizer.strip_decoded_space_ && bytes.starts_with(' ')) {
    bytes.remove_prefix(1);
    at_start_ = false;
  }
  AppendBytes(bytes, out);
}

void Detokenizer::Flush(std::string& out) {
  base::AppendUtf8Repaired(pending_, out);
  Reset();
}

void Detokenizer::Reset() {
  pending_.clear();
  at_start_ = !options_.continues;
}

std::string Decode(const std::shared_ptr<const Tokenizer>& tokenizer, std::span<const TokenId> ids,
                   DecodeOptions options) {
  Detokenizer detokenizer(tokenizer, options);
  std::string text;
  for (const TokenId id : ids) detokenizer.Feed(id, text);
  detokenizer.Flush(text);
  return text;
}

}  // namespace loquat::text
