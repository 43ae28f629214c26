#include "model/formats/config_check.h"

#include <fmt/format.h>

#include <cmath>

namespace loquat::model {
namespace {

constexpr std::string_view kArchitectures[] = {"bert", "llama", "qwen2", "qwen3", "chatglm"};
constexpr std::string_view kRopeScalings[] = {"none", "linear", "llama3", "yarn"};
constexpr std::string_view kPoolings[] = {"none", "mean", "cls"};
constexpr std::string_view kHeads[] = {"none", "sequence_classification", "token_classification", "rerank"};

struct Bound {
  std::string_view what;
  std::uint32_t value;
  std::uint32_t max;
  std::uint32_t min = 1;
};

base::Status CheckNumbers(const ModelConfig& config, std::string_view file) {
  const auto fault = [file](std::string_view what) { return base::DataLoss(fmt::format("{}: {}", file, what)); };
  if (!(config.norm_epsilon > 0) || config.norm_epsilon > kNormEpsilonMax) {
    return fault(
        fmt::format("the norm's epsilon is {}; above 0 and up to {} is allowed", config.norm_epsilon, kNormEpsilonMax));
  }
  if (config.architecture == Architecture::kBert) return {};
  if (!std::isfinite(config.rope_base) || config.rope_base < 1) {
    return fault(fmt::format("the rope base is {}; a number from 1 on is needed", config.rope_base));
  }
  if (config.rope_width > config.head_width || config.rope_width % 2 != 0 || config.rope_width == 0) {
    return fault(fmt::format("{} dimensions of a head rotate; an even number up to its width of {} is needed",
                             config.rope_width, config.head_width));
  }
  if (config.rope_scaling == RopeScaling::kNone) return {};
  if (!std::isfinite(config.rope_factor) || config.rope_factor < 1) {
    return fault(fmt::format("the rope scaling factor is {}; a number from 1 on is needed", config.rope_factor));
  }
  if (config.rope_scaling == RopeScaling::kLinear) return {};
  if (config.rope_original_context == 0 || config.rope_original_context > kContextMax) {
    return fault(fmt::format("rope scaling {} needs the context that the model was first trained with, 1 to {}",
                             RopeScalingName(config.rope_scaling), kContextMax));
  }
  const float low = config.rope_low_frequency_factor;
  const float high = config.rope_high_frequency_factor;
  if (config.rope_scaling == RopeScaling::kLlama3 && (!(low > 0) || !(high > low) || !std::isfinite(high))) {
    return fault(fmt::format("the rope frequency factors are {} and {}; both above 0, the low one lower", low, high));
  }
  return {};
}

}  // namespace

base::Status CheckConfig(const ModelConfig& config, std::string_view file) {
  const Bound bounds[] = {
      {"block_count", config.layers, kLayersMax},
      {"embedding_length", config.width, kWidthMax},
      {"feed_forward_length", config.ffn_width, kFfnWidthMax},
      {"attention.head_count", config.heads, kHeadsMax},
      {"attention.head_count_kv", config.kv_heads, kHeadsMax},
      {"attention.key_length", config.head_width, kHeadWidthMax},
      {"the vocabulary", config.vocabulary, kVocabularyMax},
      {"context_length", config.context, kContextMax},
      {"the number of token types", config.token_types, kTokenTypesMax, 0},
      {"the first position", config.position_offset, kTokenTypesMax, 0},
      {"the number of labels", static_cast<std::uint32_t>(config.labels.size()), kLabelsMax, 0},
      {"the number of end tokens", static_cast<std::uint32_t>(config.eos_tokens.size()), kEosTokensMax, 0}};
  for (const Bound& bound : bounds) {
    if (bound.value < bound.min || bound.value > bound.max) {
      return base::DataLoss(
          fmt::format("{}: {} is {}; {} to {} is allowed", file, bound.what, bound.value, bound.min, bound.max));
    }
  }
  if (config.heads % config.kv_heads != 0) {
    return base::DataLoss(
        fmt::format("{}: {} query heads cannot share {} key heads evenly", file, config.heads, config.kv_heads));
  }
  for (const std::string& label : config.labels) {
    if (label.size() > kLabelBytesMax) {
      return base::DataLoss(fmt::format("{}: a label of {} bytes; at most {}", file, label.size(), kLabelBytesMax));
    }
  }
  for (const std::int32_t token : config.eos_tokens) {
    if (token < 0 || static_cast<std::uint32_t>(token) >= config.vocabulary) {
      return base::DataLoss(
          fmt::format("{}: the end token {} is none of the {} tokens", file, token, config.vocabulary));
    }
  }
  return CheckNumbers(config, file);
}

std::string_view ArchitectureName(Architecture architecture) {
  return kArchitectures[static_cast<std::size_t>(architecture)];
}
std::string_view RopeScalingName(RopeScaling scaling) {
  return kRopeScalings[static_cast<std::size_t>(scaling)];
}
std::string_view PoolingName(Pooling pooling) {
  return kPoolings[static_cast<std::size_t>(pooling)];
}
std::string_view BertHeadName(BertHead head) {
  return kHeads[static_cast<std::size_t>(head)];
}

std::string SupportedArchitectures() {
  return fmt::format("{}", fmt::join(kArchitectures, ", "));
}

}  // namespace loquat::model
