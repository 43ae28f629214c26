#include "engine/sampling_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

namespace loquat::engine {
namespace {

// False for NaN as well.
bool Within(float value, float low, float high) {
  return value >= low && value <= high;
}

base::Status CheckRange(std::string_view name, float value, float low, float high) {
  if (Within(value, low, high)) return {};
  return base::InvalidArgument(fmt::format("{} is {}; it must lie between {} and {}", name, value, low, high),
                               fmt::format("/{}", name));
}

base::Status CheckPositive(std::string_view name, float value, float high) {
  if (value > 0 && value <= high) return {};
  return base::InvalidArgument(fmt::format("{} is {}; it must be above 0 and at most {}", name, value, high),
                               fmt::format("/{}", name));
}

base::Status CheckLogitBias(const std::vector<LogitBias>& biases, std::uint32_t vocabulary) {
  if (biases.size() > kLogitBiasMax) {
    return base::InvalidArgument(
        fmt::format("logit_bias names {} tokens; at most {} are allowed", biases.size(), kLogitBiasMax), "/logit_bias");
  }
  std::vector<TokenId> seen;
  seen.reserve(biases.size());
  for (const LogitBias& bias : biases) {
    const std::string param = fmt::format("/logit_bias/{}", bias.token);
    if (bias.token < 0 || static_cast<std::uint32_t>(bias.token) >= vocabulary) {
      return base::InvalidArgument(
          fmt::format("logit_bias names token {}; the model's tokens are 0 to {}", bias.token, vocabulary - 1), param);
    }
    if (!Within(bias.bias, -kBiasMax, kBiasMax)) {
      return base::InvalidArgument(fmt::format("the bias of token {} is {}; it must lie between {} and {}", bias.token,
                                               bias.bias, -kBiasMax, kBiasMax),
                                   param);
    }
    seen.push_back(bias.token);
  }
  std::sort(seen.begin(), seen.end());
  if (const auto twice = std::adjacent_find(seen.begin(), seen.end()); twice != seen.end()) {
    return base::InvalidArgument(fmt::format("logit_bias names token {} twice", *twice),
                                 fmt::format("/logit_bias/{}", *twice));
  }
  return {};
}

// A filter cannot act on the one token that greedy sampling looks at. top_p may stay: OpenAI's clients send it always.
base::Status CheckContradictions(const SamplingOptions& options) {
  if (!options.greedy()) return {};
  std::string_view idle;
  if (options.top_k > 1) idle = "top_k";
  if (options.typical_p < 1) idle = "typical_p";
  if (options.min_p > 0) idle = "min_p";
  if (idle.empty()) return {};
  return base::InvalidArgument(
      fmt::format("{} contradicts temperature 0, which always takes the likeliest token; leave one of them out", idle),
      fmt::format("/{}", idle));
}

}  // namespace

base::Status ValidateSampling(const SamplingOptions& options, std::uint32_t vocabulary) {
  LOQUAT_TRY(CheckRange("temperature", options.temperature, 0, kTemperatureMax));
  LOQUAT_TRY(CheckPositive("typical_p", options.typical_p, 1));
  LOQUAT_TRY(CheckPositive("top_p", options.top_p, 1));
  LOQUAT_TRY(CheckRange("min_p", options.min_p, 0, 1));
  LOQUAT_TRY(CheckPositive("repetition_penalty", options.repetition_penalty, kRepetitionPenaltyMax));
  LOQUAT_TRY(CheckRange("presence_penalty", options.presence_penalty, -kPenaltyMax, kPenaltyMax));
  LOQUAT_TRY(CheckRange("frequency_penalty", options.frequency_penalty, -kPenaltyMax, kPenaltyMax));
  if (options.no_repeat_ngram > kNoRepeatNgramMax) {
    return base::InvalidArgument(
        fmt::format("no_repeat_ngram_size is {}; at most {}", options.no_repeat_ngram, kNoRepeatNgramMax),
        "/no_repeat_ngram_size");
  }
  LOQUAT_TRY(CheckLogitBias(options.logit_bias, vocabulary));
  return CheckContradictions(options);
}

}  // namespace loquat::engine
