#include "model/formats/gguf_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "model/formats/config_check.h"
#include "model/formats/gguf_fields.h"

namespace loquat::model {
namespace {

// llama.cpp's enum llama_pooling_type.
constexpr std::uint32_t kPoolingNone = 0, kPoolingMean = 1, kPoolingCls = 2, kPoolingRank = 4;

base::Error Unsupported(std::string message) {
  return {.code = base::Code::kUnimplemented, .message = std::move(message)};
}

base::Result<Architecture> ReadArchitecture(const GgufFile& file) {
  struct Name {
    std::string_view name;
    Architecture architecture;
  };
  // "glm4" is GLM-4 as "chatglm" is; a checkpoint of it with further norms is refused for its unknown tensors.
  constexpr Name kNames[] = {{"bert", Architecture::kBert},       {"llama", Architecture::kLlama},
                             {"qwen2", Architecture::kQwen2},     {"qwen3", Architecture::kQwen3},
                             {"chatglm", Architecture::kChatGlm}, {"glm4", Architecture::kChatGlm}};
  const GgufValue* value = file.Find("general.architecture");
  const auto said = value == nullptr ? std::nullopt : value->AsString();
  if (!said) return base::DataLoss(fmt::format("{}: general.architecture is missing or no string", file.name()));
  for (const Name& name : kNames) {
    if (name.name == *said) return name.architecture;
  }
  return Unsupported(fmt::format("{}: the architecture '{}' is not supported; supported: {}", file.name(), *said,
                                 SupportedArchitectures()));
}

std::uint32_t RowsOf(const Weights& weights, std::string_view tensor) {
  const Tensor* found = weights.Find(tensor);
  const std::uint64_t rows = found == nullptr ? 0 : found->shape.front();
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(rows, std::uint64_t{kVocabularyMax} + 1));
}

void ReadBert(GgufFields& fields, const Weights& weights, ModelConfig& config) {
  config.norm_epsilon = fields.Float("attention.layer_norm_epsilon", 1e-12F);
  config.token_types = RowsOf(weights, "token_types.weight");
  if (fields.Bool("attention.causal", false)) fields.Fault("attention.causal", "is true; an encoder's is false");
  switch (const std::uint32_t pooling = fields.Uint("pooling_type", kPoolingNone)) {
    case kPoolingNone:
      config.pooling = Pooling::kNone;
      break;
    case kPoolingMean:
      config.pooling = Pooling::kMean;
      break;
    case kPoolingCls:
    case kPoolingRank:
      config.pooling = Pooling::kCls;
      break;
    default:
      fields.Fault("pooling_type", fmt::format("is {}; supported: 0 (none), 1 (mean), 2 (cls), 4 (rank)", pooling));
  }
  if (const GgufValue* labels = fields.Array("classifier.output_labels", GgufType::kString)) {
    if (labels->size() > kLabelsMax) return fields.Fault("classifier.output_labels", "has too many items");
    labels->EachString([&](std::string_view label) { config.labels.emplace_back(label); });
  }
  if (weights.Find("cls.output.weight") != nullptr) {
    const bool one = RowsOf(weights, "cls.output.weight") == 1;
    config.head = one ? BertHead::kRerank : BertHead::kSequenceClassification;
    config.pooling = Pooling::kCls;
    const std::uint32_t outputs = std::min(RowsOf(weights, "cls.output.weight"), kLabelsMax);
    for (auto i = static_cast<std::uint32_t>(config.labels.size()); config.labels.size() < outputs; ++i) {
      config.labels.push_back(fmt::format("LABEL_{}", i));
    }
  }
}

void ReadRopeScaling(GgufFields& fields, ModelConfig& config) {
  const std::string type = fields.String("rope.scaling.type", "none");
  const float old_linear = fields.Float("rope.scale_linear", 1.0F);  // Before scaling had a type.
  config.rope_factor = fields.Float("rope.scaling.factor", old_linear);
  if (type == "yarn") {
    config.rope_scaling = RopeScaling::kYarn;
    config.rope_original_context = fields.Uint("rope.scaling.original_context_length", config.context);
  } else if (type == "linear" || (type == "none" && old_linear != 1.0F)) {
    config.rope_scaling = RopeScaling::kLinear;
  } else if (type != "none") {
    fields.Fault("rope.scaling.type", fmt::format("is '{}'; supported: none, linear, yarn", type));
  }
  if (config.rope_scaling == RopeScaling::kNone) config.rope_factor = 1.0F;
  // Constants of YaRN that a model may tune; only the paper's own are computed.
  for (const auto& [key, standard] : {std::pair<std::string_view, float>{"rope.scaling.attn_factor", 1.0F},
                                      {"rope.scaling.yarn_beta_fast", 32.0F},
                                      {"rope.scaling.yarn_beta_slow", 1.0F},
                                      {"rope.scaling.yarn_ext_factor", 1.0F}}) {
    if (fields.Float(key, standard) != standard) fields.Fault(key, fmt::format("must be {}", standard));
  }
}

void ReadDecoder(GgufFields& fields, ModelConfig& config) {
  config.norm_epsilon = fields.Float("attention.layer_norm_rms_epsilon", 1e-5F);
  config.kv_heads = fields.UniformUint("attention.head_count_kv", config.heads);
  const std::uint32_t even = config.heads == 0 ? 0 : config.width / config.heads;
  config.head_width = fields.Uint("attention.key_length", even);
  if (fields.Uint("attention.value_length", config.head_width) != config.head_width) {
    fields.Fault("attention.value_length", "differs from attention.key_length, which is not supported");
  }
  config.rope_base = fields.Float("rope.freq_base", 10000.0F);
  const bool half = config.architecture == Architecture::kChatGlm;
  config.rope_width = fields.Uint("rope.dimension_count", half ? config.head_width / 2 : config.head_width);
  config.rope_pairs_adjacent = config.architecture == Architecture::kLlama || half;
  ReadRopeScaling(fields, config);
  // Within its window a model with sliding attention computes what plain attention does: that far and no further.
  const std::uint32_t window = fields.UniformUint("attention.sliding_window", 0);
  if (window != 0) config.context = std::min(config.context, window);
  for (const std::string_view key : {"expert_count", "expert_used_count"}) {
    if (fields.Uint(key, 0) != 0) fields.Fault(key, "is above 0: mixtures of experts are not supported");
  }
  for (const std::string_view key :
       {"attention.clamp_kqv", "attn_logit_softcapping", "final_logit_softcapping", "attention.max_alibi_bias"}) {
    if (fields.Float(key, 0.0F) != 0.0F) fields.Fault(key, "is not supported");
  }
  for (const std::string_view key : {"logit_scale", "embedding_scale", "residual_scale", "attention.scale"}) {
    const float scale = fields.Float(key, 0.0F);
    if (scale != 0.0F && scale != 1.0F) fields.Fault(key, "is not supported");
  }
}

void AddEosTokens(GgufFields& fields, ModelConfig& config) {
  // Ends of a turn that files of these models do not always declare as end tokens.
  constexpr std::string_view kTurnEnds[] = {"<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|endoftext|>",
                                            "<|end_of_text|>"};
  constexpr std::string_view kGlmTurnEnds[] = {"<|user|>", "<|observation|>"};
  const auto add = [&](std::int32_t token) {
    if (std::ranges::find(config.eos_tokens, token) == config.eos_tokens.end()) config.eos_tokens.push_back(token);
  };
  for (const std::string_view key : {"eos_token_id", "eot_token_id", "eom_token_id"}) {
    const std::uint32_t token = fields.Uint(key, config.vocabulary);
    if (token < config.vocabulary) add(static_cast<std::int32_t>(token));
    if (token > config.vocabulary) fields.Fault(key, "is none of the tokens");
  }
  const GgufValue* tokens = fields.Array("tokens", GgufType::kString);
  const GgufValue* kinds = fields.Find("token_type");
  if (tokens == nullptr || kinds == nullptr || kinds->size() != tokens->size()) return;
  constexpr std::int64_t kControl = 3;
  std::int32_t id = 0;
  tokens->EachString([&](std::string_view token) {
    const auto is = [token](std::string_view name) { return name == token; };
    const bool ends = std::ranges::any_of(kTurnEnds, is) ||
                      (config.architecture == Architecture::kChatGlm && std::ranges::any_of(kGlmTurnEnds, is));
    if (ends && static_cast<std::uint32_t>(id) < config.vocabulary &&
        kinds->IntAt(static_cast<std::uint64_t>(id)) == kControl) {
      add(id);
    }
    ++id;
  });
}

}  // namespace

base::Result<ModelConfig> ConfigFromGguf(const GgufFile& file, const Weights& weights) {
  ModelConfig config;
  LOQUAT_ASSIGN(config.architecture, ReadArchitecture(file));
  GgufFields general(file, "general.");
  config.name = general.String("name");
  LOQUAT_TRY(general.status());

  GgufFields fields(file, std::string(*file.Find("general.architecture")->AsString()) + ".");
  config.layers = fields.RequiredUint("block_count");
  config.width = fields.RequiredUint("embedding_length");
  config.ffn_width = fields.UniformUint("feed_forward_length", 0);
  config.heads = fields.UniformUint("attention.head_count", 0);
  config.context = fields.RequiredUint("context_length");
  config.vocabulary = RowsOf(weights, "token_embd.weight");
  if (weights.Find("token_embd.weight") == nullptr) {
    return base::DataLoss(fmt::format("{}: the tensor 'token_embd.weight' is missing", file.name()));
  }
  if (config.architecture == Architecture::kBert) {
    config.kv_heads = config.heads;
    config.head_width = config.heads == 0 ? 0 : config.width / config.heads;
    ReadBert(fields, weights, config);
  } else {
    ReadDecoder(fields, config);
  }
  LOQUAT_TRY(fields.status());
  if (config.architecture != Architecture::kBert) {
    GgufFields tokenizer(file, "tokenizer.ggml.");
    AddEosTokens(tokenizer, config);
    LOQUAT_TRY(tokenizer.status());
  }
  LOQUAT_TRY(CheckConfig(config, file.name()));
  return config;
}

}  // namespace loquat::model
