// The tokens of a tokenizer: as stored, as the bytes they decode to, and by text.
// Immutable after Build; safe from any thread.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "text/tokenizer/token_table.h"
#include "text/tokenizer/tokenizer_spec.h"

namespace loquat::text {

inline constexpr std::string_view kSpaceSymbol = "▁";  // U+2581, a space in SentencePiece's vocabularies.

class Vocabulary {
 public:
  static constexpr std::size_t kTokensMax = std::size_t{1} << 22;
  static constexpr std::size_t kTokenBytesMax = 4096;
  static constexpr std::size_t kBytesMax = std::size_t{1} << 30;
  static constexpr TokenId kNone = TokenIndex::kNone;

  // kInvalidArgument: sizes that do not agree or pass the bounds above, ids outside.
  static base::Result<Vocabulary> Build(const TokenizerSpec& spec);

  std::size_t size() const { return stored_.size(); }
  bool Has(TokenId id) const { return id >= 0 && static_cast<std::size_t>(id) < size(); }

  // REQUIRES of all that take an id: Has(id).
  std::string_view Stored(TokenId id) const { return stored_[id]; }
  std::string_view Bytes(TokenId id) const { return bytes_[id]; }
  TokenKindInVocabulary Kind(TokenId id) const { return kinds_[static_cast<std::size_t>(id)]; }
  // Left out when decoding without special tokens.
  bool IsSpecial(TokenId id) const { return special_[static_cast<std::size_t>(id)]; }
  // Found in text before anything else.
  bool IsAdded(TokenId id) const { return added_[static_cast<std::size_t>(id)]; }
  // kWordPiece: goes on with the word before it.
  bool Continues(TokenId id) const { return continues_[static_cast<std::size_t>(id)]; }

  // The token stored as this, or kNone.
  TokenId IdOf(std::string_view stored) const;
  // The token that this piece of (normalised) text is: no control, unknown, byte or added token. Bytes for
  // kByteLevelBpe, stored text otherwise.
  TokenId FindText(std::string_view text) const { return by_text_.Find(byte_level_ ? bytes_ : stored_, text); }
  std::size_t longest_text() const { return by_text_.longest(); }
  // Whether FindText may find the token.
  bool IsText(TokenId id) const;

  // The token of one byte, or kNone: the byte itself (kByteLevelBpe) or "<0x0A>".
  TokenId ByteToken(unsigned char byte) const { return byte_tokens_[byte]; }
  bool has_all_bytes() const;
  TokenId unknown() const { return unknown_; }

 private:
  void AddToken(const TokenizerSpec& spec, TokenId id, const std::string& stored, std::string& buffer);
  base::Status AddSpecials(const TokenizerSpec& spec);
  void Index();

  StringPool stored_, bytes_;
  std::vector<TokenKindInVocabulary> kinds_;
  std::vector<bool> special_, added_, continues_;
  TokenIndex by_text_;
  std::unordered_map<std::string, TokenId, base::StringHash, std::equal_to<>> others_;  // Not found by text.
  std::array<TokenId, 256> byte_tokens_{};
  TokenId unknown_ = kNone;
  bool byte_level_ = false;
};

}  // namespace loquat::text
