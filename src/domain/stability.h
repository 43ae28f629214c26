// Of text that is still arriving: which parts of its frame will hold, and whether the user's turn is over. Plain
// values.

#pragma once

#include <vector>

namespace loquat::domain {

// A stable field is not expected to change whatever text follows; a tentative one may. In a final frame all are stable.
struct FrameStability {
  bool intent = false;
  bool out_of_scope = false;
  bool locale = false;
  std::vector<bool> slots;  // By index of Frame::slots.
  float intent_risk = 1;    // Estimated probability that the final text's intent is another one.
};

// Whether the user has finished speaking.
struct TurnEnd {
  float probability = 0;  // From the text alone: of all utterances that begin so, the share that ends here.
  bool likely = false;
};

}  // namespace loquat::domain
