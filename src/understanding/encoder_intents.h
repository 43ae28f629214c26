// What an encoder with a sequence-classification head says, as intents: its labels mapped to the assistant's names, its
// logits made probabilities, and a verdict for what is out of scope.
//
// Immutable once made; safe from any thread.
//
// Probabilities are softmax(logits / temperature) (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017).
// The probabilities of labels with the same intent add up. Those of out-of-scope labels are no intent's: the text is
// out of scope where together they outweigh the best intent, or where the best intent is less likely than
// `out_of_scope_below` (the maximum softmax probability of Hendrycks and Gimpel, ICLR 2017).

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/frame.h"

namespace loquat::understanding {

struct EncoderIntentOptions {
  std::map<std::string, std::string> names;      // Of a label, the intent; a label not in it is an intent's name.
  std::vector<std::string> out_of_scope_labels;  // As the model has them.
  double out_of_scope_below = 0;                 // Zero: no text is out of scope for want of probability.
  double temperature = 1;                        // Above zero; larger: less sure.
};

class EncoderIntents {
 public:
  // `known`: whether the assistant has an intent of that name. Errors name the option in Error::param ("labels",
  // "out_of_scope_labels"): a label that is no intent; an option about a label that the model has not; no label that is
  // an intent.
  static base::Result<EncoderIntents> Create(std::span<const std::string> labels, const EncoderIntentOptions& options,
                                             const std::function<bool(std::string_view)>& known);

  // Fills the ranking and the verdict. Errors: internal, where there is not one finite logit a label.
  base::Status Read(std::span<const float> logits, std::uint32_t ranking_max, domain::Frame& frame) const;

  const std::vector<std::string>& intents() const { return intents_; }

 private:
  static constexpr std::uint32_t kOutOfScope = static_cast<std::uint32_t>(-1);

  explicit EncoderIntents(const EncoderIntentOptions& options)
      : temperature_(options.temperature), out_of_scope_below_(options.out_of_scope_below) {}
  base::Status Map(std::span<const std::string> labels, const EncoderIntentOptions& options);

  std::vector<std::uint32_t> intent_of_;  // [label] -> intent, or kOutOfScope.
  std::vector<std::string> intents_;
  double temperature_, out_of_scope_below_;
};

}  // namespace loquat::understanding
