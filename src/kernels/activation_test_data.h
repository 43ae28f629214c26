// For tests: activations in the form that a tier takes for a type of weights, and what the rounded ones mean.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

#include "kernels/transformer_kernels.h"
#include "kernels/weight_test_data.h"

namespace loquat::kernels {

class TestActivations {
 public:
  // x: [tokens, cols]
  TestActivations(const TransformerKernels& tier, const Matrix& weights, std::vector<float> x)
      : TestActivations(tier, tier.form(weights), std::move(x), weights.cols) {}
  TestActivations(const TransformerKernels& tier, ActivationForm form, std::vector<float> x, std::size_t cols)
      : form_(form), x_(std::move(x)), cols_(cols), stride_(RoundedStride(form_, cols)) {
    rounded_.resize(tokens() * stride_ / sizeof(Line));
    for (std::size_t t = 0; t < tokens() && form_ != ActivationForm::kFloats; ++t) {
      tier.round(form_, x_.data() + t * cols, cols, rounded() + t * stride_);
    }
  }

  std::size_t tokens() const { return x_.size() / cols_; }

  // From `token` on.
  MatmulIo Io(float* out, std::size_t out_stride, std::size_t token = 0) const {
    return {.x = x_.data() + token * cols_,
            .x_stride = cols_,
            .rounded = rounded() + token * stride_,
            .rounded_stride = stride_,
            .out = out,
            .out_stride = out_stride,
            .tokens = tokens() - token};
  }

  const ActivationBlock& block(std::size_t token, std::size_t i) const {
    return reinterpret_cast<const ActivationBlock*>(rounded() + token * stride_)[i];
  }

  // The numbers that are multiplied: [tokens, cols].
  std::vector<float> Seen() const {
    std::vector<float> seen = x_;
    for (std::size_t i = 0; i < x_.size(); ++i) {
      const std::size_t t = i / cols_, c = i % cols_;
      if (form_ == ActivationForm::kInt8) {
        const ActivationBlock& of = block(t, c / kActivationBlock);
        seen[i] = of.scale * static_cast<float>(of.quants[c % kActivationBlock]);
      } else if (form_ == ActivationForm::kBF16) {
        std::uint16_t bits;
        std::memcpy(&bits, rounded() + t * stride_ + 2 * c, sizeof bits);
        seen[i] = static_cast<float>(Bf16Value(bits));
      } else if (form_ == ActivationForm::kInt8Token) {
        TokenScale scale;
        std::memcpy(&scale, rounded() + t * stride_, sizeof scale);
        const int byte = static_cast<int>(rounded()[t * stride_ + kTokenHead + c]);
        seen[i] = scale.scale * static_cast<float>(byte - scale.zero);
      }
    }
    return seen;
  }

 private:
  struct alignas(64) Line {
    std::byte bytes[64];
  };

  std::byte* rounded() { return reinterpret_cast<std::byte*>(rounded_.data()); }
  const std::byte* rounded() const { return reinterpret_cast<const std::byte*>(rounded_.data()); }

  const ActivationForm form_;
  const std::vector<float> x_;
  const std::size_t cols_, stride_;
  std::vector<Line> rounded_;
};

}  // namespace loquat::kernels
