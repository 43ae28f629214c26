// The model of tokenizer.json: vocabulary, merges, scores.

#include <fmt/format.h>

#include <algorithm>

#include "text/tokenizer/tokenizer_json_parts.h"
#include "text/tokenizer/vocabulary.h"

namespace loquat::text::json_parts {
namespace {

using base::JsonField;
using base::JsonFields;

constexpr std::size_t kMergesMax = std::size_t{1} << 23;
constexpr std::size_t kTokenBytesMax = Vocabulary::kTokenBytesMax;

void RefuseText(JsonFields& fields, std::string_view key) {
  const JsonField field = fields.Optional(key);
  if (!field.String({.max_bytes = 64}).empty()) field.Fault(fmt::format("a {} is not supported", key));
}

void ReadMerge(const JsonField& item, TokenizerSpec& spec) {
  if (item.value().type() == base::JsonType::kArray) {
    std::string parts[2];
    std::size_t at = 0;
    item.Each({.min_items = 2, .max_items = 2},
              [&](const JsonField& part) { parts[at++] = part.String({.min_bytes = 1, .max_bytes = kTokenBytesMax}); });
    spec.merges.emplace_back(std::move(parts[0]), std::move(parts[1]));
    return;
  }
  const std::string_view merge = item.String({.max_bytes = 2 * kTokenBytesMax + 1});
  const std::size_t space = merge.find(' ', 1);
  if (space == std::string_view::npos || space + 1 == merge.size()) return item.Fault("is no pair of tokens");
  spec.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
}

void ReadVocabulary(const JsonField& field, std::size_t more, TokenizerSpec& spec) {
  if (std::optional<std::string> fault = FillVocabulary(field.value(), more, spec)) field.Fault(std::move(*fault));
}

std::optional<std::string> ReadBpe(JsonFields& fields, bool byte_level, std::size_t more, TokenizerSpec& spec) {
  spec.kind = byte_level ? TokenizerKind::kByteLevelBpe : TokenizerKind::kSentencePieceBpe;
  const JsonField dropout = fields.Optional("dropout");
  if (dropout.Number({}) != 0) dropout.Fault("dropout is not supported: it makes tokens random");
  RefuseText(fields, "continuing_subword_prefix");
  RefuseText(fields, "end_of_word_suffix");
  spec.fuse_unknown = fields.Optional("fuse_unk").Bool();
  spec.byte_fallback = fields.Optional("byte_fallback").Bool();
  spec.ignore_merges = fields.Optional("ignore_merges").Bool();
  ReadVocabulary(fields.Required("vocab"), more, spec);
  fields.Required("merges").Each({.max_items = kMergesMax}, [&](const JsonField& item) { ReadMerge(item, spec); });
  const JsonField unknown = fields.Optional("unk_token");
  if (!unknown.present()) return std::nullopt;
  return std::string(unknown.String({.max_bytes = kTokenBytesMax}));
}

std::optional<std::string> ReadUnigram(JsonFields& fields, TokenizerSpec& spec) {
  spec.kind = TokenizerKind::kUnigram;
  spec.byte_fallback = fields.Optional("byte_fallback").Bool();
  fields.Required("vocab").Each({.min_items = 1, .max_items = Vocabulary::kTokensMax}, [&](const JsonField& item) {
    std::size_t at = 0;
    item.Each({.min_items = 2, .max_items = 2}, [&](const JsonField& part) {
      if (at++ == 0) {
        spec.tokens.emplace_back(part.String({.max_bytes = kTokenBytesMax}));
      } else {
        spec.scores.push_back(static_cast<float>(part.Number({.min = -1e30, .max = 1e30})));
      }
    });
  });
  const JsonField unknown = fields.Optional("unk_id");
  const auto id = static_cast<std::size_t>(unknown.Int({.min = 0, .max = Vocabulary::kTokensMax}));
  if (!unknown.present()) return std::nullopt;
  if (id >= spec.tokens.size()) {
    unknown.Fault(fmt::format("is {}, but there are {} tokens", id, spec.tokens.size()));
    return std::nullopt;
  }
  spec.unknown = static_cast<TokenId>(id);
  return std::nullopt;
}

std::optional<std::string> ReadWordPiece(JsonFields& fields, std::size_t more, TokenizerSpec& spec) {
  spec.kind = TokenizerKind::kWordPiece;
  spec.continuing_prefix = fields.Optional("continuing_subword_prefix").String({.max_bytes = 64}, "##");
  spec.word_characters_max =
      static_cast<std::uint32_t>(fields.Optional("max_input_chars_per_word").Int({.min = 1, .max = 4096}, 100));
  ReadVocabulary(fields.Required("vocab"), more, spec);
  return std::string(fields.Required("unk_token").String({.min_bytes = 1, .max_bytes = kTokenBytesMax}));
}

// Old files lack the type.
std::string ModelType(JsonFields& fields) {
  const JsonField type = fields.Optional("type");
  if (type.present()) return std::string(type.String({.max_bytes = 64}));
  if (fields.Has("merges")) return "BPE";
  if (fields.Has("unk_id")) return "Unigram";
  return "WordPiece";
}

}  // namespace

std::optional<std::string> FillVocabulary(const base::JsonValue& vocabulary, std::size_t more, TokenizerSpec& spec) {
  const auto members = vocabulary.AsObject();
  if (!members.has_value()) return "the vocabulary must be an object of tokens and ids";
  std::size_t count = 0;
  for ([[maybe_unused]] const base::JsonMember member : *members) ++count;
  if (count > Vocabulary::kTokensMax) {
    return fmt::format("the vocabulary has {} tokens; at most {} are allowed", count, Vocabulary::kTokensMax);
  }
  // Some vocabularies leave ids out; a few tokens do not get to claim millions.
  const std::size_t limit = std::min(Vocabulary::kTokensMax, 2 * (count + more) + 1024);
  std::vector<bool> taken;
  for (const base::JsonMember member : *members) {
    const auto id = member.value.AsUint();
    if (!id.has_value() || *id >= limit || member.key.size() > kTokenBytesMax) {
      return fmt::format("the token '{}' is longer than {} bytes, or its id is no number under {}",
                         member.key.substr(0, 64), kTokenBytesMax, limit);
    }
    if (*id >= spec.tokens.size()) {
      spec.tokens.resize(*id + 1);
      taken.resize(*id + 1);
    }
    if (taken[*id]) return fmt::format("two tokens have the id {}", *id);
    taken[*id] = true;
    spec.tokens[*id] = member.key;
  }
  spec.kinds.assign(spec.tokens.size(), TokenKindInVocabulary::kNormal);
  for (std::size_t id = 0; id < taken.size(); ++id) {
    if (!taken[id]) spec.kinds[id] = TokenKindInVocabulary::kUnused;
  }
  return std::nullopt;
}

std::optional<std::string> ReadModel(const JsonField& field, bool byte_level, std::size_t more, TokenizerSpec& spec) {
  JsonFields fields = field.Fields();
  const std::string type = ModelType(fields);
  std::optional<std::string> unknown;
  if (type == "BPE") {
    unknown = ReadBpe(fields, byte_level, more, spec);
  } else if (byte_level) {
    field.Fault(fmt::format("a {} model after a ByteLevel pre-tokenizer is not supported", type));
    return unknown;
  } else if (type == "Unigram") {
    unknown = ReadUnigram(fields, spec);
  } else if (type == "WordPiece") {
    unknown = ReadWordPiece(fields, more, spec);
  } else {
    field.Fault(fmt::format("the model '{}' is not supported", type));
    return unknown;
  }
  // A duplicate among millions of tokens shows by its id; this looks at the model's own keys.
  fields.Done();
  return unknown;
}

}  // namespace loquat::text::json_parts
