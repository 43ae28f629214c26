// Chooses the next token of one sequence from the logits of its last: a pure function of its arguments, so that neither
// the batch nor an interruption changes what is drawn. Owns scratch memory for one vocabulary; one thread at a time.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "engine/sampling_options.h"

namespace loquat::engine {

struct SampleInput {
  std::span<const float> logits;     // [vocabulary]
  std::span<const TokenId> history;  // Prompt and answer so far.
  std::uint32_t prompt_tokens = 0;   // Leading part of history.
  std::uint64_t seed = 0;
  std::uint32_t choice = 0;
};

struct Candidate {
  float logit = 0;
  TokenId token = 0;
  double probability = 0;
};

class Sampler {
 public:
  explicit Sampler(std::uint32_t vocabulary);

  // The drawn token. Fails with kInternal when the logits hold NaN or no finite number, and with kFailedPrecondition
  // when the options forbid every token. REQUIRES: options valid, logits of the vocabulary's size, history's ids below
  // it.
  base::Result<TokenId> Sample(const SamplingOptions& options, const SampleInput& input);

  // What Sample draws from: probabilities that sum to one, in the order that it walks. Valid until the next call.
  base::Result<std::span<const Candidate>> Distribution(const SamplingOptions& options, const SampleInput& input);

  // Log-softmax of the bare logits at `token`, then of the `top` likeliest, of equals the lower id first: appended.
  void Logprobs(std::span<const float> logits, TokenId token, std::uint32_t top, std::vector<TokenLogprob>& out);

 private:
  // The logits after bias, penalties and the n-gram rule: either the caller's or adjusted_.
  std::span<const float> Adjust(const SamplingOptions& options, const SampleInput& input);
  void Penalize(const SamplingOptions& options, const SampleInput& input);
  void ForbidRepeatedNgrams(std::uint32_t size, std::span<const TokenId> history);
  base::Status Prepare(const SamplingOptions& options, const SampleInput& input, std::span<const float>& logits);

  // Each fills or narrows candidates_ and renormalises.
  void FillCandidates(std::span<const float> logits, const SamplingOptions& options);
  void KeepLikeliest(std::span<const float> logits, std::size_t count);
  void KeepTypical(float mass);
  void KeepTop(float mass);
  void KeepAbove(float fraction);
  void Normalize();

  std::vector<float> adjusted_;        // [vocabulary]
  std::vector<std::uint32_t> seen_;    // [vocabulary]: times in the answer; all zero between calls.
  std::vector<std::uint8_t> in_text_;  // [vocabulary]: in prompt or answer; all zero between calls.
  std::vector<Candidate> candidates_;  // At most [vocabulary]
  std::vector<double> exponentials_;   // [vocabulary]
  std::vector<double> typicality_;     // [candidates]
  std::vector<std::uint32_t> order_;   // [vocabulary]
};

}  // namespace loquat::engine
