// Fits the weights of the slot tagger: AdaGrad on the log-likelihood, utterances in batches, each batch in two phases.
// In the first, each thread takes utterances and computes their gradients from frozen weights; in the second, each
// takes rows of weights and applies every utterance's gradient to them, in order. Each number is thus computed by one
// thread in one order, and the result does not depend on how many threads there are. One thread calls; the others are
// its own.

#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "understanding/slot_corpus.h"
#include "understanding/slot_lattice.h"
#include "understanding/worker_team.h"

namespace loquat::understanding {

struct SlotWeights {
  SlotLabels labels;
  std::vector<float> rows;  // [row, stride]
  TransitionScores transitions;

  const float* Row(std::uint64_t row) const { return &rows[row * labels.stride()]; }
};

struct OptimizerOptions {
  std::uint64_t seed = 1;
  unsigned threads = 1;
  std::uint32_t batch = 64;    // Utterances.
  float decay = 1e-3F;         // Share of a row that a whole step of rate 1 takes away (L2).
  float drop_mentions = 0.4F;  // Share of slots whose words are made unknown, so that their surroundings must tell.
  float drop_words = 0.1F;     // Share of other words made unknown.
  float drop_lists = 0.3F;     // Share of gazetteer matches left out.
  float drop_intents = 0.2F;   // Share of utterances whose intent is not told.
};

class SlotOptimizer {
 public:
  SlotOptimizer(const SlotCorpus& corpus, const OptimizerOptions& options);
  ~SlotOptimizer();
  SlotOptimizer(const SlotOptimizer&) = delete;
  SlotOptimizer& operator=(const SlotOptimizer&) = delete;

  // Goes once through these sentences in a shuffled order, with a rate that falls from `rate` to `rate_end`. Calls
  // `tick` with the part done after each batch, and stops with false if that says false.
  bool Epoch(std::span<const std::uint32_t> sentences, std::uint32_t epoch, float rate, float rate_end,
             const std::function<bool(double)>& tick);

  const SlotWeights& weights() const { return weights_; }

 private:
  struct Work;
  void Gradient(std::uint32_t sentence, std::uint32_t epoch, Work& work) const;
  void Drop(const CorpusSentence& sentence, std::uint64_t seed, Work& work) const;
  void SumSides(Work& work) const;
  void Apply(std::uint32_t works, unsigned part, unsigned parts, float rate);
  void ApplyAtom(const Work& work, const CorpusAtom& atom, float rate);
  void Step(std::uint64_t row, const float* gradient, float norm, float rate);
  void ApplyHeavy(unsigned part, unsigned parts, float rate);
  void ApplyTransitions(std::uint32_t works, float rate);

  const SlotCorpus& corpus_;
  const OptimizerOptions options_;
  SlotWeights weights_;
  std::vector<float> squares_;  // [row]: sum of squared gradients.
  TransitionScores transition_squares_, transition_gradient_;
  PreparedTransitions prepared_;
  // Rows that nearly every batch touches take one step a batch, with the sum of the batch's gradients: many small steps
  // from the same frozen weights would overshoot.
  std::vector<std::uint32_t> heavy_of_row_;               // [row]: index or kNoBlock.
  std::vector<std::uint32_t> heavy_rows_, heavy_blocks_;  // [heavy]: the row, and the first row of its block.
  std::vector<float> heavy_gradient_;                     // [heavy, stride]
  std::vector<std::uint8_t> heavy_touched_;               // [heavy]
  std::vector<Work> works_;                               // [utterance of the batch]
  WorkerTeam team_;
};

// Scores [token, stride] of a sentence with every atom in use, as at inference.
void ScoreSentence(const SlotCorpus& corpus, const SlotWeights& weights, const CorpusSentence& sentence,
                   std::vector<float>& emissions);

}  // namespace loquat::understanding
