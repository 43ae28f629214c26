#include "text/tokenizer/tokenizer_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/hash.h"
#include "base/json_fields.h"
#include "text/tokenizer/tokenizer.h"
#include "text/tokenizer/tokenizer_json_parts.h"

namespace loquat::text {
namespace {

using base::JsonField;
using base::JsonFields;

base::Error In(std::string_view file, base::Error error) {
  error.message = fmt::format("{}: {}{}{}", file, error.param, error.param.empty() ? "" : ": ", error.message);
  return error;
}

void ReadAdded(const JsonField& field, TokenizerSpec& spec) {
  const std::size_t limit = std::min(Vocabulary::kTokensMax, 2 * spec.tokens.size() + 2 * Tokenizer::kSpecialsMax);
  field.Each({.max_items = Tokenizer::kSpecialsMax}, [&](const JsonField& item) {
    JsonFields fields = item.Fields();
    SpecialToken token;
    token.id = static_cast<TokenId>(fields.Required("id").Int({.min = 0, .max = static_cast<std::int64_t>(limit)}));
    token.content = fields.Required("content").String({.min_bytes = 1, .max_bytes = Tokenizer::kSpecialBytesMax});
    token.single_word = fields.Optional("single_word").Bool();
    token.strip_left = fields.Optional("lstrip").Bool();
    token.strip_right = fields.Optional("rstrip").Bool();
    token.special = fields.Optional("special").Bool();
    token.normalized = fields.Optional("normalized").Bool(!token.special);
    fields.Done();
    if (auto fault = json_parts::PlaceAdded(std::move(token), spec)) item.Fault(std::move(*fault));
  });
}

using Ids = std::unordered_map<std::string_view, TokenId, base::StringHash>;

Ids IdsOf(const TokenizerSpec& spec) {
  Ids ids;
  ids.reserve(spec.tokens.size());
  for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
    if (!spec.tokens[id].empty()) ids.try_emplace(spec.tokens[id], static_cast<TokenId>(id));
  }
  return ids;
}

// "<s>", {"content": "<s>", …}, or null: the token's id, if the vocabulary has it.
std::optional<TokenId> NamedToken(const base::JsonObject& config, std::string_view key, const Ids& ids) {
  base::JsonValue value = config.Find(key);
  if (value.type() == base::JsonType::kObject) value = value.AsObject()->Find("content");
  const auto text = value.AsString();
  if (!text.has_value()) return std::nullopt;
  const auto it = ids.find(*text);
  return it == ids.end() ? std::nullopt : std::optional(it->second);
}

// A string, or a list of {"name", "template"}, of which "default" is meant.
std::string ChatTemplate(const base::JsonObject& config) {
  const base::JsonValue value = config.Find("chat_template");
  if (const auto text = value.AsString(); text.has_value()) return std::string(*text);
  const auto list = value.AsArray();
  if (!list.has_value()) return {};
  for (const base::JsonValue item : *list) {
    const auto named = item.AsObject();
    if (!named.has_value() || named->Find("name").AsString().value_or("") != "default") continue;
    const auto text = named->Find("template").AsString();
    return text.has_value() ? std::string(*text) : std::string();
  }
  return {};
}

base::Status ReadNames(std::string_view file, std::string_view json, const Ids& ids, TokenizerSpec& spec) {
  if (json.empty()) return {};
  base::JsonParser parser({.max_bytes = kTokenizerConfigBytesMax});
  const auto root = parser.Parse(json);
  if (!root.has_value()) return In(file, root.error());
  const auto object = root->AsObject();
  if (!object.has_value()) return In(file, object.error());
  struct Name {
    std::string_view key;
    std::optional<TokenId>& id;
  };
  for (const Name& name : {Name{"bos_token", spec.bos}, Name{"eos_token", spec.eos}, Name{"unk_token", spec.unknown},
                           Name{"pad_token", spec.pad}, Name{"cls_token", spec.cls}, Name{"sep_token", spec.sep},
                           Name{"mask_token", spec.mask}}) {
    if (!name.id) name.id = NamedToken(*object, name.key, ids);
  }
  if (spec.chat_template.empty()) spec.chat_template = ChatTemplate(*object);
  return {};
}

void ReadRoot(const base::JsonValue& root, base::JsonFaults& faults, TokenizerSpec& spec,
              std::optional<std::string>& unknown) {
  JsonFields fields(root, faults);
  for (const std::string_view key : {"version", "truncation", "padding"}) fields.Optional(key);
  const JsonField added = fields.Optional("added_tokens");
  const auto more = added.value().AsArray();
  spec.normalizers.emplace();
  spec.pre_tokenizers.emplace();
  json_parts::ReadNormalizer(fields.Optional("normalizer"), spec, *spec.normalizers);
  const bool byte_level = json_parts::ReadPreTokenizer(fields.Optional("pre_tokenizer"), *spec.pre_tokenizers);
  unknown = json_parts::ReadModel(fields.Required("model"), byte_level, more.has_value() ? more->size() : 0, spec);
  ReadAdded(added, spec);
  spec.single_template = {{.kind = TemplatePiece::Kind::kFirst}};
  spec.pair_template = {{.kind = TemplatePiece::Kind::kFirst},
                        {.kind = TemplatePiece::Kind::kSecond, .id = 0, .type = 1}};
  json_parts::ReadPostProcessor(fields.Optional("post_processor"), spec);
  json_parts::ReadDecoder(fields.Optional("decoder"), spec);
  fields.Done();
}

}  // namespace

std::optional<std::string> json_parts::PlaceAdded(SpecialToken token, TokenizerSpec& spec) {
  const auto id = static_cast<std::size_t>(token.id);
  if (id >= spec.tokens.size()) {
    spec.tokens.resize(id + 1);
    spec.kinds.resize(id + 1, TokenKindInVocabulary::kUnused);
    if (!spec.scores.empty()) spec.scores.resize(id + 1);
  }
  spec.kinds.resize(spec.tokens.size(), TokenKindInVocabulary::kNormal);
  if (!spec.tokens[id].empty() && spec.tokens[id] != token.content) {
    return fmt::format("the added token '{}' has the id {} of '{}'", token.content, id, spec.tokens[id]);
  }
  spec.tokens[id] = token.content;
  spec.kinds[id] = token.special ? TokenKindInVocabulary::kControl : TokenKindInVocabulary::kUserDefined;
  spec.specials.push_back(std::move(token));
  return std::nullopt;
}

base::Status json_parts::ReadNamedTokens(const TokenizerFiles& files, const std::optional<std::string>& unknown,
                                         TokenizerSpec& spec) {
  const Ids ids = IdsOf(spec);
  if (unknown) {
    const auto it = ids.find(*unknown);
    if (it != ids.end()) spec.unknown = it->second;
  }
  LOQUAT_TRY(ReadNames("tokenizer_config.json", files.tokenizer_config_json, ids, spec));
  return ReadNames("special_tokens_map.json", files.special_tokens_map_json, ids, spec);
}

base::Result<TokenizerSpec> ReadTokenizerJson(const TokenizerFiles& files) {
  constexpr std::string_view kFile = "tokenizer.json";
  base::JsonParser parser({.max_bytes = kTokenizerJsonBytesMax});
  const auto root = parser.Parse(files.tokenizer_json);
  if (!root.has_value()) return In(kFile, root.error());
  base::JsonFaults faults;
  TokenizerSpec spec;
  std::optional<std::string> unknown;
  ReadRoot(*root, faults, spec, unknown);
  if (!faults.ok()) return In(kFile, faults.status().error());
  // A model without an unknown token has none, whatever the config says beside it.
  const bool model_names_unknown = unknown.has_value() || spec.unknown.has_value();
  LOQUAT_TRY(json_parts::ReadNamedTokens(files, unknown, spec));
  if (!model_names_unknown) spec.unknown.reset();
  return spec;
}

}  // namespace loquat::text
