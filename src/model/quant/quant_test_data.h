// For tests: weights of several distributions, the plain rounding of llama.cpp's reference quantizers as their
// definitions give it (quantize_row_q8_0_ref, _q4_0_ref, _q4_1_ref), and what blocks mean, in doubles.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "base/random.h"
#include "kernels/weight_test_data.h"
#include "model/quant/block_quantizer.h"

namespace loquat::model {

inline constexpr kernels::WeightType kBlockTypes[] = {kernels::WeightType::kQ8_0, kernels::WeightType::kQ4_0,
                                                      kernels::WeightType::kQ4_1};

enum class Spread { kUniform, kGaussian, kLaplace, kStudent };  // Student's t with three degrees of freedom.
inline constexpr Spread kSpreads[] = {Spread::kUniform, Spread::kGaussian, Spread::kLaplace, Spread::kStudent};

// Box, Muller, "A note on the generation of random normal deviates", 1958.
inline double Normal(base::Random& random) {
  return std::sqrt(-2 * std::log(1 - random.Double())) * std::cos(2 * M_PI * random.Double());
}

inline float Draw(base::Random& random, Spread spread) {
  switch (spread) {
    case Spread::kUniform:
      return static_cast<float>(2 * random.Double() - 1);
    case Spread::kGaussian:
      return static_cast<float>(Normal(random));
    case Spread::kLaplace:
      return static_cast<float>((random.Chance(0.5) ? 1 : -1) * std::log(1 - random.Double()));
    case Spread::kStudent:
      break;
  }
  double squares = 0;
  for (int i = 0; i < 3; ++i) squares += std::pow(Normal(random), 2);
  return static_cast<float>(Normal(random) / std::sqrt(squares / 3));
}

inline std::vector<float> DrawWeights(base::Random& random, Spread spread, std::size_t count, double size = 0.02) {
  std::vector<float> weights(count);
  for (float& weight : weights) weight = static_cast<float>(size) * Draw(random, spread);
  return weights;
}

inline std::vector<std::byte> QuantizeAll(kernels::WeightType type, std::span<const float> x,
                                          const float* importance = nullptr) {
  const std::size_t block_bytes = kernels::LayoutOf(type).block_bytes;
  std::vector<std::byte> out(x.size() / kQuantBlock * block_bytes);
  for (std::size_t b = 0; b < x.size() / kQuantBlock; ++b) {
    const float* weights = importance == nullptr ? nullptr : importance + b * kQuantBlock;
    QuantizeBlock(type, x.data() + b * kQuantBlock, weights, out.data() + b * block_bytes);
  }
  return out;
}

inline std::vector<double> Meaning(kernels::WeightType type, std::span<const std::byte> blocks) {
  const kernels::WeightLayout& layout = kernels::LayoutOf(type);
  std::vector<double> values;
  for (std::size_t at = 0; at < blocks.size(); at += layout.block_bytes) {
    for (std::size_t i = 0; i < layout.block_weights; ++i) {
      values.push_back(kernels::ReferenceBlock(blocks.data() + at).Weight(type, i));
    }
  }
  return values;
}

// Plain rounding, with its scales in binary16 as they are stored: the reference rounds by the scale as a float.
inline std::vector<double> PlainRounding(kernels::WeightType type, std::span<const float> x) {
  using kernels::HalfBits;
  using kernels::HalfValue;
  std::vector<double> values;
  for (std::size_t b = 0; b < x.size(); b += kQuantBlock) {
    const std::span<const float> block = x.subspan(b, kQuantBlock);
    const auto [low, high] = std::ranges::minmax(block);
    const float extreme = *std::ranges::max_element(block, {}, [](float w) { return std::fabs(w); });
    const float scale = type == kernels::WeightType::kQ8_0   ? std::fabs(extreme) / 127
                        : type == kernels::WeightType::kQ4_0 ? extreme / -8
                                                             : (high - low) / 15;
    const float inverse = scale != 0 ? 1 / scale : 0;
    const double stored = HalfValue(HalfBits(scale));
    for (const float w : block) {
      if (type == kernels::WeightType::kQ8_0) {
        values.push_back(stored * std::round(w * inverse));
      } else if (type == kernels::WeightType::kQ4_0) {
        values.push_back(stored * (std::min(15, static_cast<int>(w * inverse + 8.5F)) - 8));
      } else {
        const int code = std::min(15, static_cast<int>((w - low) * inverse + 0.5F));
        values.push_back(stored * code + HalfValue(HalfBits(low)));
      }
    }
  }
  return values;
}

// The root of the mean of importance * (x - y)^2.
inline double ErrorOf(std::span<const float> x, std::span<const double> y, std::span<const float> importance = {}) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double weight = importance.empty() ? 1.0 : importance[i];
    sum += weight * (x[i] - y[i]) * (x[i] - y[i]);
  }
  return std::sqrt(sum / static_cast<double>(x.size()));
}

}  // namespace loquat::model
