// Learns the two halves of the intent classifier from encoded examples: a linear softmax layer over the features, and
// an embedding bag with one hidden layer. Both by AdaGrad (kernels/rows.h), with feature dropout and label smoothing.
// One call runs on one thread; the same input and seed give the same bits everywhere.
//
// Dropout: Srivastava et al., JMLR 15, 2014. Label smoothing: Szegedy et al., CVPR 2016, section 7. Bag of features
// with a hidden layer: Joulin et al., "Bag of tricks for efficient text classification", EACL 2017; Iyyer et al., ACL
// 2015.

#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "kernels/rows.h"

namespace loquat::understanding {

// Sparse examples, one after the other. Example i has features ids[begin[i] .. begin[i + 1]) with their values.
struct EncodedExamples {
  std::vector<std::uint64_t> begin = {0};
  std::vector<std::uint32_t> ids;
  std::vector<float> values;
  std::vector<std::uint32_t> labels;  // Class of each; empty where it is not known.

  std::size_t size() const { return begin.size() - 1; }
};

struct LearnOptions {
  std::uint32_t classes = 0;
  std::uint32_t class_width = 0;  // Of rows: classes rounded up to kernels::kLanes.
  std::uint32_t hidden_width = 0;
  std::uint32_t features = 0;
  std::uint32_t epochs = 0;
  float rate = 0.35F;  // At the start; falls linearly to a tenth.
  float feature_dropout = 0.5F;
  float hidden_dropout = 0.5F;
  float smoothing = 0.1F;  // Of the label, spread over all classes.
  std::uint64_t seed = 1;
  const kernels::RowKernels* kernels = nullptr;
  std::function<bool()> epoch_done;  // False stops early; the weights are then unspecified.
};

struct LinearLayer {
  std::vector<float> rows;  // [feature, class_width]
  std::vector<float> bias;  // [class_width]
};

struct HiddenLayer {
  std::vector<float> rows;         // [feature, hidden_width]
  std::vector<float> bias;         // [hidden_width]
  std::vector<float> output;       // [hidden_width, class_width]
  std::vector<float> output_bias;  // [class_width]
};

LinearLayer LearnLinear(const EncodedExamples& examples, const LearnOptions& options);
HiddenLayer LearnHidden(const EncodedExamples& examples, const LearnOptions& options);

// Scores of example `index`: scores[0 .. class_width).
void ScoreLinear(const LinearLayer& layer, const EncodedExamples& examples, std::size_t index,
                 const kernels::RowKernels& kernels, std::span<float> scores);
void ScoreHidden(const HiddenLayer& layer, const EncodedExamples& examples, std::size_t index,
                 const kernels::RowKernels& kernels, std::span<float> scores);

}  // namespace loquat::understanding
