#include "understanding/intent_calibration.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "understanding/cholesky.h"
#include "understanding/deterministic_math.h"

namespace loquat::understanding {
namespace {

constexpr int kNewtonSteps = 12;
constexpr double kFactorPrior = 1e-3;   // Pulls the two factors towards each other where the data says nothing.
constexpr double kVerdictPrior = 1e-3;  // Ridge on the standardised weights, per unit of total weight.
// What out-of-scope examples weigh together, in-scope ones being 1: the share of such text that users are expected to
// send. Without real examples, held-out intents stand for them; they are nearer to the others than foreign text is, and
// weigh less.
constexpr double kForeignShare = 0.1, kImitatedShare = 0.03;
// The share of right answers that the verdict may take away by default, and where its threshold stays.
constexpr double kLossBudget = 0.006, kImitatedLossBudget = 0.001;
constexpr float kThresholdMin = 0.35F, kThresholdMax = 0.95F;
constexpr float kAskedThresholdMin = 0.05F;  // Where the user names the share.
constexpr float kFactorMin = 0.05F;

// Softmax of a * linear + b * hidden over the intents.
void Mix(const IntentScores& scores, double a, double b, std::vector<float>& p) {
  const auto la = static_cast<float>(a);
  const auto lb = static_cast<float>(b);
  p.resize(scores.intents);
  for (std::size_t k = 0; k < p.size(); ++k) p[k] = la * scores.linear[k] + lb * scores.hidden[k];
  const float best = *std::ranges::max_element(p);
  for (float& value : p) value = DeterministicExp(value - best);
  float sum = 0;
  for (const float value : p) sum += value;
  for (float& value : p) value /= sum;
}

// The negative log-likelihood of the labels is convex in the two factors: Newton's steps on it.
void FitFactors(const HeldOut& held_out, IntentCalibration& calibration) {
  double a = 1;
  double b = 1;
  std::vector<float> p;
  for (int step = 0; step < kNewtonSteps; ++step) {
    double ga = 0, gb = 0, haa = 0, hab = 0, hbb = 0, n = 0;
    for (std::size_t i = 0; i < held_out.size(); ++i) {
      if (!held_out.InScope(i)) continue;
      const IntentScores scores = held_out.Scores(i);
      Mix(scores, a, b, p);
      double ma = 0, mb = 0, maa = 0, mab = 0, mbb = 0;
      for (std::size_t k = 0; k < p.size(); ++k) {
        const double u = scores.linear[k];
        const double v = scores.hidden[k];
        ma += p[k] * u;
        mb += p[k] * v;
        maa += p[k] * u * u;
        mab += p[k] * u * v;
        mbb += p[k] * v * v;
      }
      ga += ma - scores.linear[held_out.labels[i]];
      gb += mb - scores.hidden[held_out.labels[i]];
      haa += maa - ma * ma;
      hab += mab - ma * mb;
      hbb += mbb - mb * mb;
      n += 1;
    }
    if (n == 0) break;
    const double ridge = kFactorPrior * n;
    ga += ridge * (a - b);
    gb += ridge * (b - a);
    haa += ridge + 1e-9;
    hbb += ridge + 1e-9;
    hab -= ridge;
    const double determinant = haa * hbb - hab * hab;
    if (determinant <= 0) break;
    // A bounded step: the curvature is small where all is certain.
    a += std::clamp(-(hbb * ga - hab * gb) / determinant, -1.0, 1.0);
    b += std::clamp(-(haa * gb - hab * ga) / determinant, -1.0, 1.0);
    a = std::clamp(a, double{kFactorMin}, 20.0);
    b = std::clamp(b, double{kFactorMin}, 20.0);
  }
  calibration.linear_factor = static_cast<float>(a);
  calibration.hidden_factor = static_cast<float>(b);
}

struct WeightedInputs {
  VerdictInputs inputs;
  double weight;
  bool foreign;
};

void Collect(const HeldOut& held_out, bool all_foreign, const IntentCalibration& calibration,
             std::vector<WeightedInputs>& rows) {
  std::vector<float> p(held_out.intents);
  for (std::size_t i = 0; i < held_out.size(); ++i) {
    WeightedInputs row{.inputs = {}, .weight = 1, .foreign = all_foreign || !held_out.InScope(i)};
    CalibrateScores(held_out.Scores(i), held_out.coverage[i], calibration, p, row.inputs);
    rows.push_back(row);
  }
}

using Vector = std::array<double, kVerdictInputs>;
using Matrix = std::array<Vector, kVerdictInputs>;

struct Standard {
  Vector mean = {};
  Vector scale = {};
};

Standard Standardise(const std::vector<WeightedInputs>& rows) {
  Standard standard;
  double total = 0;
  for (const WeightedInputs& row : rows) {
    total += row.weight;
    for (std::size_t i = 0; i < kVerdictInputs; ++i) standard.mean[i] += row.weight * row.inputs[i];
  }
  for (double& mean : standard.mean) mean /= total;
  for (const WeightedInputs& row : rows) {
    for (std::size_t i = 0; i < kVerdictInputs; ++i) {
      const double d = row.inputs[i] - standard.mean[i];
      standard.scale[i] += row.weight * d * d;
    }
  }
  for (double& scale : standard.scale) scale = scale / total > 1e-8 ? 1 / std::sqrt(scale / total) : 0;
  // The bias stays as it is.
  standard.mean[0] = 0;
  standard.scale[0] = 1;
  return standard;
}

// Logistic regression by iteratively reweighted least squares (Newton's steps, ridge on all but the bias).
void FitVerdict(std::vector<WeightedInputs>& rows, IntentCalibration& calibration) {
  const Standard standard = Standardise(rows);
  double total = 0;
  for (const WeightedInputs& row : rows) total += row.weight;
  Vector weights = {};
  for (int step = 0; step < kNewtonSteps; ++step) {
    Vector gradient = {};
    Matrix hessian = {};
    for (const WeightedInputs& row : rows) {
      Vector x;
      double logit = 0;
      for (std::size_t i = 0; i < kVerdictInputs; ++i) {
        x[i] = (row.inputs[i] - standard.mean[i]) * standard.scale[i];
        logit += weights[i] * x[i];
      }
      const double p = 1.0 / (1.0 + DeterministicExp(static_cast<float>(-logit)));
      const double error = row.weight * ((row.foreign ? 1.0 : 0.0) - p);
      const double curvature = row.weight * std::max(p * (1 - p), 1e-6);
      for (std::size_t i = 0; i < kVerdictInputs; ++i) {
        gradient[i] += error * x[i];
        for (std::size_t j = 0; j <= i; ++j) hessian[i][j] += curvature * x[i] * x[j];
      }
    }
    for (std::size_t i = 0; i < kVerdictInputs; ++i) {
      const double ridge = i == 0 ? 1e-9 : kVerdictPrior * total;
      gradient[i] -= i == 0 ? 0 : ridge * weights[i];
      hessian[i][i] += ridge;
    }
    const Vector change = SolveCholesky(hessian, gradient);
    for (std::size_t i = 0; i < kVerdictInputs; ++i) weights[i] += std::clamp(change[i], -4.0, 4.0);
  }
  double bias = weights[0];
  for (std::size_t i = 1; i < kVerdictInputs; ++i) {
    calibration.verdict[i] = static_cast<float>(weights[i] * standard.scale[i]);
    bias -= weights[i] * standard.scale[i] * standard.mean[i];
  }
  calibration.verdict[0] = static_cast<float>(bias);
}

// As low as the budget allows: the threshold that takes away at most that share of the right answers.
float FitThreshold(const HeldOut& held_out, const IntentCalibration& calibration, double budget, float threshold_min) {
  std::vector<float> foreign;  // Of right answers.
  std::vector<float> p(held_out.intents);
  VerdictInputs inputs;
  for (std::size_t i = 0; i < held_out.size(); ++i) {
    if (!held_out.InScope(i)) continue;
    CalibrateScores(held_out.Scores(i), held_out.coverage[i], calibration, p, inputs);
    const auto best = std::ranges::max_element(p) - p.begin();
    if (best == static_cast<std::ptrdiff_t>(held_out.labels[i]))
      foreign.push_back(OutOfScopeProbability(inputs, calibration));
  }
  if (foreign.empty()) return kThresholdMax;
  const auto lost = static_cast<std::size_t>(budget * static_cast<double>(foreign.size()));
  std::ranges::nth_element(foreign, foreign.begin() + static_cast<std::ptrdiff_t>(lost), std::greater<>());
  return std::clamp(foreign[lost], threshold_min, kThresholdMax);
}

}  // namespace

IntentCalibration FitCalibration(const HeldOut& held_out, const HeldOut& foreign, double rejected_max) {
  IntentCalibration calibration;
  FitFactors(held_out, calibration);
  std::vector<WeightedInputs> rows;
  Collect(held_out, false, calibration, rows);
  Collect(foreign, true, calibration, rows);
  double inside = 0, outside = 0;
  for (const WeightedInputs& row : rows) (row.foreign ? outside : inside) += 1;
  if (inside == 0 || outside == 0) {
    calibration.threshold = 1;
    calibration.verdict[0] = -20;
    return calibration;
  }
  const bool imitated = foreign.size() > 0;
  const double share = imitated ? kImitatedShare : kForeignShare;
  for (WeightedInputs& row : rows) row.weight = row.foreign ? share * inside / outside : 1;
  FitVerdict(rows, calibration);
  if (rejected_max < 0) {
    const double budget = imitated ? kImitatedLossBudget : kLossBudget;
    calibration.threshold = FitThreshold(held_out, calibration, budget, kThresholdMin);
  } else {
    calibration.threshold = FitThreshold(held_out, calibration, rejected_max, kAskedThresholdMin);
  }
  return calibration;
}

std::vector<std::pair<std::string, double>> MeasureCalibration(const HeldOut& held_out,
                                                               const IntentCalibration& calibration) {
  constexpr std::size_t kBins = 15;
  struct Bin {
    double confidence = 0;
    double right = 0;
  };
  std::array<Bin, kBins> bins;
  double inside = 0, outside = 0, right = 0, right_and_kept = 0, caught = 0;
  std::vector<float> p(held_out.intents);
  VerdictInputs inputs;
  for (std::size_t i = 0; i < held_out.size(); ++i) {
    CalibrateScores(held_out.Scores(i), held_out.coverage[i], calibration, p, inputs);
    const float foreign = OutOfScopeProbability(inputs, calibration);
    const bool rejected = foreign >= calibration.threshold;
    if (!held_out.InScope(i)) {
      outside += 1;
      caught += rejected ? 1 : 0;
      continue;
    }
    const auto best = std::ranges::max_element(p);
    const bool is_right = best - p.begin() == static_cast<std::ptrdiff_t>(held_out.labels[i]);
    const float confidence = *best * (1.0F - foreign);
    inside += 1;
    right += is_right ? 1 : 0;
    right_and_kept += is_right && !rejected ? 1 : 0;
    Bin& bin = bins[std::min(kBins - 1, static_cast<std::size_t>(confidence * kBins))];
    bin.confidence += confidence;
    bin.right += is_right ? 1 : 0;
  }
  double error = 0;
  for (const Bin& bin : bins) error += std::abs(bin.confidence - bin.right);
  const auto share = [](double part, double whole) { return whole > 0 ? part / whole : 0; };
  return {{"intent_accuracy", share(right, inside)},
          {"intent_accuracy_after_rejection", share(right_and_kept, inside)},
          {"intent_ece", share(error, inside)},
          {"out_of_scope_recall", share(caught, outside)},
          {"out_of_scope_threshold", calibration.threshold},
          {"intent_linear_factor", calibration.linear_factor},
          {"intent_hidden_factor", calibration.hidden_factor}};
}

}  // namespace loquat::understanding
