#include "understanding/intent_verdict.h"

#include <algorithm>

#include "understanding/deterministic_math.h"

namespace loquat::understanding {
namespace {

constexpr float kMarginMax = 12.0F;  // Beyond it nothing more is learnt, and a single utterance would weigh too much.
constexpr float kOddsMax = 12.0F;

float LogSumExp(std::span<const float> values, float greatest) {
  float sum = 0;
  for (const float value : values) sum += DeterministicExp(value - greatest);
  return greatest + DeterministicLog(sum);
}

float Unseen(const FeatureCoverage& coverage, FeatureGroup group) {
  const auto g = static_cast<std::size_t>(group);
  if (coverage.total[g] == 0) return 0;
  return 1.0F - static_cast<float>(coverage.known[g]) / static_cast<float>(coverage.total[g]);
}

}  // namespace

void CalibrateScores(const IntentScores& scores, const FeatureCoverage& coverage, const IntentCalibration& calibration,
                     std::span<float> probabilities, VerdictInputs& inputs) {
  const std::size_t intents = scores.intents;
  const auto mixed = [&](std::size_t k) {
    return calibration.linear_factor * scores.linear[k] + calibration.hidden_factor * scores.hidden[k];
  };
  float best = mixed(0);
  float second = best - kMarginMax;
  probabilities[0] = best;
  for (std::size_t k = 1; k < intents; ++k) {
    const float score = mixed(k);
    probabilities[k] = score;
    second = std::max(second, std::min(best, score));
    best = std::max(best, score);
  }
  // Two loops: the first is vector code, the second a sum in one fixed order.
  for (std::size_t k = 0; k < intents; ++k) probabilities[k] = DeterministicExp(probabilities[k] - best);
  float sum = 0;
  for (std::size_t k = 0; k < intents; ++k) sum += probabilities[k];
  const float scale = 1.0F / sum;
  for (std::size_t k = 0; k < intents; ++k) probabilities[k] *= scale;
  float weighted = 0;  // Mean of the scores, counted from the best one.
  for (std::size_t k = 0; k < intents; ++k) weighted += probabilities[k] * (mixed(k) - best);

  const auto linear = scores.linear.first(intents);
  const auto hidden = scores.hidden.first(intents);
  const auto best_linear = std::ranges::max_element(linear);
  const auto best_hidden = std::ranges::max_element(hidden);
  const float log_sum = DeterministicLog(sum);
  std::uint32_t words = coverage.total[static_cast<std::size_t>(FeatureGroup::kWord)];
  inputs = {};
  const auto set = [&inputs](VerdictInput input, float value) { inputs[static_cast<std::size_t>(input)] = value; };
  set(VerdictInput::kBias, 1);
  set(VerdictInput::kBestLog, -log_sum);
  set(VerdictInput::kMargin, std::min(best - second, kMarginMax));
  set(VerdictInput::kEntropy, log_sum - weighted);
  set(VerdictInput::kLinearEnergy, LogSumExp(linear, *best_linear));
  set(VerdictInput::kLinearBest, *best_linear);
  set(VerdictInput::kHiddenBest, *best_hidden);
  set(VerdictInput::kAgreement, best_linear - linear.begin() == best_hidden - hidden.begin() ? 1.0F : 0.0F);
  if (scores.linear.size() > intents) {
    set(VerdictInput::kOutOfScope, std::clamp(mixed(intents) - best - log_sum, -kOddsMax, kOddsMax));
  }
  set(VerdictInput::kUnseenWords, Unseen(coverage, FeatureGroup::kWord));
  set(VerdictInput::kUnseenPairs, Unseen(coverage, FeatureGroup::kPair));
  set(VerdictInput::kUnseenSkips, Unseen(coverage, FeatureGroup::kSkip));
  set(VerdictInput::kUnseenGrams, Unseen(coverage, FeatureGroup::kCharacters));
  set(VerdictInput::kLength, DeterministicLog(1.0F + static_cast<float>(words)));
}

float OutOfScopeProbability(const VerdictInputs& inputs, const IntentCalibration& calibration) {
  float logit = 0;
  for (std::size_t i = 0; i < kVerdictInputs; ++i) logit += calibration.verdict[i] * inputs[i];
  return 1.0F / (1.0F + DeterministicExp(-logit));
}

}  // namespace loquat::understanding
