// Small tokenizers for the tests and fuzzers of this folder. Pure functions.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/tokenizer/byte_level.h"
#include "text/tokenizer/tokenizer_spec.h"

namespace loquat::text {

inline std::string ByteLevel(std::string_view bytes) {
  std::string stored;
  AppendByteLevelEncoded(bytes, stored);
  return stored;
}

// The 256 bytes as tokens 0 to 255, then one token for each pair in `merges` (given as bytes), then the special tokens
// <|end|> and <|user|>.
inline TokenizerSpec ByteLevelSpec(const std::vector<std::pair<std::string, std::string>>& merges = {}) {
  TokenizerSpec spec;
  spec.kind = TokenizerKind::kByteLevelBpe;
  spec.pre_tokenizer = "qwen2";
  for (int byte = 0; byte < 256; ++byte) spec.tokens.push_back(ByteLevel(std::string(1, static_cast<char>(byte))));
  for (const auto& [left, right] : merges) {
    spec.merges.emplace_back(ByteLevel(left), ByteLevel(right));
    spec.tokens.push_back(ByteLevel(left + right));
  }
  for (const std::string_view content : {"<|end|>", "<|user|>"}) {
    spec.specials.push_back({.content = std::string(content), .id = static_cast<TokenId>(spec.tokens.size())});
    spec.tokens.emplace_back(content);
  }
  spec.eos = spec.specials.front().id;
  return spec;
}

// Merges that English and Chinese text meets.
inline TokenizerSpec WordsSpec() {
  return ByteLevelSpec({{"h", "e"},
                        {"l", "l"},
                        {"he", "ll"},
                        {"hell", "o"},
                        {" ", "w"},
                        {"o", "r"},
                        {" w", "or"},
                        {"l", "d"},
                        {" wor", "ld"},
                        {"\xE4", "\xBD"},
                        {"\xE4\xBD", "\xA0"},
                        {"\xF0", "\x9F"},
                        {"\xF0\x9F", "\x98"},
                        {" ", " "},
                        {"  ", "  "}});
}

// [PAD] [UNK] [CLS] [SEP] [MASK] and a few words.
inline TokenizerSpec WordPieceSpec() {
  TokenizerSpec spec;
  spec.kind = TokenizerKind::kWordPiece;
  spec.lowercase = true;
  spec.tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un", "##aff", "##able",
                 "able",  ",",     ".",     "cafe",  "你",     "好", "!"};
  for (TokenId id = 0; id < 5; ++id) {
    spec.specials.push_back({.content = spec.tokens[static_cast<std::size_t>(id)], .id = id});
  }
  spec.pad = 0;
  spec.unknown = 1;
  spec.cls = 2;
  spec.sep = 3;
  spec.mask = 4;
  return spec;
}

// <unk> <s> </s>, the 256 bytes from 3 on, then pieces with scores.
inline TokenizerSpec SentencePieceSpec(TokenizerKind kind) {
  TokenizerSpec spec;
  spec.kind = kind;
  spec.byte_fallback = true;
  spec.add_prefix_space = true;
  using Kind = TokenKindInVocabulary;
  const auto add = [&](std::string text, float score, Kind token_kind) {
    spec.tokens.push_back(std::move(text));
    spec.scores.push_back(score);
    spec.kinds.push_back(token_kind);
  };
  add("<unk>", 0, Kind::kUnknown);
  add("<s>", 0, Kind::kControl);
  add("</s>", 0, Kind::kControl);
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (std::size_t byte = 0; byte < 256; ++byte) {
    add(std::string("<0x") + kHex[byte / 16] + kHex[byte % 16] + ">", 0, Kind::kByte);
  }
  float score = -1;
  for (const std::string_view piece :
       {"▁hello", "▁he", "llo", "▁", "h", "e", "l", "o", "he", "ll", "你", "▁你", "好", "▁▁"}) {
    add(std::string(piece), score, Kind::kNormal);
    score -= 1;
  }
  spec.unknown = 0;
  spec.bos = 1;
  spec.eos = 2;
  spec.add_bos = true;
  spec.specials = {{.content = "<s>", .id = 1}, {.content = "</s>", .id = 2}};
  return spec;
}

}  // namespace loquat::text
