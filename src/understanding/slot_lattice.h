// The linear chain of a slot tagger over one utterance: best labelling, marginals, gradient.
// The BIO rules are in its shape: what may follow depends on the type alone, and I-x follows only B-x and I-x. So a
// step costs the square of the types, not of the labels, and the best labelling skips the types that cannot win.
// Transitions and Lattice are buffers: one thread each. Results do not depend on the machine's vector width.
//
// Rabiner, "A tutorial on hidden Markov models", Proc. IEEE 77(2), 1989, with its scaling.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "understanding/slot_labels.h"

namespace loquat::understanding {

// Scores (logs) of going from one token's label to the next one's.
struct TransitionScores {
  SlotLabels labels;
  std::vector<float> enter;            // [types + 1, type_stride]: from O or a type (its B or I) to O or B-type.
  std::vector<float> continue_begin;   // [type]: B-x to I-x.
  std::vector<float> continue_inside;  // [type]: I-x to I-x.

  void Resize(SlotLabels new_labels);
};

// What decoding and inference precompute; constant after Prepare.
struct PreparedTransitions {
  SlotLabels labels;
  std::vector<float> enter, continue_begin, continue_inside;              // As given.
  std::vector<float> enter_exp, continue_begin_exp, continue_inside_exp;  // e^(score * inverse_temperature).
  std::vector<float> enter_exp_by_target;                                 // The transpose of enter_exp.
  std::vector<float>
      margin;  // [types + 1, types + 1]: how far behind the leader a type may lie and still win somewhere.

  void Prepare(const TransitionScores& scores, float inverse_temperature);
  // All that ForwardBackward needs, and nothing that Decode needs.
  void PrepareExp(const TransitionScores& scores, float inverse_temperature);
};

class Lattice {
 public:
  // Viterbi over emissions [token, labels.stride()]. Returns the spans by position, valid until the next call. The
  // first `same` rows are those of the last call, with the same transitions: what was computed from them is used again,
  // here and in ForwardBackward. The result does not depend on it.
  std::span<const LabelledSpan> Decode(const PreparedTransitions& transitions, const float* emissions,
                                       std::uint32_t tokens, std::uint32_t same = 0);

  // Forward and backward passes over emissions times inverse_temperature; the functions below then speak of them.
  // Leaves out sources with less than `floor` of a token's mass; zero: exact. Returns log Z. REQUIRES: after a Decode
  // of the same emissions, or without any Decode; always the same temperature and floor between calls with `same` > 0.
  float ForwardBackward(const PreparedTransitions& transitions, const float* emissions, std::uint32_t tokens,
                        float inverse_temperature, float floor);

  // P(the tokens of `span` are exactly one mention of its type).
  float SpanProbability(const PreparedTransitions& transitions, const LabelledSpan& span) const;
  // P(label of token t), written to out[labels.count()].
  void Marginals(std::uint32_t token, float* out) const;
  // Expected counts of the transitions, added to `counts` (of the same shape).
  void AddExpectedTransitions(const PreparedTransitions& transitions, float floor, TransitionScores& counts) const;

  std::size_t bytes() const;  // Memory held, the object itself included.

 private:
  void Step(const PreparedTransitions& transitions, const float* emissions, std::uint32_t token);
  void Forward(const PreparedTransitions& transitions, float floor, std::uint32_t first);
  void Backward(const PreparedTransitions& transitions, float floor);
  void Trace(const PreparedTransitions& transitions);

  SlotLabels labels_;
  std::uint32_t tokens_ = 0;
  std::vector<float> weight_;            // [token, stride]: e^(emission - the token's largest).
  std::vector<float> forward_;           // [token, stride]; each token's sum is 1.
  std::vector<float> backward_;          // [token, stride], scaled by the same factors.
  std::vector<float> leave_;             // [token, type_stride]: forward mass of O and of each type.
  std::vector<float> scale_;             // [token]: one over the mass before scaling.
  std::vector<float> largest_;           // [token]: the largest emission.
  bool decoded_ = false;                 // Decode was called since the last ForwardBackward.
  std::uint32_t weighed_ = 0;            // Leading tokens whose forward pass is that of the emissions.
  std::vector<float> best_;              // [token, stride]: the best score of a path that ends here.
  std::vector<float> leaving_;           // [type_stride]: of O and of each type.
  std::vector<float> row_, other_row_;   // [stride]
  std::vector<std::uint32_t> from_;      // [stride]
  std::vector<std::uint32_t> previous_;  // [token, stride]: the label before, on the best path that ends here.
  std::vector<LabelledSpan> spans_;
};

}  // namespace loquat::understanding
