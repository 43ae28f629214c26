// The intent classifier as it serves: reads a model's sections where they lie. Immutable after Load: any thread may
// call Score, each with a workspace of its own. The ModelFolder's bytes outlive it.

#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kernels/rows.h"
#include "text/segment.h"
#include "understanding/feature_index.h"
#include "understanding/intent_features.h"
#include "understanding/intent_format.h"
#include "understanding/intent_verdict.h"
#include "understanding/model_folder.h"

namespace loquat::understanding {

// Memory for one call; keeps its capacity.
struct IntentWorkspace {
  IntentFeatures features;
  std::vector<std::uint32_t> rows;            // Known features.
  std::vector<float> weights;                 // What each weighs in the utterance.
  std::vector<float> coefficients;            // The same times a row's scale.
  std::vector<float> linear, hidden, scores;  // [class_width], [hidden_width], [class_width]
  std::vector<float> probabilities;           // [intents], the result: they sum to one.
  float out_of_scope_probability = 0;         // The result.
};

// What is remembered of a text that is arriving: which rows its features have.
struct IntentMemory {
  std::vector<std::uint64_t> keys;  // As IntentFeatures::keys, of the last call.
  std::vector<std::uint32_t> rows;  // [key]: its row, or FeatureIndex::kNone.
  std::vector<std::uint32_t> next;  // Of the call in progress.
};

class IntentModel {
 public:
  // kDataLoss where the sections contradict each other or the manifest.
  static base::Result<IntentModel> Load(const ModelFolder& folder, const kernels::RowKernels& kernels);

  // Fills workspace.probabilities and .out_of_scope_probability. `tokens` are text::Segment's of `text`, or a part of
  // them. Text without a known feature gives the prior and counts as out of scope. With a memory, features of the last
  // call with it, by the same model, are not looked up again; the result does not depend on it.
  void Score(std::string_view text, std::span<const text::Token> tokens, IntentWorkspace& workspace,
             IntentMemory* memory = nullptr) const;

  std::uint32_t intents() const { return header_.intents; }
  float threshold() const { return header_.calibration.threshold; }

 private:
  IntentModel() = default;
  base::Status LoadLayers(const ModelFolder& folder);
  void LookUp(std::span<const std::uint64_t> keys, IntentMemory& memory) const;
  void FindRows(IntentWorkspace& workspace, FeatureCoverage& coverage, const IntentMemory* memory) const;
  void RunLayers(IntentWorkspace& workspace) const;

  // Constant after Load.
  IntentHeader header_;
  const kernels::RowKernels* kernels_ = nullptr;
  FeatureIndex index_;
  std::span<const float> rarity_, linear_scale_, hidden_scale_;  // [feature]
  std::span<const std::int8_t> linear_;                          // [feature, class_width]
  std::span<const std::int8_t> hidden_;                          // [feature, hidden_width]
  std::span<const float> linear_bias_, output_bias_;             // [class_width]
  std::span<const float> hidden_bias_;                           // [hidden_width]
  std::span<const float> output_;                                // [hidden_width, class_width]
};

}  // namespace loquat::understanding
