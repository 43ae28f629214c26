// How the next token is chosen, what a client asked for. Plain values; checked by ValidateSampling before use.
//
// Order: logit_bias, penalties, no_repeat_ngram, temperature, top_k, typical_p, top_p, min_p; each filter works on what
// the one before left, renormalised. Log-probabilities that are reported are the model's own, before all of these.

#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"

namespace loquat::engine {

using TokenId = std::int32_t;

inline constexpr float kTemperatureMax = 10.0F;
inline constexpr float kBiasMax = 100.0F;  // At either end the token is as good as forced or forbidden.
inline constexpr std::uint32_t kLogitBiasMax = 1024;
inline constexpr std::uint32_t kNoRepeatNgramMax = 64;
inline constexpr std::uint32_t kTopLogprobsMax = 20;
inline constexpr float kPenaltyMax = 2.0F;             // presence_penalty and frequency_penalty lie in ±kPenaltyMax.
inline constexpr float kRepetitionPenaltyMax = 10.0F;  // And above zero.

struct LogitBias {
  TokenId token = 0;
  float bias = 0;  // Added to the logit; -kBiasMax forbids the token.
};

struct SamplingOptions {
  float temperature = 1.0F;  // Zero: greedy, the likeliest token; of equals the lowest id.
  std::uint32_t top_k = 0;   // Keep the k likeliest. Zero: all.
  float typical_p = 1.0F;    // Keep the locally typical mass (Meister et al., TACL 2023). One: all.
  float top_p = 1.0F;        // Keep the likeliest that together reach this mass (Holtzman et al., 2020). One: all.
  float min_p = 0.0F;        // Keep those at least this fraction of the likeliest (Nguyen et al., 2024). Zero: all.
  float repetition_penalty = 1.0F;    // Of tokens in prompt or answer (Keskar et al., "CTRL", 2019). One: none.
  float presence_penalty = 0.0F;      // Taken once from the logit of each token that the answer holds. Zero: none.
  float frequency_penalty = 0.0F;     // Taken for each time that the answer holds it. Zero: none.
  std::uint32_t no_repeat_ngram = 0;  // No run of so many tokens occurs twice in prompt and answer. Zero: free.
  std::vector<LogitBias> logit_bias;
  std::optional<std::uint64_t> seed;  // The same seed gives the same tokens. None: one is drawn and reported.

  bool greedy() const { return temperature == 0.0F; }
};

// Says which option is out of range or contradicts another; Error::param is its JSON pointer in OpenAI's names.
base::Status ValidateSampling(const SamplingOptions& options, std::uint32_t vocabulary);

}  // namespace loquat::engine
