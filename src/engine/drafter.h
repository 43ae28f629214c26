// Guesses how one sequence goes on: as it did after the latest earlier occurrence of its last tokens, in prompt or
// answer. A text that quotes, edits or repeats what it holds already is guessed well, and several of its tokens are
// computed by one step; other text is hardly ever guessed at. A guess is only that: each of its tokens is held against
// the one that is drawn, so that it decides about time and about nothing else.
// One thread at a time; owns its index.
//
// Saxena, "Prompt lookup decoding", 2023. That the answer stays the same: Leviathan, Kalman, Matias, "Fast inference
// from transformers via speculative decoding", ICML 2023, for a draft that is certain of its token.

#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/ngram_index.h"
#include "engine/sampling_options.h"

namespace loquat::engine {

class Drafter {
 public:
  // For a sequence of at most so many tokens.
  explicit Drafter(std::uint32_t tokens_max) : index_(tokens_max) {}

  // A draft as long as it pays, `most` tokens at most, appended to `draft`; none where nothing like it was before, or
  // guessing has not been worth it of late. `token_share`: which part of a step of the batch without drafts its tokens
  // take, the rest being the reading of weights, which is the same for any number of them.
  //
  // A token of the draft lengthens this step and everybody's wait by its share of the step divided by the sequences,
  // and saves this sequence a step if it is accepted: it pays while its chance is above `token_share`.
  // REQUIRES: `text` begins with that of the last call, and is not empty.
  void Draft(std::span<const TokenId> text, std::uint32_t most, double token_share, std::vector<TokenId>& draft);

  // What became of the last draft: so many of its tokens were verified, one after the other, and so many of these
  // accepted. What was not looked at (the answer ended) says nothing.
  void OnVerified(std::uint32_t verified, std::uint32_t accepted);

  // A token's chance must be so many times what it costs: both are estimates.
  static constexpr double kMargin = 1.25;
  // And at least so much, however cheap the machine makes it.
  static constexpr double kChanceMin = 0.02;
  static constexpr double kWeight = 0.125;  // Of the newest token in the mean.
  // Where guessing does not pay, one occurrence in so many is tried with one token, lest a text that begins to repeat
  // itself stay unnoticed; and none where a token costs more than half a step.
  static constexpr std::uint32_t kProbeEvery = 16;
  static constexpr double kProbeShareMax = 0.5;

 private:
  static constexpr std::uint32_t kLengths = NgramIndex::kLengthMax - NgramIndex::kLengthMin + 1;
  std::uint32_t LengthWorth(double chance, double token_share, std::uint32_t most);

  NgramIndex index_;
  // [length of the run]: how likely a token after it is the one that is drawn; the start values are what text that
  // quotes now and then has.
  std::array<double, kLengths> chance_{0.3, 0.5, 0.6};
  std::uint32_t run_ = 0;       // Of the last draft, its index in chance_.
  std::uint32_t unprobed_ = 0;  // Occurrences since one was tried.
};

}  // namespace loquat::engine
