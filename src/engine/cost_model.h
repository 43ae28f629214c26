// What a step takes on this machine, learnt from the steps that ran: the sensor behind admission's estimates and behind
// the size of prefill chunks. Exponentially weighted means. One thread at a time.

#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.h"

namespace loquat::engine {

class CostModel {
 public:
  // A step that computed so many prompt tokens, the next token of so many decoding sequences, and besides so many
  // tokens of drafts.
  void OnStep(std::uint32_t prefilled, std::uint32_t decoded, base::Duration took, std::uint32_t drafted = 0);
  // The sequences that decoded in a step got so many tokens of their drafts beside the next one.
  void OnAccepted(std::uint32_t decoded, std::uint32_t accepted);
  // A prompt that is computed, of which so many tokens came from the cache.
  void OnPrompt(std::uint32_t tokens, std::uint32_t cached);
  // An answer that came to its own end after so many tokens.
  void OnAnswer(std::uint32_t tokens);

  // Seconds; none before the first such step.
  std::optional<double> prefill_token() const { return prefill_token_; }
  // The time between two tokens of one sequence: of a step in which some decode, by the tokens that each gets of it.
  std::optional<double> decode_step() const;
  std::optional<double> answer_tokens() const { return answer_tokens_; }
  // Which part of a prompt had to be computed, of late; all of it while nothing is known.
  double fresh_share() const { return fresh_share_.value_or(1); }

  // How many prompt tokens a step may take so that it lasts no longer than `stall`: from kChunkTokensMin to `most`,
  // which it is while nothing is known.
  std::uint32_t ChunkWithin(base::Duration stall, std::uint32_t most) const;

  // Which part of a step that so many sequences decode in goes to the tokens, one each: the rest (reading weights)
  // would be the same for more of them. 0 to 1; none before the first such step.
  std::optional<double> TokenShare(std::uint32_t sequences) const;

  static constexpr std::uint32_t kChunkTokensMin = 16;
  static constexpr double kWeight = 0.2;  // Of the newest sample.
  // Of the newest step in the line below, which needs more of them to be a line.
  static constexpr double kLineWeight = 0.05;
  // What a token is taken to cost of a step's time for each of them, at most, before steps of several sizes were seen.
  static constexpr double kFirstTokenShare = 0.25;

 private:
  // The time of decode steps by their tokens, fixed + each * tokens: least squares with weights that decay.
  struct Line {
    void Add(double tokens, double seconds);
    double n = 0, t = 0, nn = 0, nt = 0;  // Means of tokens, seconds, and the products.
    std::optional<double> each;           // Seconds; slowly forgotten while steps are all of one size.
    bool empty = true;
  };

  static void Blend(std::optional<double>& mean, double sample) {
    mean = mean.has_value() ? *mean + kWeight * (sample - *mean) : sample;
  }
  double DecodeToken() const;  // Seconds that one more token in a decode step takes. REQUIRES: line_ is not empty.

  std::optional<double> prefill_token_;
  std::optional<double> decode_step_;       // All steps that decode.
  std::optional<double> pure_decode_step_;  // Those without prompt tokens, and what their drafts took left out.
  std::optional<double> step_tokens_;       // That a decoding sequence gets of a step.
  std::optional<double> answer_tokens_;
  std::optional<double> fresh_share_;
  Line line_;
};

}  // namespace loquat::engine
