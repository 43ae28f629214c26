#include "text/tokenizer/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "text/tokenizer/byte_level.h"

namespace loquat::text {
namespace {

using TokenKind = TokenKindInVocabulary;

std::optional<unsigned char> HexDigit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned char>(c - '0');
  if (c >= 'A' && c <= 'F') return static_cast<unsigned char>(c - 'A' + 10);
  if (c >= 'a' && c <= 'f') return static_cast<unsigned char>(c - 'a' + 10);
  return std::nullopt;
}

// The byte of "<0x0A>".
std::optional<unsigned char> ByteOfToken(std::string_view stored) {
  if (stored.size() != 6 || !stored.starts_with("<0x") || stored[5] != '>') return std::nullopt;
  const auto high = HexDigit(stored[3]), low = HexDigit(stored[4]);
  if (!high || !low) return std::nullopt;
  return static_cast<unsigned char>(*high << 4 | *low);
}

void AppendWithSpaces(std::string_view stored, std::string& out) {
  for (std::size_t at = 0; at < stored.size();) {
    const std::size_t next = stored.find(kSpaceSymbol, at);
    out.append(stored.substr(at, next - at));
    if (next == std::string_view::npos) return;
    out.push_back(' ');
    at = next + kSpaceSymbol.size();
  }
}

base::Status CheckSizes(const TokenizerSpec& spec) {
  const std::size_t count = spec.tokens.size();
  if (count == 0) return base::InvalidArgument("the tokenizer has no tokens");
  if (count > Vocabulary::kTokensMax) {
    return base::InvalidArgument(
        fmt::format("the tokenizer has {} tokens; at most {} are allowed", count, Vocabulary::kTokensMax));
  }
  if (!spec.kinds.empty() && spec.kinds.size() != count) {
    return base::InvalidArgument(fmt::format("the tokenizer has {} tokens and {} kinds", count, spec.kinds.size()));
  }
  std::size_t bytes = 0;
  for (std::size_t id = 0; id < count; ++id) {
    if (spec.tokens[id].size() > Vocabulary::kTokenBytesMax) {
      return base::InvalidArgument(fmt::format("token {} has {} bytes; at most {} are allowed", id,
                                               spec.tokens[id].size(), Vocabulary::kTokenBytesMax));
    }
    bytes += spec.tokens[id].size();
  }
  if (bytes > Vocabulary::kBytesMax) {
    return base::InvalidArgument(
        fmt::format("the tokens have {} bytes; at most {} are allowed", bytes, Vocabulary::kBytesMax));
  }
  const auto limit = static_cast<TokenId>(count);
  for (const auto& id : {spec.bos, spec.eos, spec.unknown, spec.pad, spec.cls, spec.sep, spec.mask}) {
    if (id && (*id < 0 || *id >= limit)) {
      return base::InvalidArgument(
          fmt::format("the tokenizer names the token {}, but its tokens end before {}", *id, limit));
    }
  }
  return {};
}

}  // namespace

base::Result<Vocabulary> Vocabulary::Build(const TokenizerSpec& spec) {
  LOQUAT_TRY(CheckSizes(spec));
  Vocabulary vocabulary;
  const std::size_t count = spec.tokens.size();
  vocabulary.byte_level_ = spec.kind == TokenizerKind::kByteLevelBpe;
  vocabulary.byte_tokens_.fill(kNone);
  vocabulary.traits_.Resize(count);
  for (std::size_t id = 0; id < spec.kinds.size(); ++id) vocabulary.traits_.At(id).kind = spec.kinds[id];
  if (spec.unknown) {
    vocabulary.unknown_ = *spec.unknown;
    vocabulary.traits_.At(static_cast<std::size_t>(*spec.unknown)).kind = TokenKind::kUnknown;
  }
  LOQUAT_TRY(vocabulary.AddSpecials(spec));
  std::string buffer;
  for (std::size_t id = 0; id < count; ++id) {
    vocabulary.AddToken(spec, static_cast<TokenId>(id), spec.tokens[id], buffer);
  }
  vocabulary.Index();
  return vocabulary;
}

base::Status Vocabulary::AddSpecials(const TokenizerSpec& spec) {
  for (const SpecialToken& token : spec.specials) {
    if (token.id < 0 || static_cast<std::size_t>(token.id) >= traits_.size()) {
      return base::InvalidArgument(fmt::format("the special token '{}' has the id {}, but the tokens end before {}",
                                               token.content, token.id, traits_.size()));
    }
    const auto id = static_cast<std::size_t>(token.id);
    traits_.At(id).added = 1;
    traits_.At(id).special = token.special ? 1 : 0;
    others_.emplace_back(token.content, token.id);
  }
  return {};
}

void Vocabulary::AddToken(const TokenizerSpec& spec, TokenId id, const std::string& stored, std::string& buffer) {
  stored_.Add(stored);
  Traits& traits = traits_.At(static_cast<std::size_t>(id));
  TokenKind& kind = traits.kind;
  const bool added = traits.added != 0;
  buffer.clear();
  const bool sentence_piece = spec.kind == TokenizerKind::kSentencePieceBpe || spec.kind == TokenizerKind::kUnigram;
  if (sentence_piece && kind == TokenKind::kNormal && spec.byte_fallback && !added && ByteOfToken(stored)) {
    kind = TokenKind::kByte;
  }
  if (kind == TokenKind::kControl || kind == TokenKind::kUnknown) traits.special = 1;
  const auto byte = kind == TokenKind::kByte ? ByteOfToken(stored) : std::nullopt;
  if (added || kind == TokenKind::kControl || kind == TokenKind::kUnknown) {
    buffer = stored;
  } else if (byte) {
    buffer.push_back(static_cast<char>(*byte));
    if (byte_tokens_[*byte] == kNone) byte_tokens_[*byte] = id;
  } else if (byte_level_) {
    if (!AppendByteLevelDecoded(stored, buffer)) buffer = stored;
  } else if (sentence_piece) {
    AppendWithSpaces(stored, buffer);
  } else {
    const bool continues = !spec.continuing_prefix.empty() && stored.starts_with(spec.continuing_prefix) &&
                           stored.size() > spec.continuing_prefix.size();
    traits.continues = continues ? 1 : 0;
    buffer.append(stored, continues ? spec.continuing_prefix.size() : 0);
  }
  bytes_.Add(buffer);
}

bool Vocabulary::IsText(TokenId id) const {
  const TokenKind kind = Kind(id);
  return !IsAdded(id) && !Stored(id).empty() &&
         (kind == TokenKind::kNormal || kind == TokenKind::kUserDefined || kind == TokenKind::kUnused);
}

void Vocabulary::Index() {
  by_text_ = TokenIndex(size());
  std::string decoded;
  for (TokenId id = 0; Has(id); ++id) {
    decoded.clear();
    // A token whose characters stand for no bytes is no text of a byte-level vocabulary.
    if (IsText(id) && (!byte_level_ || AppendByteLevelDecoded(Stored(id), decoded))) {
      by_text_.Add(byte_level_ ? bytes_ : stored_, id);
    } else {
      others_.emplace_back(std::string(Stored(id)), id);
    }
  }
  IndexOthers();
  if (!byte_level_) return;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const char text = static_cast<char>(byte);
    byte_tokens_[byte] = FindText({&text, 1});
  }
}

void Vocabulary::IndexOthers() {
  others_.shrink_to_fit();
  other_ids_.reserve(others_.size());
  for (const auto& [text, id] : others_) other_ids_.try_emplace(text, id);
}

bool Vocabulary::Sound() const {
  const auto exists = [this](TokenId id) { return id == kNone || Has(id); };
  const auto known = [](const Traits& traits) { return traits.kind <= TokenKind::kByte; };
  return size() > 0 && bytes_.size() == size() && traits_.size() == size() && stored_.Sound() && bytes_.Sound() &&
         std::ranges::all_of(traits_.view(), known) && by_text_.Sound(size()) &&
         std::ranges::all_of(others_, [this](const auto& other) { return Has(other.second); }) &&
         std::ranges::all_of(byte_tokens_, exists) && exists(unknown_);
}

base::Status Vocabulary::Finish() {
  if (!Sound()) return base::InvalidArgument("the tables of the vocabulary contradict each other");
  IndexOthers();
  return {};
}

bool Vocabulary::has_all_bytes() const {
  return std::ranges::find(byte_tokens_, kNone) == byte_tokens_.end();
}

TokenId Vocabulary::IdOf(std::string_view stored) const {
  if (const auto it = other_ids_.find(stored); it != other_ids_.end()) return it->second;
  if (!byte_level_) return FindText(stored);
  std::string bytes;
  return AppendByteLevelDecoded(stored, bytes) ? FindText(bytes) : kNone;
}

}  // namespace loquat::text
