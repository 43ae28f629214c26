// The angles of rotary position embedding: one frequency a pair of dimensions, in doubles, with the ways by which
// models were stretched to longer contexts. Constant after construction; any thread.
//
// Su et al., "RoFormer", 2021. Linear: Chen et al., "Extending context window of large language models via positional
// interpolation", 2023. YaRN: Peng et al., 2023, section 3. Llama 3: Meta, "The Llama 3 herd of models", 2024.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "model/model_config.h"

namespace loquat::model {

class Rope {
 public:
  Rope() = default;
  // `divisors`, one a pair, divide the frequencies in place of config.rope_scaling == kLlama3 (GGUF's
  // rope_freqs.weight); empty: none. REQUIRES: config.rope_width is even; divisors.size() is 0 or half of it.
  Rope(const ModelConfig& config, std::span<const float> divisors);

  std::size_t pairs() const { return frequencies_.size(); }
  std::span<const double> frequencies() const { return frequencies_; }  // [pairs] in radians a position.

  // The cosines and sines of all pairs at a position: [pairs] each.
  void Angles(std::uint32_t position, float* cosine, float* sine) const;

 private:
  std::vector<double> frequencies_;  // Radians a position.
  double magnitude_ = 1;             // Of cosine and sine: YaRN's attention temperature.
};

}  // namespace loquat::model
