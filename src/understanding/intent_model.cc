#include "understanding/intent_model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "understanding/intent_corpus.h"

namespace loquat::understanding {
namespace {

constexpr std::uint32_t kWidthMax = kModelLabelsMax + kernels::kLanes;
constexpr std::uint32_t kHiddenWidthMax = 4096;
constexpr std::size_t kSearchAhead = 6;    // Old features looked at for a new one.
constexpr std::size_t kPrefetchAhead = 8;  // Keys whose buckets are on their way while one is looked up.

template <typename T>
base::Status Read(const ModelFolder& folder, std::string_view name, std::size_t count, std::span<const T>& out) {
  LOQUAT_ASSIGN(out, folder.Array<T>(name));
  if (out.size() != count) return folder.Broken(name, "its size does not fit the header");
  return {};
}

base::Status CheckFinite(const ModelFolder& folder, std::string_view name, std::span<const float> values) {
  if (std::ranges::all_of(values, [](float v) { return std::isfinite(v); })) return {};
  return folder.Broken(name, "it holds numbers that are not finite");
}

base::Status CheckHeader(const ModelFolder& folder, const IntentHeader& header) {
  if (header.version > kIntentVersion) {
    return base::FailedPrecondition(
        "model '" + folder.path() +
        "': its intent part is of a newer version: update the program or train the model again");
  }
  const bool sane = header.version == kIntentVersion && header.intents > 0 && header.out_of_scope <= 1 &&
                    header.intents == folder.manifest().intents.size() && header.class_width <= kWidthMax &&
                    header.class_width >= header.classes() && header.class_width % kernels::kLanes == 0 &&
                    header.hidden_width <= kHiddenWidthMax && header.hidden_width % kernels::kLanes == 0;
  if (!sane) return folder.Broken(kIntentHeaderSection, "its numbers contradict each other or the manifest");
  const IntentCalibration& calibration = header.calibration;
  LOQUAT_TRY(CheckFinite(folder, kIntentHeaderSection, calibration.verdict));
  const std::array<float, 3> factors = {calibration.linear_factor, calibration.hidden_factor, calibration.threshold};
  return CheckFinite(folder, kIntentHeaderSection, factors);
}

}  // namespace

base::Result<IntentModel> IntentModel::Load(const ModelFolder& folder, const kernels::RowKernels& kernels) {
  IntentModel model;
  model.kernels_ = &kernels;
  LOQUAT_ASSIGN(const auto header, folder.Array<IntentHeader>(kIntentHeaderSection));
  if (header.size() != 1) return folder.Broken(kIntentHeaderSection, "its size is wrong");
  model.header_ = header[0];
  LOQUAT_TRY(CheckHeader(folder, model.header_));
  LOQUAT_TRY(model.LoadLayers(folder));
  return model;
}

base::Status IntentModel::LoadLayers(const ModelFolder& folder) {
  const std::size_t features = header_.features;
  LOQUAT_ASSIGN(const auto buckets, folder.Array<std::uint32_t>(kIntentBucketsSection));
  std::span<const std::uint32_t> fingerprints;
  LOQUAT_TRY(Read(folder, kIntentFingerprintsSection, features, fingerprints));
  index_ = FeatureIndex(buckets, fingerprints);
  if (!index_.Valid()) return folder.Broken(kIntentBucketsSection, "its buckets do not fit the features");
  LOQUAT_TRY(Read(folder, kIntentRaritySection, features, rarity_));
  LOQUAT_TRY(Read(folder, kIntentLinearSection, features * header_.class_width, linear_));
  LOQUAT_TRY(Read(folder, kIntentLinearScaleSection, features, linear_scale_));
  LOQUAT_TRY(Read(folder, kIntentLinearBiasSection, header_.class_width, linear_bias_));
  LOQUAT_TRY(Read(folder, kIntentHiddenSection, features * header_.hidden_width, hidden_));
  LOQUAT_TRY(Read(folder, kIntentHiddenScaleSection, features, hidden_scale_));
  LOQUAT_TRY(Read(folder, kIntentHiddenBiasSection, header_.hidden_width, hidden_bias_));
  LOQUAT_TRY(Read(folder, kIntentOutputSection, std::size_t{header_.hidden_width} * header_.class_width, output_));
  LOQUAT_TRY(Read(folder, kIntentOutputBiasSection, header_.class_width, output_bias_));
  LOQUAT_TRY(CheckFinite(folder, kIntentRaritySection, rarity_));
  LOQUAT_TRY(CheckFinite(folder, kIntentLinearScaleSection, linear_scale_));
  LOQUAT_TRY(CheckFinite(folder, kIntentLinearBiasSection, linear_bias_));
  LOQUAT_TRY(CheckFinite(folder, kIntentHiddenScaleSection, hidden_scale_));
  LOQUAT_TRY(CheckFinite(folder, kIntentHiddenBiasSection, hidden_bias_));
  LOQUAT_TRY(CheckFinite(folder, kIntentOutputSection, output_));
  return CheckFinite(folder, kIntentOutputBiasSection, output_bias_);
}

// Features keep their order from one text to the next, and most stay: both lists are walked side by side, and where one
// has changed the old list is searched a little further on.
void IntentModel::LookUp(std::span<const std::uint64_t> keys, IntentMemory& memory) const {
  memory.next.resize(keys.size());
  std::size_t old = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    std::size_t at = old;
    const std::size_t end = std::min(old + kSearchAhead, memory.keys.size());
    while (at < end && memory.keys[at] != keys[i]) ++at;
    if (at < end) {
      memory.next[i] = memory.rows[at];
      old = at + 1;
    } else {
      memory.next[i] = index_.Find(keys[i]);
    }
  }
  memory.keys.assign(keys.begin(), keys.end());
  memory.rows.swap(memory.next);
}

void IntentModel::FindRows(IntentWorkspace& workspace, FeatureCoverage& coverage, const IntentMemory* memory) const {
  const IntentFeatures& features = workspace.features;
  workspace.rows.clear();
  workspace.weights.clear();
  std::array<float, kFeatureGroups> squares = {};
  std::uint32_t groups = 0;
  const std::size_t keys = features.keys.size();
  const std::size_t ahead = memory == nullptr ? kPrefetchAhead : keys;  // All are known: nothing to fetch.
  for (std::size_t i = 0; memory == nullptr && i < std::min(ahead, keys); ++i) index_.Prefetch(features.keys[i]);
  for (std::size_t g = 0; g < kFeatureGroups; ++g) {
    for (std::size_t i = features.begin[g]; i < features.begin[g + 1]; ++i) {
      if (i + ahead < keys) index_.Prefetch(features.keys[i + ahead]);
      const std::uint32_t row = memory == nullptr ? index_.Find(features.keys[i]) : memory->rows[i];
      if (row == FeatureIndex::kNone) continue;
      ++coverage.known[g];
      workspace.rows.push_back(row);
      workspace.weights.push_back(rarity_[row]);
      squares[g] += rarity_[row] * rarity_[row];
    }
    coverage.total[g] = features.begin[g + 1] - features.begin[g];
    if (squares[g] > 0) ++groups;
  }
  std::size_t at = 0;
  for (std::size_t g = 0; g < kFeatureGroups; ++g) {
    const float factor = GroupFactor(squares[g], groups);
    for (std::uint32_t i = 0; i < coverage.known[g]; ++i) workspace.weights[at++] *= factor;
  }
}

void IntentModel::RunLayers(IntentWorkspace& workspace) const {
  const std::size_t known = workspace.rows.size();
  workspace.coefficients.resize(known);
  const auto scale = [&](std::span<const float> scales) {
    for (std::size_t i = 0; i < known; ++i) {
      workspace.coefficients[i] = workspace.weights[i] * scales[workspace.rows[i]];
    }
  };
  scale(linear_scale_);
  workspace.linear.assign(linear_bias_.begin(), linear_bias_.end());
  kernels_->accumulate_int8(linear_.data(), workspace.rows.data(), workspace.coefficients.data(), known,
                            workspace.linear.data(), workspace.linear.size());
  scale(hidden_scale_);
  workspace.hidden.assign(hidden_bias_.begin(), hidden_bias_.end());
  kernels_->accumulate_int8(hidden_.data(), workspace.rows.data(), workspace.coefficients.data(), known,
                            workspace.hidden.data(), workspace.hidden.size());
  workspace.scores.assign(output_bias_.begin(), output_bias_.end());
  const std::size_t width = workspace.scores.size();
  for (std::size_t h = 0; h < workspace.hidden.size(); ++h) {
    if (workspace.hidden[h] > 0)
      kernels_->axpy(workspace.hidden[h], &output_[h * width], workspace.scores.data(), width);
  }
}

void IntentModel::Score(std::string_view text, std::span<const text::Token> tokens, IntentWorkspace& workspace,
                        IntentMemory* memory) const {
  ExtractIntentFeatures(text, tokens, workspace.features);
  if (memory != nullptr) LookUp(workspace.features.keys, *memory);
  FeatureCoverage coverage;
  FindRows(workspace, coverage, memory);
  RunLayers(workspace);
  workspace.probabilities.resize(header_.intents);
  VerdictInputs inputs;
  const std::size_t classes = header_.classes();
  CalibrateScores({.linear = std::span(workspace.linear).first(classes),
                   .hidden = std::span(workspace.scores).first(classes),
                   .intents = header_.intents},
                  coverage, header_.calibration, workspace.probabilities, inputs);
  workspace.out_of_scope_probability =
      workspace.rows.empty() ? 1.0F : OutOfScopeProbability(inputs, header_.calibration);
}

}  // namespace loquat::understanding
