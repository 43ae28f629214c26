#include "model/formats/gguf_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/utf8.h"
#include "model/formats/gguf_fields.h"
#include "text/tokenizer/tokenizer_json.h"

namespace loquat::model {
namespace {

using text::TokenizerKind;
using text::TokenizerSpec;
using text::TokenKindInVocabulary;

constexpr std::string_view kPrefix = "tokenizer.ggml.";
constexpr std::string_view kWholeTokenizer = "tokenizer.huggingface.json";
constexpr std::string_view kWordStart = "\u2581";  // ▁, SentencePiece's space.

struct PreName {
  std::string_view stored, name;
};
// Names that llama.cpp gives to the same splitting rules (its enum llama_vocab_pre_type).
constexpr PreName kPreNames[] = {{"gpt-2", "gpt-2"},
                                 {"gpt2", "gpt-2"},
                                 {"phi-2", "gpt-2"},
                                 {"roberta-bpe", "gpt-2"},
                                 {"jina-es", "gpt-2"},
                                 {"jina-de", "gpt-2"},
                                 {"jina-v2-es", "gpt-2"},
                                 {"jina-v2-de", "gpt-2"},
                                 {"llama-bpe", "llama-bpe"},
                                 {"llama3", "llama-bpe"},
                                 {"llama-v3", "llama-bpe"},
                                 {"falcon3", "llama-bpe"},
                                 {"falcon-h1", "llama-bpe"},
                                 {"pixtral", "llama-bpe"},
                                 {"midm-2.0", "llama-bpe"},
                                 {"lfm2", "llama-bpe"},
                                 {"qwen2", "qwen2"},
                                 {"deepseek-r1-qwen", "qwen2"},
                                 {"chatglm-bpe", "chatglm-bpe"},
                                 {"glm4", "chatglm-bpe"}};

std::string PreTokenizerName(std::string_view stored) {
  for (const PreName& name : kPreNames) {
    if (name.stored == stored) return std::string(name.name);
  }
  return std::string(stored);
}

void ReadTokens(GgufFields& fields, TokenizerSpec& spec) {
  const GgufValue* tokens = fields.Array("tokens", GgufType::kString);
  if (tokens == nullptr) return fields.Fault("tokens", "is missing");
  if (tokens->size() == 0 || tokens->size() > kTokenizerTokensMax) {
    return fields.Fault("tokens",
                        fmt::format("has {} items; 1 to {} are allowed", tokens->size(), kTokenizerTokensMax));
  }
  spec.tokens.reserve(tokens->size());
  tokens->EachString([&](std::string_view token) {
    if (!base::IsValidUtf8(token)) fields.Fault("tokens", fmt::format("item {} is not UTF-8", spec.tokens.size()));
    spec.tokens.emplace_back(token);
  });
}

void ReadKindsAndScores(GgufFields& fields, TokenizerSpec& spec) {
  if (const GgufValue* kinds = fields.Find("token_type")) {
    if (!kinds->is_array() || kinds->size() != spec.tokens.size()) {
      return fields.Fault("token_type", fmt::format("must have {} items, as tokens has", spec.tokens.size()));
    }
    for (std::uint64_t i = 0; i < kinds->size(); ++i) {
      const std::int64_t stored = kinds->IntAt(i).value_or(-1);  // From 1 on; 0: undefined.
      if (stored < 0 || stored > 6) return fields.Fault("token_type", fmt::format("item {} is no token type", i));
      spec.kinds.push_back(static_cast<TokenKindInVocabulary>(std::max<std::int64_t>(stored - 1, 0)));
    }
  }
  const bool scored = spec.kind == TokenizerKind::kSentencePieceBpe || spec.kind == TokenizerKind::kUnigram;
  const GgufValue* scores = fields.Array("scores", GgufType::kFloat32);
  if (!scored) return;
  if (scores == nullptr || scores->size() != spec.tokens.size()) {
    return fields.Fault("scores", fmt::format("must have {} items, as tokens has", spec.tokens.size()));
  }
  spec.scores.reserve(scores->size());
  for (std::uint64_t i = 0; i < scores->size(); ++i) spec.scores.push_back(static_cast<float>(*scores->DoubleAt(i)));
}

void ReadMerges(GgufFields& fields, TokenizerSpec& spec) {
  const GgufValue* merges = fields.Array("merges", GgufType::kString);
  if (merges == nullptr) return fields.Fault("merges", "is missing");
  if (merges->size() > kTokenizerMergesMax) {
    return fields.Fault("merges",
                        fmt::format("has {} items; at most {} are allowed", merges->size(), kTokenizerMergesMax));
  }
  spec.merges.reserve(merges->size());
  merges->EachString([&](std::string_view merge) {
    // The first character may itself be a space.
    const std::size_t space = merge.find(' ', 1);
    if (merge.size() < 3 || space == std::string_view::npos || space + 1 == merge.size()) {
      return fields.Fault("merges", fmt::format("item {} is no pair of tokens", spec.merges.size()));
    }
    spec.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
  });
}

std::optional<text::TokenId> ReadId(GgufFields& fields, const TokenizerSpec& spec, std::string_view key,
                                    std::optional<text::TokenId> otherwise = {}) {
  constexpr std::uint32_t kNone = 0xFFFFFFFF;  // Written by some tools where there is none.
  const std::uint32_t id = fields.Uint(key, kNone);
  if (id == kNone) {
    // A default that the vocabulary is too small for is none.
    return otherwise && static_cast<std::size_t>(*otherwise) < spec.tokens.size() ? otherwise : std::nullopt;
  }
  if (id < spec.tokens.size()) return static_cast<text::TokenId>(id);
  fields.Fault(key, fmt::format("is {}, but there are {} tokens", id, spec.tokens.size()));
  return std::nullopt;
}

void ReadIds(GgufFields& fields, TokenizerSpec& spec) {
  const auto id = [&](std::string_view key, std::optional<text::TokenId> otherwise = {}) {
    return ReadId(fields, spec, key, otherwise);
  };
  // Defaults as in llama.cpp: those of the first model of each kind.
  switch (spec.kind) {
    case TokenizerKind::kByteLevelBpe:
      spec.bos = id("bos_token_id");
      spec.eos = id("eos_token_id");
      spec.unknown = id("unknown_token_id");
      break;
    case TokenizerKind::kSentencePieceBpe:
      spec.bos = id("bos_token_id", 1);
      spec.eos = id("eos_token_id", 2);
      spec.unknown = id("unknown_token_id", 0);
      break;
    case TokenizerKind::kUnigram:
      spec.bos = id("bos_token_id");
      spec.eos = id("eos_token_id", 1);
      spec.unknown = id("unknown_token_id", 2);
      break;
    case TokenizerKind::kWordPiece:
      spec.cls = id("cls_token_id", id("bos_token_id", 101));
      spec.sep = id("seperator_token_id", id("separator_token_id", id("eos_token_id", 102)));  // The first is GGUF's.
      spec.bos = spec.cls;
      spec.eos = spec.sep;
      spec.unknown = id("unknown_token_id", 100);
      break;
  }
  spec.pad = id("padding_token_id");
  spec.mask = id("mask_token_id");
  if (spec.kind == TokenizerKind::kWordPiece) return;
  spec.cls = id("cls_token_id");
  spec.sep = id("seperator_token_id");
}

// "▁word" and "piece" become "word" and "##piece"; "[CLS]" and its like stay.
void ToContinuationMarks(TokenizerSpec& spec) {
  const auto starts_word = [](const std::string& token) { return token.starts_with(kWordStart); };
  if (std::ranges::none_of(spec.tokens, starts_word)) return;  // Stored with ## as it is.
  for (std::size_t i = 0; i < spec.tokens.size(); ++i) {
    std::string& token = spec.tokens[i];
    const bool bracketed = token.size() > 1 && token.starts_with('[') && token.ends_with(']');
    const bool normal = spec.kinds.empty() || spec.kinds[i] == TokenKindInVocabulary::kNormal;
    if (starts_word(token)) {
      token.erase(0, kWordStart.size());
    } else if (!bracketed && normal) {
      token.insert(0, spec.continuing_prefix);
    }
  }
}

void ReadNormalization(GgufFields& fields, TokenizerSpec& spec) {
  const bool sentence_piece = spec.kind == TokenizerKind::kSentencePieceBpe || spec.kind == TokenizerKind::kUnigram;
  spec.add_prefix_space = fields.Bool("add_space_prefix", sentence_piece);
  spec.remove_extra_spaces = fields.Bool("remove_extra_whitespaces", false);
  spec.byte_fallback = spec.kind == TokenizerKind::kSentencePieceBpe;
  if (spec.kind == TokenizerKind::kWordPiece) spec.lowercase = fields.Bool("normalizer.lowercase", true);
  if (const GgufValue* rules = fields.Find("precompiled_charsmap")) {
    if (!rules->is_array() || (rules->item_type() != GgufType::kUint8 && rules->item_type() != GgufType::kInt8)) {
      return fields.Fault("precompiled_charsmap", "must be an array of bytes");
    }
    spec.precompiled_charsmap.assign(reinterpret_cast<const char*>(rules->bytes().data()), rules->bytes().size());
  }
}

void CollectSpecials(TokenizerSpec& spec) {
  for (std::size_t i = 0; i < spec.kinds.size(); ++i) {
    const TokenKindInVocabulary kind = spec.kinds[i];
    const bool control = kind == TokenKindInVocabulary::kControl;
    if ((!control && kind != TokenKindInVocabulary::kUserDefined) || spec.tokens[i].empty()) continue;
    spec.specials.push_back({.content = spec.tokens[i], .id = static_cast<text::TokenId>(i), .special = control});
    // XLM-R and RoBERTa take the space before a mask into it.
    if (spec.tokens[i] == "<mask>") spec.specials.back().strip_left = true;
  }
  // Longest first; of equal length in the order of their ids.
  std::ranges::sort(spec.specials, {}, [](const text::SpecialToken& special) {
    return std::pair(-static_cast<std::int64_t>(special.content.size()), special.id);
  });
}

base::Result<TokenizerKind> ReadKind(const GgufFile& file, GgufFields& fields) {
  const std::string model = fields.String("model");
  LOQUAT_TRY(fields.status());
  if (model == "gpt2") return TokenizerKind::kByteLevelBpe;
  if (model == "llama") return TokenizerKind::kSentencePieceBpe;
  if (model == "bert") return TokenizerKind::kWordPiece;
  if (model == "t5") return TokenizerKind::kUnigram;
  return base::Error{
      .code = base::Code::kUnimplemented,
      .message = fmt::format("{}: {}model is '{}'; supported: gpt2, llama, bert, t5", file.name(), kPrefix, model)};
}

// The file of Hugging Face's that a converter put in whole. Which tokens are the special ones stands beside it.
base::Result<TokenizerSpec> ReadWholeTokenizer(const GgufFile& file, std::string_view json) {
  auto read =
      text::ReadTokenizerJson({.tokenizer_json = json, .tokenizer_config_json = {}, .special_tokens_map_json = {}});
  if (!read.has_value()) {
    base::Error error = std::move(read).error();
    error.message = fmt::format("{}: {}: {}", file.name(), kWholeTokenizer, error.message);
    return error;
  }
  TokenizerSpec spec = *std::move(read);
  GgufFields fields(file, std::string(kPrefix));
  for (const auto& [key, id] : {std::pair<std::string_view, std::optional<text::TokenId>*>{"bos_token_id", &spec.bos},
                                {"eos_token_id", &spec.eos},
                                {"unknown_token_id", &spec.unknown},
                                {"padding_token_id", &spec.pad},
                                {"cls_token_id", &spec.cls},
                                {"seperator_token_id", &spec.sep},
                                {"mask_token_id", &spec.mask}}) {
    *id = ReadId(fields, spec, key, *id);
  }
  GgufFields top(file, "tokenizer.");
  spec.chat_template = top.String("chat_template");
  LOQUAT_TRY(fields.status());
  LOQUAT_TRY(top.status());
  return spec;
}

std::optional<std::string_view> WholeTokenizer(const GgufFile& file) {
  const GgufValue* json = file.Find(kWholeTokenizer);
  return json == nullptr ? std::nullopt : json->AsString();
}

bool HasTables(const GgufFile& file) {
  const GgufValue* model = file.Find("tokenizer.ggml.model");
  return model != nullptr && model->AsString() != "none" && model->AsString() != "no_vocab";
}

}  // namespace

bool HasGgufTokenizer(const GgufFile& file) {
  return HasTables(file) || WholeTokenizer(file).has_value();
}

base::Result<TokenizerSpec> TokenizerFromGguf(const GgufFile& file) {
  if (const auto json = WholeTokenizer(file)) {
    auto whole = ReadWholeTokenizer(file, *json);
    if (whole.has_value() || !HasTables(file)) return whole;
  }
  GgufFields fields(file, std::string(kPrefix));
  TokenizerSpec spec;
  LOQUAT_ASSIGN(spec.kind, ReadKind(file, fields));
  spec.pre_tokenizer = PreTokenizerName(fields.String("pre"));
  ReadTokens(fields, spec);
  ReadKindsAndScores(fields, spec);
  if (spec.kind == TokenizerKind::kByteLevelBpe) ReadMerges(fields, spec);
  ReadIds(fields, spec);
  ReadNormalization(fields, spec);
  LOQUAT_TRY(fields.status());

  const bool byte_level = spec.kind == TokenizerKind::kByteLevelBpe;
  const bool llama3 = byte_level && (spec.pre_tokenizer == "llama-bpe" || spec.pre_tokenizer == "tekken");
  spec.ignore_merges = llama3;
  const bool word_piece = spec.kind == TokenizerKind::kWordPiece;
  spec.add_bos = fields.Bool("add_bos_token", llama3 || word_piece || spec.kind == TokenizerKind::kSentencePieceBpe);
  spec.add_eos = fields.Bool("add_eos_token", word_piece || spec.kind == TokenizerKind::kUnigram);
  if (word_piece) {
    ToContinuationMarks(spec);
    spec.pre_tokenizer.clear();
  }
  CollectSpecials(spec);
  GgufFields top(file, "tokenizer.");
  spec.chat_template = top.String("chat_template");
  LOQUAT_TRY(fields.status());
  LOQUAT_TRY(top.status());
  return spec;
}

}  // namespace loquat::model
