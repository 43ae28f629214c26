#include "understanding/intent_learner.h"

#include <algorithm>
#include <numeric>

#include "base/random.h"
#include "understanding/deterministic_math.h"

namespace loquat::understanding {
namespace {

constexpr float kEpsilon = 1e-6F;
constexpr float kFinalRateShare = 0.1F;
constexpr float kLinearBiasRateShare = 0.1F;  // The bias sees every example; its rate is lower.
constexpr float kInitialRange = 0.1F;         // Of the embeddings: small, so that rare features stay quiet.

struct ActiveFeature {
  std::uint32_t id;
  float value;
};

// What is left of an example after feature dropout.
void Drop(const EncodedExamples& examples, std::size_t index, float dropout, float rescale, base::Random& random,
          std::vector<ActiveFeature>& active) {
  active.clear();
  for (std::uint64_t j = examples.begin[index]; j < examples.begin[index + 1]; ++j) {
    if (random.Float() < dropout) continue;
    active.push_back({examples.ids[j], examples.values[j] * rescale});
  }
}

// Turns scores into the gradient of the smoothed cross-entropy, in place; columns past `classes` become
// zero.
void Gradient(std::span<float> scores, std::uint32_t classes, std::uint32_t label, float smoothing) {
  const float greatest = *std::max_element(scores.begin(), scores.begin() + classes);
  for (std::size_t k = 0; k < scores.size(); ++k) scores[k] = DeterministicExp(scores[k] - greatest);
  float lanes[kernels::kLanes] = {};
  for (std::size_t k = classes; k < scores.size(); ++k) scores[k] = 0;
  for (std::size_t k = 0; k < scores.size(); k += kernels::kLanes) {
    for (std::size_t j = 0; j < kernels::kLanes; ++j) lanes[j] += scores[k + j];
  }
  const float scale = 1.0F / std::accumulate(lanes, lanes + kernels::kLanes, 0.0F);
  const float floor = smoothing / static_cast<float>(classes);
  for (std::size_t k = 0; k < classes; ++k) scores[k] = scores[k] * scale - floor;
  scores[label] -= 1.0F - smoothing;
}

float RateAt(const LearnOptions& options, std::uint32_t epoch) {
  const float done = static_cast<float>(epoch) / static_cast<float>(options.epochs);
  return options.rate * (1.0F - (1.0F - kFinalRateShare) * done);
}

std::vector<std::uint32_t> Order(std::size_t size) {
  std::vector<std::uint32_t> order(size);
  std::iota(order.begin(), order.end(), 0U);
  return order;
}

// The hidden half while it learns.
class HiddenTraining {
 public:
  explicit HiddenTraining(const LearnOptions& options)
      : options_(options), kernels_(*options.kernels), hidden_(options.hidden_width), random_(options.seed) {
    layer_.rows.resize(std::size_t{options.features} * hidden_);
    for (float& weight : layer_.rows) weight = (random_.Float() * 2 - 1) * kInitialRange;
    layer_.bias.assign(hidden_, 0);
    layer_.output.assign(hidden_ * options.class_width, 0);
    // Glorot and Bengio, AISTATS 2010: uniform within sqrt(6 / (inputs + outputs)); the root by Newton's steps, which
    // are the same everywhere.
    const float wanted = 6.0F / static_cast<float>(hidden_ + options.classes);
    float range = 1;
    for (int i = 0; i < 30; ++i) range = 0.5F * (range + wanted / range);
    for (std::size_t h = 0; h < hidden_; ++h) {
      for (std::size_t k = 0; k < options.classes; ++k) {
        layer_.output[h * options.class_width + k] = (random_.Float() * 2 - 1) * range;
      }
    }
    layer_.output_bias.assign(options.class_width, 0);
    squares_ = {std::vector<float>(layer_.rows.size()), std::vector<float>(hidden_),
                std::vector<float>(layer_.output.size()), std::vector<float>(options.class_width)};
    activation_.resize(hidden_);
    mask_.resize(hidden_);
    backward_.resize(hidden_);
    scores_.resize(options.class_width);
  }

  void Step(const EncodedExamples& examples, std::size_t index, float rate) {
    const float keep = 1.0F - options_.feature_dropout;
    Drop(examples, index, options_.feature_dropout, 1.0F / keep, random_, active_);
    Forward();
    Gradient(scores_, options_.classes, examples.labels[index], options_.smoothing);
    Backward({.rate = rate, .epsilon = kEpsilon});
  }

  base::Random& random() { return random_; }
  HiddenLayer Take() { return std::move(layer_); }

 private:
  void Forward() {
    activation_ = layer_.bias;
    for (const ActiveFeature& f : active_)
      kernels_.axpy(f.value, &layer_.rows[f.id * hidden_], activation_.data(), hidden_);
    scores_ = layer_.output_bias;
    const float rescale = 1.0F / (1.0F - options_.hidden_dropout);
    for (std::size_t h = 0; h < hidden_; ++h) {
      mask_[h] = activation_[h] > 0 && random_.Float() >= options_.hidden_dropout ? rescale : 0.0F;
      activation_[h] *= mask_[h];
      if (mask_[h] > 0) {
        kernels_.axpy(activation_[h], &layer_.output[h * scores_.size()], scores_.data(), scores_.size());
      }
    }
  }

  void Backward(const kernels::AdaGradStep& step) {
    const std::size_t width = scores_.size();
    kernels_.adagrad(1, scores_.data(), layer_.output_bias.data(), squares_.output_bias.data(), width, step);
    for (std::size_t h = 0; h < hidden_; ++h) {
      backward_[h] = 0;
      if (mask_[h] <= 0) continue;
      float* row = &layer_.output[h * width];
      backward_[h] = kernels_.dot(row, scores_.data(), width) * mask_[h];
      kernels_.adagrad(activation_[h], scores_.data(), row, &squares_.output[h * width], width, step);
    }
    kernels_.adagrad(1, backward_.data(), layer_.bias.data(), squares_.bias.data(), hidden_, step);
    for (const ActiveFeature& f : active_) {
      kernels_.adagrad(f.value, backward_.data(), &layer_.rows[f.id * hidden_], &squares_.rows[f.id * hidden_], hidden_,
                       step);
    }
  }

  const LearnOptions& options_;
  const kernels::RowKernels& kernels_;
  const std::size_t hidden_;
  base::Random random_;
  HiddenLayer layer_;
  HiddenLayer squares_;  // Sums of squared gradients, in the same shapes.
  std::vector<ActiveFeature> active_;
  std::vector<float> activation_, mask_, backward_;  // [hidden_width]
  std::vector<float> scores_;                        // [class_width]; then their gradient.
};

}  // namespace

LinearLayer LearnLinear(const EncodedExamples& examples, const LearnOptions& options) {
  const kernels::RowKernels& kernels = *options.kernels;
  const std::size_t width = options.class_width;
  LinearLayer layer{.rows = std::vector<float>(options.features * width), .bias = std::vector<float>(width)};
  LinearLayer squares = layer;
  base::Random random(options.seed);
  std::vector<std::uint32_t> order = Order(examples.size());
  std::vector<ActiveFeature> active;
  std::vector<float> scores(width);
  for (std::uint32_t epoch = 0; epoch < options.epochs; ++epoch) {
    random.Shuffle(std::span(order));
    const kernels::AdaGradStep step{.rate = RateAt(options, epoch), .epsilon = kEpsilon};
    const kernels::AdaGradStep bias_step{.rate = step.rate * kLinearBiasRateShare, .epsilon = kEpsilon};
    for (const std::uint32_t index : order) {
      Drop(examples, index, options.feature_dropout, 1, random, active);
      scores = layer.bias;
      for (const ActiveFeature& f : active) kernels.axpy(f.value, &layer.rows[f.id * width], scores.data(), width);
      Gradient(scores, options.classes, examples.labels[index], options.smoothing);
      kernels.adagrad(1, scores.data(), layer.bias.data(), squares.bias.data(), width, bias_step);
      for (const ActiveFeature& f : active) {
        kernels.adagrad(f.value, scores.data(), &layer.rows[f.id * width], &squares.rows[f.id * width], width, step);
      }
    }
    if (options.epoch_done && !options.epoch_done()) break;
  }
  return layer;
}

HiddenLayer LearnHidden(const EncodedExamples& examples, const LearnOptions& options) {
  HiddenTraining training(options);
  std::vector<std::uint32_t> order = Order(examples.size());
  for (std::uint32_t epoch = 0; epoch < options.epochs; ++epoch) {
    training.random().Shuffle(std::span(order));
    const float rate = RateAt(options, epoch);
    for (const std::uint32_t index : order) training.Step(examples, index, rate);
    if (options.epoch_done && !options.epoch_done()) break;
  }
  return training.Take();
}

void ScoreLinear(const LinearLayer& layer, const EncodedExamples& examples, std::size_t index,
                 const kernels::RowKernels& kernels, std::span<float> scores) {
  std::ranges::copy(layer.bias, scores.begin());
  for (std::uint64_t j = examples.begin[index]; j < examples.begin[index + 1]; ++j) {
    kernels.axpy(examples.values[j], &layer.rows[examples.ids[j] * scores.size()], scores.data(), scores.size());
  }
}

void ScoreHidden(const HiddenLayer& layer, const EncodedExamples& examples, std::size_t index,
                 const kernels::RowKernels& kernels, std::span<float> scores) {
  const std::size_t hidden = layer.bias.size();
  std::vector<float> activation = layer.bias;
  for (std::uint64_t j = examples.begin[index]; j < examples.begin[index + 1]; ++j) {
    kernels.axpy(examples.values[j], &layer.rows[examples.ids[j] * hidden], activation.data(), hidden);
  }
  std::ranges::copy(layer.output_bias, scores.begin());
  for (std::size_t h = 0; h < hidden; ++h) {
    if (activation[h] > 0) kernels.axpy(activation[h], &layer.output[h * scores.size()], scores.data(), scores.size());
  }
}

}  // namespace loquat::understanding
