// What a step takes on this machine, learnt from the steps that ran: the sensor behind admission's estimates and behind
// the size of prefill chunks. Exponentially weighted means. One thread at a time.

#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.h"

namespace loquat::engine {

class CostModel {
 public:
  // A step that computed so many prompt tokens, and the next token of so many decoding sequences.
  void OnStep(std::uint32_t prefilled, std::uint32_t decoded, base::Duration took);
  // A prompt that is computed, of which so many tokens came from the cache.
  void OnPrompt(std::uint32_t tokens, std::uint32_t cached);
  // An answer that came to its own end after so many tokens.
  void OnAnswer(std::uint32_t tokens);

  // Seconds; none before the first such step.
  std::optional<double> prefill_token() const { return prefill_token_; }
  // Of a step in which sequences decode: the time between two tokens of one of them.
  std::optional<double> decode_step() const { return decode_step_; }
  std::optional<double> answer_tokens() const { return answer_tokens_; }
  // Which part of a prompt had to be computed, of late; all of it while nothing is known.
  double fresh_share() const { return fresh_share_.value_or(1); }

  // How many prompt tokens a step may take so that it lasts no longer than `stall`: from kChunkTokensMin to `most`,
  // which it is while nothing is known.
  std::uint32_t ChunkWithin(base::Duration stall, std::uint32_t most) const;

  static constexpr std::uint32_t kChunkTokensMin = 16;
  static constexpr double kWeight = 0.2;  // Of the newest sample.

 private:
  static void Blend(std::optional<double>& mean, double sample) {
    mean = mean.has_value() ? *mean + kWeight * (sample - *mean) : sample;
  }

  std::optional<double> prefill_token_;
  std::optional<double> decode_step_;       // All steps that decode.
  std::optional<double> pure_decode_step_;  // Those without prompt tokens.
  std::optional<double> answer_tokens_;
  std::optional<double> fresh_share_;
};

}  // namespace loquat::engine
