#include "model/arch/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace loquat::model {
namespace {

// Llama 3: wavelengths far below the original context stay, those above it are divided by the factor, and between the
// two bounds the frequencies are mixed.
double Llama3(const ModelConfig& config, double frequency) {
  const double turns = config.rope_original_context * frequency / (2 * std::numbers::pi);  // In the original context.
  const double low = config.rope_low_frequency_factor;
  const double high = config.rope_high_frequency_factor;
  if (turns > high) return frequency;
  if (turns < low) return frequency / config.rope_factor;
  const double kept = (turns - low) / (high - low);
  return (1 - kept) * frequency / config.rope_factor + kept * frequency;
}

// YaRN: the dimensions that turn at least 32 times in the original context stay, those that turn less than once are
// divided by the factor, and a ramp over the dimensions lies between.
class YarnRamp {
 public:
  explicit YarnRamp(const ModelConfig& config) {
    if (config.rope_scaling != RopeScaling::kYarn) return;
    const double last = config.rope_width - 1.0;
    begin_ = std::max(0.0, std::floor(PairThatTurns(config, 32)));
    end_ = std::min(last, std::ceil(PairThatTurns(config, 1)));
    if (end_ - begin_ < 0.001) end_ = begin_ + 0.001;
  }
  // How much of the division applies to a pair, 0 to 1.
  double At(std::size_t pair) const {
    return std::clamp((static_cast<double>(pair) - begin_) / (end_ - begin_), 0.0, 1.0);
  }

 private:
  static double PairThatTurns(const ModelConfig& config, double turns) {
    return config.rope_width * std::log(config.rope_original_context / (turns * 2 * std::numbers::pi)) /
           (2 * std::log(static_cast<double>(config.rope_base)));
  }
  double begin_ = 0, end_ = 1;  // Pairs.
};

}  // namespace

Rope::Rope(const ModelConfig& config, std::span<const float> divisors) : frequencies_(config.rope_width / 2) {
  const double base = config.rope_base;
  const YarnRamp ramp(config);
  for (std::size_t i = 0; i < frequencies_.size(); ++i) {
    double frequency = std::pow(base, -2.0 * static_cast<double>(i) / config.rope_width);
    switch (config.rope_scaling) {
      case RopeScaling::kNone:
        break;
      case RopeScaling::kLinear:
        frequency /= config.rope_factor;
        break;
      case RopeScaling::kLlama3:
        if (divisors.empty()) frequency = Llama3(config, frequency);
        break;
      case RopeScaling::kYarn:
        frequency *= 1 - ramp.At(i) + ramp.At(i) / config.rope_factor;
        break;
    }
    frequencies_[i] = divisors.empty() ? frequency : frequency / divisors[i];
  }
  if (config.rope_scaling == RopeScaling::kYarn && config.rope_factor > 1) {
    magnitude_ = 0.1 * std::log(config.rope_factor) + 1;
  }
}

void Rope::Angles(std::uint32_t position, float* cosine, float* sine) const {
  for (std::size_t i = 0; i < frequencies_.size(); ++i) {
    const double angle = position * frequencies_[i];
    cosine[i] = static_cast<float>(std::cos(angle) * magnitude_);
    sine[i] = static_cast<float>(std::sin(angle) * magnitude_);
  }
}

}  // namespace loquat::model
