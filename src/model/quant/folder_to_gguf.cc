#include "model/quant/folder_to_gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/file.h"
#include "model/arch/rope.h"
#include "model/formats/config_check.h"
#include "text/tokenizer/pre_tokenizer.h"
#include "text/tokenizer/tokenizer_json.h"

namespace loquat::model {
namespace {

using text::TokenId;
using text::TokenizerKind;
using text::TokenizerSpec;
using text::TokenKindInVocabulary;

constexpr std::string_view kWordStart = "\u2581";  // ▁
constexpr std::string_view kEndKeys[] = {"eos_token_id", "eot_token_id", "eom_token_id"};

base::Error Unsupported(std::string message) {
  return {.code = base::Code::kUnimplemented, .message = std::move(message)};
}

// llama.cpp's enum llama_pooling_type.
std::uint32_t PoolingNumber(const ModelConfig& config) {
  if (config.head != BertHead::kNone) return 4;
  return config.pooling == Pooling::kMean ? 1 : config.pooling == Pooling::kCls ? 2 : 0;
}

class MetadataWriter {
 public:
  MetadataWriter(const ModelFiles& files, GgufHead& head)
      : config_(files.config), files_(files), head_(head), prefix_(ArchitectureName(files.config.architecture)) {}

  base::Status Run() {
    if (config_.head == BertHead::kTokenClassification) {
      return Unsupported(fmt::format("{}: GGUF has no words for a head that labels tokens", files_.path));
    }
    head_.Text("general.architecture", prefix_);
    head_.Text("general.name", config_.name);
    AddShape();
    if (config_.architecture == Architecture::kBert) {
      AddBert();
    } else {
      AddDecoder();
    }
    return AddTokenizer();
  }

 private:
  std::string Key(std::string_view name) const { return fmt::format("{}.{}", prefix_, name); }
  void Uint(std::string_view name, std::uint32_t value) { head_.Uint(Key(name), value); }
  void Float(std::string_view name, float value) { head_.Float(Key(name), value); }

  void AddShape() {
    Uint("block_count", config_.layers);
    Uint("context_length", config_.context);
    Uint("embedding_length", config_.width);
    Uint("feed_forward_length", config_.ffn_width);
    Uint("attention.head_count", config_.heads);
    Uint("vocab_size", config_.vocabulary);
  }

  void AddBert() {
    Float("attention.layer_norm_epsilon", config_.norm_epsilon);
    head_.Bool(Key("attention.causal"), false);
    Uint("pooling_type", PoolingNumber(config_));
    head_.Uint("tokenizer.ggml.token_type_count", std::max(1U, config_.token_types));
    if (config_.head != BertHead::kNone) head_.Texts(Key("classifier.output_labels"), config_.labels);
  }

  void AddDecoder() {
    Float("attention.layer_norm_rms_epsilon", config_.norm_epsilon);
    Uint("attention.head_count_kv", config_.kv_heads);
    Uint("attention.key_length", config_.head_width);
    Uint("attention.value_length", config_.head_width);
    Float("rope.freq_base", config_.rope_base);
    Uint("rope.dimension_count", config_.rope_width);
    // Llama 3's way is a tensor: FolderTensors.
    const bool scaled = config_.rope_scaling == RopeScaling::kLinear || config_.rope_scaling == RopeScaling::kYarn;
    if (!scaled) return;
    head_.Text(Key("rope.scaling.type"), RopeScalingName(config_.rope_scaling));
    Float("rope.scaling.factor", config_.rope_factor);
    if (config_.rope_scaling == RopeScaling::kYarn) {
      Uint("rope.scaling.original_context_length", config_.rope_original_context);
    }
  }

  base::Status AddTokenizer() {
    const TokenizerSource& source = files_.tokenizer;
    if (!files_.chat_template.empty()) head_.Text("tokenizer.chat_template", files_.chat_template);
    if (source.tokenizer_json.empty()) {
      const auto other = text::ReadTokenizerPath(files_.path);
      if (other.has_value()) {
        return Unsupported(fmt::format(
            "{}: its tokenizer is no tokenizer.json; save the model again with a fast tokenizer", files_.path));
      }
      head_.Text("tokenizer.ggml.model", "none");
      return AddEnds({});
    }
    LOQUAT_ASSIGN(const std::string json, base::ReadFile(source.tokenizer_json, kGgufStringBytesMax));
    LOQUAT_ASSIGN(const TokenizerSpec spec, text::ReadTokenizerPath(files_.path));
    if (spec.tokens.size() > config_.vocabulary) {
      return base::DataLoss(fmt::format("{}: its tokenizer has {} tokens, but its embedding only {} rows", files_.path,
                                        spec.tokens.size(), config_.vocabulary));
    }
    head_.Text("tokenizer.huggingface.json", json);
    AddVocabulary(spec);
    AddIds(spec);
    return AddEnds(spec.eos);
  }

  void AddIds(const TokenizerSpec& spec) {
    const auto id = [&](std::string_view name, std::optional<TokenId> token) {
      if (token) head_.Uint(fmt::format("tokenizer.ggml.{}_token_id", name), static_cast<std::uint32_t>(*token));
    };
    // For WordPiece the two are one, as gguf_tokenizer.h reads it.
    id("bos", spec.bos || spec.kind != TokenizerKind::kWordPiece ? spec.bos : spec.cls);
    id("unknown", spec.unknown);
    id("padding", spec.pad);
    id("cls", spec.cls);
    id("seperator", spec.sep);  // GGUF's spelling.
    id("mask", spec.mask);
    if (config_.architecture == Architecture::kBert) id("eos", spec.eos);
  }

  // The tokens that end a generation; the tokenizer's own first.
  base::Status AddEnds(std::optional<TokenId> eos) {
    if (config_.architecture == Architecture::kBert) return {};  // Generates nothing.
    std::vector<std::int32_t> ends = config_.eos_tokens;
    if (ends.size() > std::size(kEndKeys)) {
      return Unsupported(fmt::format("{}: {} tokens end a generation; GGUF has words for {}", files_.path, ends.size(),
                                     std::size(kEndKeys)));
    }
    const auto own = eos ? std::ranges::find(ends, *eos) : ends.end();
    if (own != ends.end()) std::rotate(ends.begin(), own, own + 1);
    for (std::size_t i = 0; i < ends.size(); ++i) {
      head_.Uint(fmt::format("tokenizer.ggml.{}", kEndKeys[i]), static_cast<std::uint32_t>(ends[i]));
    }
    return {};
  }

  // The name that GGUF has for this way of cutting words; empty: none.
  static std::string_view PreTokenizerOf(const TokenizerSpec& spec) {
    constexpr std::string_view kNames[] = {"gpt-2",  "llama-bpe", "qwen2",     "qwen35",
                                           "gpt-4o", "tekken",    "starcoder", "deepseek-v3"};
    if (!spec.pre_tokenizers) return {};
    for (const std::string_view name : kNames) {
      const auto same = [](const text::PreTokenizerStep& step, std::string_view pattern) {
        return step.kind == text::PreTokenizerStep::Kind::kSplit && step.pattern == pattern && !step.literal &&
               !step.invert && step.behavior == text::PreTokenizerStep::Behavior::kIsolated;
      };
      if (std::ranges::equal(*spec.pre_tokenizers, text::PatternsOfPreTokenizer(name), same)) return name;
    }
    return {};
  }

  void AddVocabulary(const TokenizerSpec& spec) {
    const std::string_view pre = spec.kind == TokenizerKind::kByteLevelBpe ? PreTokenizerOf(spec) : "";
    const bool word_piece = spec.kind == TokenizerKind::kWordPiece && spec.lowercase;
    if (pre.empty() && !word_piece) return head_.Text("tokenizer.ggml.model", "none");
    std::vector<std::string> tokens = spec.tokens;
    std::vector<std::int32_t> kinds(config_.vocabulary, 1 + static_cast<std::int32_t>(TokenKindInVocabulary::kUnused));
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const auto kind = spec.kinds.empty() ? TokenKindInVocabulary::kNormal : spec.kinds[i];
      kinds[i] = 1 + static_cast<std::int32_t>(kind);
      if (word_piece && kind == TokenKindInVocabulary::kNormal) {
        const bool inner = tokens[i].starts_with(spec.continuing_prefix);
        tokens[i] = inner ? tokens[i].substr(spec.continuing_prefix.size()) : std::string(kWordStart) + tokens[i];
      }
    }
    // Rows of the embedding that no token has, which GGUF wants to have names.
    for (std::size_t i = tokens.size(); i < config_.vocabulary; ++i) tokens.push_back(fmt::format("[PAD{}]", i));
    head_.Text("tokenizer.ggml.model", word_piece ? "bert" : "gpt2");
    head_.Text("tokenizer.ggml.pre", word_piece ? "default" : pre);
    head_.Texts("tokenizer.ggml.tokens", tokens);
    head_.Ints("tokenizer.ggml.token_type", kinds);
    if (word_piece) return;
    std::vector<std::string> merges;
    merges.reserve(spec.merges.size());
    for (const auto& [left, right] : spec.merges) merges.push_back(left + " " + right);
    head_.Texts("tokenizer.ggml.merges", merges);
    const auto begins_with = [&](std::optional<TokenId> id) {
      const auto& pieces = spec.single_template;
      return id && !pieces.empty() && pieces.front().kind == text::TemplatePiece::Kind::kToken &&
             pieces.front().id == *id;
    };
    head_.Bool("tokenizer.ggml.add_bos_token", begins_with(spec.bos));
  }

  const ModelConfig& config_;
  const ModelFiles& files_;
  GgufHead& head_;
  const std::string prefix_;
};

}  // namespace

base::Status AddFolderMetadata(const ModelFiles& files, GgufHead& head) {
  return MetadataWriter(files, head).Run();
}

RowOrigin FolderRowOrigin(const ModelConfig& config, std::string_view tensor) {
  if (config.architecture == Architecture::kBert) {
    return {.first = tensor == "position_embd.weight" ? config.position_offset : 0};
  }
  constexpr std::string_view kRotated[] = {"attn_q.weight", "attn_k.weight", "attn_q.bias", "attn_k.bias"};
  const bool rotated = std::ranges::any_of(kRotated, [&](std::string_view name) { return tensor.ends_with(name); });
  if (config.architecture != Architecture::kLlama || config.rope_pairs_adjacent || !rotated) return {};
  return {.first = 0, .head_width = config.head_width, .turned_rows = config.rope_width};
}

std::vector<AddedTensor> FolderTensors(const ModelConfig& config) {
  if (config.rope_scaling != RopeScaling::kLlama3) return {};
  ModelConfig plain = config;
  plain.rope_scaling = RopeScaling::kNone;
  const Rope divided(config, {}), whole(plain, {});
  std::vector<float> divisors;
  for (std::size_t i = 0; i < whole.pairs(); ++i) {
    divisors.push_back(static_cast<float>(whole.frequencies()[i] / divided.frequencies()[i]));
  }
  return {{.name = "rope_freqs.weight", .values = std::move(divisors)}};
}

}  // namespace loquat::model
