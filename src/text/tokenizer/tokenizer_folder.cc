// Tokenizers from files on disk: a folder as Hugging Face lays it out, GPT-2's own pair of files, a SentencePiece
// model.

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <utility>

#include "base/file.h"
#include "base/json_fields.h"
#include "base/strings.h"
#include "text/tokenizer/sentencepiece_model.h"
#include "text/tokenizer/tiktoken_table.h"
#include "text/tokenizer/tokenizer.h"
#include "text/tokenizer/tokenizer_json.h"
#include "text/tokenizer/tokenizer_json_parts.h"

namespace loquat::text {
namespace {

namespace fs = std::filesystem;

// What the classes that come as vocab.json and merges.txt do beside merging.
struct KnownClass {
  std::string_view name, pre_tokenizer;
  bool nfc;
};
constexpr KnownClass kClasses[] = {{"GPT2Tokenizer", "gpt-2", false},
                                   {"GPT2TokenizerFast", "gpt-2", false},
                                   {"Qwen2Tokenizer", "qwen2", true},
                                   {"Qwen2TokenizerFast", "qwen2", true}};

base::Status ReadClass(const base::JsonObject& config, TokenizerSpec& spec) {
  const auto name = config.Find("tokenizer_class").AsString();
  const auto at =
      std::ranges::find_if(kClasses, [&](const KnownClass& known) { return name.has_value() && known.name == *name; });
  if (at == std::end(kClasses)) {
    return base::InvalidArgument(
        fmt::format("tokenizer_config.json: the tokenizer_class '{}' is not supported without a tokenizer.json; "
                    "supported: GPT2Tokenizer, Qwen2Tokenizer",
                    name.has_value() ? *name : ""),
        "/tokenizer_class");
  }
  spec.kind = TokenizerKind::kByteLevelBpe;
  spec.pre_tokenizer = at->pre_tokenizer;
  spec.nfc = at->nfc;
  spec.add_prefix_space = config.Find("add_prefix_space").AsBool().value_or(false);
  return {};
}

base::Status ReadMergesText(std::string_view merges_txt, TokenizerSpec& spec) {
  for (std::string_view line : base::Split(merges_txt, '\n')) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with("#version")) continue;
    const auto halves = base::SplitOnce(line, ' ');
    if (!halves || halves->before.empty() || halves->after.empty()) {
      return base::InvalidArgument(fmt::format("merges.txt: '{}' is no pair of tokens", line.substr(0, 64)));
    }
    spec.merges.emplace_back(halves->before, halves->after);
  }
  return {};
}

// `replace`: what this file says of a token goes over what the model itself says.
base::Status Place(std::string_view file, SpecialToken token, std::int64_t id, bool replace, TokenizerSpec& spec) {
  const std::size_t limit = std::min(Vocabulary::kTokensMax, 2 * spec.tokens.size() + Tokenizer::kSpecialsMax);
  if (id < 0 || static_cast<std::size_t>(id) >= limit || token.content.empty()) {
    return base::InvalidArgument(
        fmt::format("{}: the added token '{}' has no id under {}", file, token.content, limit));
  }
  token.id = static_cast<TokenId>(id);
  const auto same = [&](const SpecialToken& other) { return other.id == token.id; };
  if (replace) {
    std::erase_if(spec.specials, same);
  } else if (std::ranges::any_of(spec.specials, same)) {
    return {};  // Both files may name it.
  }
  if (auto fault = json_parts::PlaceAdded(std::move(token), spec)) {
    return base::InvalidArgument(fmt::format("{}: {}", file, *fault));
  }
  return {};
}

// The config's {"151643": {"content": "<|endoftext|>", …}}, then added_tokens.json's {"<|endoftext|>": 151643}.
base::Status ReadAddedTokens(const base::JsonObject& config, std::string_view added_tokens_json, TokenizerSpec& spec) {
  const auto flag = [](const base::JsonObject& token, std::string_view key) {
    return token.Find(key).AsBool().value_or(false);
  };
  if (const auto decoder = config.Find("added_tokens_decoder").AsObject(); decoder.has_value()) {
    for (const base::JsonMember member : *decoder) {
      const auto stored = member.value.AsObject();
      if (!stored.has_value())
        return base::InvalidArgument("tokenizer_config.json: added_tokens_decoder holds no objects");
      SpecialToken token;
      token.content = stored->Find("content").AsString().value_or("");
      token.special = flag(*stored, "special");
      token.strip_left = flag(*stored, "lstrip");
      token.strip_right = flag(*stored, "rstrip");
      token.single_word = flag(*stored, "single_word");
      token.normalized = flag(*stored, "normalized");
      const auto id = base::ParseInt<std::int64_t>(member.key).value_or(-1);
      LOQUAT_TRY(Place("tokenizer_config.json", std::move(token), id, true, spec));
    }
  }
  if (added_tokens_json.empty()) return {};
  base::JsonParser parser({.max_bytes = kTokenizerConfigBytesMax});
  LOQUAT_ASSIGN(const base::JsonValue root, parser.Parse(added_tokens_json));
  LOQUAT_ASSIGN(const base::JsonObject added, root.AsObject());
  for (const base::JsonMember member : added) {
    SpecialToken token;
    token.content = member.key;
    LOQUAT_TRY(Place("added_tokens.json", std::move(token), member.value.AsInt().value_or(-1), false, spec));
  }
  return {};
}

// Empty if the file is not there.
base::Result<std::string> ReadOptional(const fs::path& path, std::size_t bytes_max) {
  auto text = base::ReadFile(path.string(), bytes_max);
  if (!text.has_value() && text.error().code == base::Code::kNotFound) return std::string();
  return text;
}

// What ChatGLM's own classes (tokenization_chatglm.py) do beside the model: tokens past its own that older files do not
// list, and what every text begins with.
base::Status ReadChatGlm(std::string_view name, TokenizerSpec& spec) {
  const bool glm4 = name == "ChatGLM4Tokenizer";
  if (!glm4 && name != "ChatGLMTokenizer") return {};
  const bool listed = std::ranges::any_of(spec.specials, [](const auto& token) { return token.content == "[gMASK]"; });
  if (!listed && !glm4) {
    for (const std::string_view content :
         {"[MASK]", "[gMASK]", "[sMASK]", "sop", "eop", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"}) {
      LOQUAT_TRY(Place("tokenizer.model", {.content = std::string(content)},
                       static_cast<std::int64_t>(spec.tokens.size()), false, spec));
    }
  }
  if (glm4) spec.pre_tokenizer = "chatglm-bpe";
  for (const std::string_view content : {"[gMASK]", glm4 ? "<sop>" : "sop"}) {
    const auto token = std::ranges::find(spec.specials, content, &SpecialToken::content);
    if (token == spec.specials.end()) {
      return base::InvalidArgument(fmt::format("tokenizer_config.json: added_tokens_decoder lacks '{}'", content));
    }
    spec.single_template.push_back({.kind = TemplatePiece::Kind::kToken, .id = token->id});
  }
  spec.single_template.push_back({.kind = TemplatePiece::Kind::kFirst});
  spec.pair_template = spec.single_template;
  spec.pair_template.push_back({.kind = TemplatePiece::Kind::kSecond});
  return {};
}

// tokenizer.model: SentencePiece's, or tiktoken's for the one class that says how to cut text before it.
base::Result<TokenizerSpec> ReadModelFile(std::string_view model, std::string_view added_tokens_json,
                                          const TokenizerFiles& files) {
  base::JsonParser parser({.max_bytes = kTokenizerConfigBytesMax});
  const std::string_view config_json = files.tokenizer_config_json;
  LOQUAT_ASSIGN(const base::JsonValue root, parser.Parse(config_json.empty() ? "{}" : config_json));
  LOQUAT_ASSIGN(const base::JsonObject config, root.AsObject());
  const std::string_view name = config.Find("tokenizer_class").AsString().value_or("");
  TokenizerSpec spec;
  if (!IsTiktokenTable(model)) {
    LOQUAT_ASSIGN(spec, ReadSentencePieceModel(model));
  } else if (name == "ChatGLM4Tokenizer") {
    LOQUAT_ASSIGN(spec, ReadTiktokenTable(model));
  } else {
    return base::InvalidArgument(fmt::format(
        "tokenizer.model is a table of tiktoken's, which with the tokenizer_class '{}' needs a tokenizer.json", name));
  }
  LOQUAT_TRY(ReadAddedTokens(config, added_tokens_json, spec));
  // These classes look for added tokens in the text as it is.
  for (SpecialToken& token : spec.specials) token.normalized = false;
  LOQUAT_TRY(ReadChatGlm(name, spec));
  spec.add_bos = config.Find("add_bos_token").AsBool().value_or(spec.add_bos);
  spec.add_eos = config.Find("add_eos_token").AsBool().value_or(spec.add_eos);
  LOQUAT_TRY(json_parts::ReadNamedTokens(files, std::nullopt, spec));
  return spec;
}

base::Result<TokenizerSpec> ReadFolder(const fs::path& folder, const fs::path& json, const fs::path& model_path) {
  LOQUAT_ASSIGN(const std::string tokenizer, ReadOptional(json, kTokenizerJsonBytesMax));
  LOQUAT_ASSIGN(const std::string config, ReadOptional(folder / "tokenizer_config.json", kTokenizerConfigBytesMax));
  LOQUAT_ASSIGN(const std::string map, ReadOptional(folder / "special_tokens_map.json", kTokenizerConfigBytesMax));
  const TokenizerFiles files{
      .tokenizer_json = tokenizer, .tokenizer_config_json = config, .special_tokens_map_json = map};
  if (!tokenizer.empty()) return ReadTokenizerJson(files);
  LOQUAT_ASSIGN(const std::string added, ReadOptional(folder / "added_tokens.json", kTokenizerConfigBytesMax));
  LOQUAT_ASSIGN(const std::string model, ReadOptional(model_path, kSentencePieceModelBytesMax));
  if (!model.empty()) return ReadModelFile(model, added, files);
  LOQUAT_ASSIGN(const std::string vocab, ReadOptional(folder / "vocab.json", kTokenizerJsonBytesMax));
  LOQUAT_ASSIGN(const std::string merges, ReadOptional(folder / "merges.txt", kTokenizerJsonBytesMax));
  if (vocab.empty() || merges.empty()) {
    return base::NotFound(fmt::format(
        "{}: no tokenizer.json, no tokenizer.model, no vocab.json with merges.txt stands there", folder.string()));
  }
  return ReadVocabAndMerges(vocab, merges, added, files);
}

}  // namespace

base::Result<TokenizerSpec> ReadVocabAndMerges(std::string_view vocab_json, std::string_view merges_txt,
                                               std::string_view added_tokens_json, const TokenizerFiles& files) {
  base::JsonParser parser({.max_bytes = kTokenizerJsonBytesMax});
  base::JsonParser config_parser({.max_bytes = kTokenizerConfigBytesMax});
  TokenizerSpec spec;
  const std::string_view config_json = files.tokenizer_config_json;
  LOQUAT_ASSIGN(const base::JsonValue config_root, config_parser.Parse(config_json.empty() ? "{}" : config_json));
  LOQUAT_ASSIGN(const base::JsonObject config, config_root.AsObject());
  LOQUAT_TRY(ReadClass(config, spec));
  LOQUAT_TRY(ReadMergesText(merges_txt, spec));
  LOQUAT_ASSIGN(const base::JsonValue vocabulary, parser.Parse(vocab_json));
  if (auto fault = json_parts::FillVocabulary(vocabulary, 0, spec)) {
    return base::InvalidArgument(fmt::format("vocab.json: {}", *fault));
  }
  LOQUAT_TRY(ReadAddedTokens(config, added_tokens_json, spec));
  spec.add_bos = config.Find("add_bos_token").AsBool().value_or(false);
  spec.add_eos = config.Find("add_eos_token").AsBool().value_or(false);
  LOQUAT_TRY(json_parts::ReadNamedTokens(files, std::nullopt, spec));
  return spec;
}

base::Result<TokenizerSpec> ReadTokenizerPath(const std::string& path) {
  std::error_code error;
  const fs::path place(path);
  if (fs::is_directory(place, error)) return ReadFolder(place, place / "tokenizer.json", place / "tokenizer.model");
  if (!fs::exists(place, error)) return base::NotFound(fmt::format("{}: no such file or folder", path));
  const fs::path nothing;
  if (place.extension() == ".json") return ReadFolder(place.parent_path(), place, nothing);
  LOQUAT_ASSIGN(const std::string bytes, base::ReadFile(path, kSentencePieceModelBytesMax));
  return ReadSentencePieceModel(bytes);
}

}  // namespace loquat::text
