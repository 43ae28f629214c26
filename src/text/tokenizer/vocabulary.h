// The tokens of a tokenizer: as stored, as the bytes they decode to, and by text.
// Immutable after Build; safe from any thread.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
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
  TokenKindInVocabulary Kind(TokenId id) const { return traits_[static_cast<std::size_t>(id)].kind; }
  // Left out when decoding without special tokens.
  bool IsSpecial(TokenId id) const { return traits_[static_cast<std::size_t>(id)].special != 0; }
  // Found in text before anything else.
  bool IsAdded(TokenId id) const { return traits_[static_cast<std::size_t>(id)].added != 0; }
  // kWordPiece: goes on with the word before it.
  bool Continues(TokenId id) const { return traits_[static_cast<std::size_t>(id)].continues != 0; }

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

  // Its binary form; the vocabulary that is read is a view of the bytes.
  template <typename Flat, typename Words>
  static void Fields(Flat& flat, Words& words) {
    StringPool::Fields(flat, words.stored_, kTokensMax);
    StringPool::Fields(flat, words.bytes_, kTokensMax);
    TableField(flat, words.traits_, kTokensMax);
    TokenIndex::Fields(flat, words.by_text_, kTokensMax);
    flat.Items(words.others_, kTokensMax + kOthersMax, [&](auto& other) {
      flat.Text(other.first, kOtherBytesMax);
      flat.Number(other.second);
    });
    for (auto& id : words.byte_tokens_) flat.Number(id);
    flat.Number(words.unknown_);
    flat.Flag(words.byte_level_);
  }
  // Makes what was read ready for use. kInvalidArgument: its tables contradict each other.
  base::Status Finish();

 private:
  struct Traits {
    TokenKindInVocabulary kind = TokenKindInVocabulary::kNormal;
    std::uint8_t special = 0, added = 0, continues = 0;  // 0 or 1.
  };
  static constexpr std::size_t kOthersMax = std::size_t{1} << 16;  // Special tokens under another text.
  static constexpr std::size_t kOtherBytesMax = std::size_t{1} << 16;

  bool Sound() const;
  void IndexOthers();
  void AddToken(const TokenizerSpec& spec, TokenId id, const std::string& stored, std::string& buffer);
  base::Status AddSpecials(const TokenizerSpec& spec);
  void Index();

  StringPool stored_, bytes_;
  Table<Traits> traits_;
  TokenIndex by_text_;
  std::vector<std::pair<std::string, TokenId>> others_;  // Not found by text; of equal ones the first counts.
  std::unordered_map<std::string_view, TokenId, base::StringHash> other_ids_;  // Views of others_.
  std::array<TokenId, 256> byte_tokens_{};
  TokenId unknown_ = kNone;
  bool byte_level_ = false;
};

}  // namespace loquat::text
