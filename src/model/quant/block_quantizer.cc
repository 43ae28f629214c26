#include "model/quant/block_quantizer.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "model/quant/half.h"

namespace loquat::model {
namespace {

using kernels::WeightType;

constexpr std::size_t kLanes = 8;      // Partial sums: a fixed order that vectors of any width can keep.
constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits.
constexpr int kRefits = 4;
constexpr float kNoScale = 1e-30F;  // Below it a scale has no reciprocal to count on.
constexpr float kOnGrid = 1e-3F;    // How near to whole numbers weights must be to be taken for points of a grid.

// REQUIRES: |value| < 2^22.
float Nearest(float value) {
  return (value + kRound) - kRound;
}

// The nearest code from `least` to `most`.
float Code(float value, float least, float most) {
  const float above = value > least ? value : least;
  return Nearest(above < most ? above : most);
}

float Sum(const float (&lanes)[kLanes]) {
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

struct Block {
  float x[kQuantBlock], w[kQuantBlock], wx[kQuantBlock];
  float sum_w = 0, sum_wx = 0;
  float least = 0, most = 0;  // Of x.

  Block(const float* values, const float* importance) {
    float sums_w[kLanes] = {}, sums_wx[kLanes] = {};
    const bool alike = importance == nullptr ||
                       std::all_of(importance, importance + kQuantBlock, [](float weight) { return weight == 0; });
    for (std::size_t i = 0; i < kQuantBlock; ++i) {
      x[i] = values[i];
      w[i] = alike ? 1.0F : importance[i];
      wx[i] = w[i] * x[i];
      sums_w[i % kLanes] += w[i];
      sums_wx[i % kLanes] += wx[i];
    }
    sum_w = Sum(sums_w);
    sum_wx = Sum(sums_wx);
    const auto [low, high] = std::minmax_element(x, x + kQuantBlock);
    least = *low;
    most = *high;
  }
};

void PutHalf(std::uint16_t half, std::byte* out) {
  std::memcpy(out, &half, sizeof half);
}

// ---- w = d q ----

struct CodeRange {
  float least, most;
  float plain;  // Of plain rounding: the scale is the weight of greatest magnitude by this.
};
constexpr CodeRange kInt8{-127, 127, 127};  // -128 is left out, as all writers of q8_0 do.
constexpr CodeRange kInt4{-8, 7, -8};

struct Fit {
  float xq = 0, qq = 0;  // Sums of w x q and w q^2.
  // By how much the codes, under the scale that suits them best, lessen the error of a block of zeros.
  float gain() const { return qq > 0 ? xq / qq * xq : 0; }
  float scale() const { return qq > 0 ? xq / qq : 0; }
};

Fit FitOf(const Block& block, const CodeRange& range, float inverse) {
  float xq[kLanes] = {}, qq[kLanes] = {};
  for (std::size_t i = 0; i < kQuantBlock; i += kLanes) {
    for (std::size_t j = 0; j < kLanes; ++j) {
      const float q = Code(block.x[i + j] * inverse, range.least, range.most);
      xq[j] += block.wx[i + j] * q;
      qq[j] += block.w[i + j] * q * q;
    }
  }
  return {Sum(xq), Sum(qq)};
}

class ScaleSearch {
 public:
  ScaleSearch(const Block& block, const CodeRange& range)
      : block_(block), range_(range), extreme_(-block.least > block.most ? block.least : block.most) {
    // Scales are not negative where the codes are symmetric: a negative one has nothing to give.
    if (range.plain > 0) extreme_ = std::fabs(extreme_);
  }

  // The scale to store.
  std::uint16_t Run() {
    if (std::fabs(extreme_) <= kHalfLeast / 2) return 0;  // Nearer to zero than to the least scale.
    Refit(extreme_ / range_.plain);
    TryGrid();
    if (error_ == 0) return best_;
    // Where the extreme weight goes: from a little inside the range to well outside it, where it is cut.
    const bool wide = range_.most > 16;
    const float first = wide ? 113.0F : 5.0F, last = wide ? 127.45F : 9.2F, step = wide ? 0.425F : 0.2F;
    float inverse[2] = {}, gain[2] = {};
    const auto consider = [&](float candidate) {
      const float reached = FitOf(block_, range_, candidate).gain();
      if (reached <= gain[1]) return;
      const std::size_t place = reached > gain[0] ? 0 : 1;
      if (place == 0) {
        inverse[1] = inverse[0];
        gain[1] = gain[0];
      }
      inverse[place] = candidate;
      gain[place] = reached;
    };
    for (float top = first; top <= last; top += step) {
      consider(top / extreme_);
      if (!wide) consider(-top / extreme_);
    }
    for (std::size_t i = 0; i < 2; ++i) {
      if (gain[i] > 0) Refit(FitOf(block_, range_, inverse[i]).scale());
    }
    return best_;
  }

 private:
  // Rounds the scale, takes the nearest codes, fits the scale to them, and so on while that helps.
  void Refit(float scale) {
    for (int round = 0; round < kRefits; ++round) {
      std::uint16_t half = ToHalf(std::clamp(scale, -kHalfMax, kHalfMax));
      if ((half & 0x7FFFU) == 0) half |= 1U;  // The least there is: a scale of zero keeps nothing.
      if (half == last_) return;
      last_ = half;
      const float stored = FromHalf(half);
      const float error = ErrorOf(stored);
      if (error < error_) {
        error_ = error;
        best_ = half;
      }
      scale = FitOf(block_, range_, 1 / stored).scale();
    }
  }

  float ErrorOf(float scale) const {
    const float inverse = 1 / scale;
    float sums[kLanes] = {};
    for (std::size_t i = 0; i < kQuantBlock; i += kLanes) {
      for (std::size_t j = 0; j < kLanes; ++j) {
        const float off = block_.x[i + j] - scale * Code(block_.x[i + j] * inverse, range_.least, range_.most);
        sums[j] += block_.w[i + j] * off * off;
      }
    }
    return Sum(sums);
  }

  // Weights that are whole multiples of one number get it as their scale, or a part of it that binary16 holds better.
  void TryGrid() {
    const float top = range_.plain < 0 ? -range_.plain : range_.plain;
    for (float steps = 1; steps <= top && error_ > 0; ++steps) {
      const float inverse = steps / extreme_;
      const auto on_grid = [&](float x) { return std::fabs(x * inverse - Nearest(x * inverse)) <= kOnGrid; };
      if (!std::ranges::all_of(block_.x, on_grid)) continue;
      Refit(extreme_ / steps);
      if (range_.plain < 0) Refit(-extreme_ / steps);
    }
  }

  const Block& block_;
  const CodeRange& range_;
  float extreme_;  // The weight of greatest magnitude.
  float error_ = INFINITY;
  std::uint16_t best_ = 0;
  std::uint16_t last_ = 0;  // Tried; zero is never tried.
};

void QuantizeQ8_0(const Block& block, std::byte* out) {
  const std::uint16_t half = ScaleSearch(block, kInt8).Run();
  const float inverse = half == 0 ? 0 : 1 / FromHalf(half);
  PutHalf(half, out);
  for (std::size_t i = 0; i < kQuantBlock; ++i) {
    const auto code = static_cast<std::int8_t>(Code(block.x[i] * inverse, kInt8.least, kInt8.most));
    out[2 + i] = static_cast<std::byte>(code);
  }
}

void PutNibbles(const std::uint8_t (&codes)[kQuantBlock], std::byte* out) {
  for (std::size_t i = 0; i < kQuantBlock / 2; ++i) {
    out[i] = static_cast<std::byte>(codes[i] | codes[i + kQuantBlock / 2] << 4U);
  }
}

void QuantizeQ4_0(const Block& block, std::byte* out) {
  const std::uint16_t half = ScaleSearch(block, kInt4).Run();
  const float inverse = half == 0 ? 0 : 1 / FromHalf(half);
  std::uint8_t codes[kQuantBlock];
  for (std::size_t i = 0; i < kQuantBlock; ++i) {
    codes[i] = static_cast<std::uint8_t>(Code(block.x[i] * inverse, kInt4.least, kInt4.most) + 8);
  }
  PutHalf(half, out);
  PutNibbles(codes, out + 2);
}

// ---- w = d q + m ----

constexpr float kSteps = 15;

struct Line {
  float scale = 0, least = 0;
};

struct LineFit {
  float q = 0, qq = 0, xq = 0;  // Sums of w q, w q^2 and w x q.

  // Least squares for the codes.
  Line line(const Block& block) const {
    const float determinant = block.sum_w * qq - q * q;
    if (determinant <= 0) return {0, block.sum_w > 0 ? block.sum_wx / block.sum_w : 0};
    return {std::max(0.0F, (block.sum_w * xq - block.sum_wx * q) / determinant),
            (qq * block.sum_wx - q * xq) / determinant};
  }
  // The scale that suits the codes under this minimum.
  float ScaleUnder(float least) const { return qq > 0 ? std::max(0.0F, (xq - least * q) / qq) : 0; }
  // What of the error depends on the codes.
  float Rest(const Block& block, const Line& line) const { return -line.least * block.sum_wx - line.scale * xq; }
};

LineFit FitOf(const Block& block, const Line& line) {
  const float inverse = line.scale > kNoScale ? 1 / line.scale : 0;
  float q[kLanes] = {}, qq[kLanes] = {}, xq[kLanes] = {};
  for (std::size_t i = 0; i < kQuantBlock; i += kLanes) {
    for (std::size_t j = 0; j < kLanes; ++j) {
      const float code = Code((block.x[i + j] - line.least) * inverse, 0, kSteps);
      const float weighted = block.w[i + j] * code;
      q[j] += weighted;
      qq[j] += weighted * code;
      xq[j] += block.wx[i + j] * code;
    }
  }
  return {Sum(q), Sum(qq), Sum(xq)};
}

// To binary16. REQUIRES: at least -kHalfMax.
float RoundedDown(float value) {
  const std::uint16_t half = ToHalf(value);
  if (FromHalf(half) <= value) return FromHalf(half);
  if ((half & 0x7FFFU) == 0) return -kHalfLeast;
  return FromHalf(static_cast<std::uint16_t>((half & 0x8000U) != 0 ? half + 1 : half - 1));
}

class LineSearch {
 public:
  explicit LineSearch(const Block& block) : block_(block) {}

  struct Stored {
    std::uint16_t scale = 0, least = 0;
  };

  Stored Run() {
    const float range = block_.most - block_.least;
    Try(range / kSteps, block_.least);
    // The minimum rounded down, and the range from there: the greatest weight is met as well as may be.
    const float below = RoundedDown(block_.least);
    for (float steps = kSteps; steps > (range == 0 ? 0 : kSteps - 1); --steps) {
      Try((block_.most - below) / steps, below);
    }
    if (range < kSteps * kHalfLeast) Try(kHalfLeast, block_.least);
    TryGrid();
    if (error_ == 0 || range == 0) return best_;
    Line lines[2];
    float rests[2] = {INFINITY, INFINITY};
    // Both ends move inwards, or a little out.
    for (float low = -0.06F; low < 0.2F; low += 0.04F) {
      for (float high = -0.06F; high < 0.2F; high += 0.04F) {
        const Line window{range * (1 - low - high) / kSteps, block_.least + low * range};
        const LineFit fit = FitOf(block_, window);
        const Line line = fit.line(block_);
        const float rest = fit.Rest(block_, line);
        if (rest >= rests[1]) continue;
        const std::size_t place = rest < rests[0] ? 0 : 1;
        if (place == 0) {
          lines[1] = lines[0];
          rests[1] = rests[0];
        }
        lines[place] = line;
        rests[place] = rest;
      }
    }
    for (std::size_t i = 0; i < 2; ++i) {
      if (rests[i] < INFINITY) Refit(lines[i]);
    }
    return best_;
  }

 private:
  void Refit(Line line) {
    for (int round = 0; round < kRefits; ++round) {
      const float least = FromHalf(ToHalf(std::clamp(line.least, -kHalfMax, kHalfMax)));
      // The minimum is what rounding has left of it; the scale makes up for that.
      const float scale = FitOf(block_, {line.scale, least}).ScaleUnder(least);
      if (!Try(scale, least)) return;
      line = FitOf(block_, {FromHalf(best_.scale), FromHalf(best_.least)}).line(block_);
    }
  }

  // Whether it is the best so far.
  bool Try(float scale, float least) {
    const Stored stored{ToHalf(std::min(scale, kHalfMax)), ToHalf(least)};
    const float error = ErrorOf({FromHalf(stored.scale), FromHalf(stored.least)});
    if (error >= error_) return false;
    error_ = error;
    best_ = stored;
    return true;
  }

  float ErrorOf(const Line& line) const {
    const float inverse = line.scale > 0 ? 1 / line.scale : 0;
    float sums[kLanes] = {};
    for (std::size_t i = 0; i < kQuantBlock; i += kLanes) {
      for (std::size_t j = 0; j < kLanes; ++j) {
        const float code = Code((block_.x[i + j] - line.least) * inverse, 0, kSteps);
        const float off = block_.x[i + j] - (code * line.scale + line.least);
        sums[j] += block_.w[i + j] * off * off;
      }
    }
    return Sum(sums);
  }

  // Weights that are whole steps apart: their lowest may stand at any code that leaves room above.
  void TryGrid() {
    const float range = block_.most - block_.least;
    for (float steps = 1; steps <= kSteps && range > kNoScale && error_ > 0; ++steps) {
      const float inverse = steps / range;
      const auto on_grid = [&](float x) {
        const float place = (x - block_.least) * inverse;
        return std::fabs(place - Nearest(place)) <= kOnGrid;
      };
      if (!std::ranges::all_of(block_.x, on_grid)) continue;
      const float scale = FromHalf(ToHalf(range / steps));
      for (float first = 0; first + steps <= kSteps; ++first) {
        const float least = block_.least - first * scale;
        if (least >= -kHalfMax) Try(scale, least);
      }
    }
  }

  const Block& block_;
  float error_ = INFINITY;
  Stored best_;
};

void QuantizeQ4_1(const Block& block, std::byte* out) {
  const LineSearch::Stored stored = LineSearch(block).Run();
  const float least = FromHalf(stored.least);
  const float scale = FromHalf(stored.scale);
  const float inverse = scale > 0 ? 1 / scale : 0;
  std::uint8_t codes[kQuantBlock];
  for (std::size_t i = 0; i < kQuantBlock; ++i) {
    codes[i] = static_cast<std::uint8_t>(Code((block.x[i] - least) * inverse, 0, kSteps));
  }
  PutHalf(stored.scale, out);
  PutHalf(stored.least, out + 2);
  PutNibbles(codes, out + 4);
}

}  // namespace

bool IsBlockQuantizable(WeightType type) {
  return type == WeightType::kQ8_0 || type == WeightType::kQ4_0 || type == WeightType::kQ4_1;
}

float BlockWeightMax(WeightType type) {
  LOQUAT_CHECK(IsBlockQuantizable(type), "a type that blocks are made of");
  if (type == WeightType::kQ4_1) return kHalfMax;
  return type == WeightType::kQ8_0 ? kHalfMax * kInt8.most : kHalfMax * -kInt4.least;
}

void QuantizeBlock(WeightType type, const float* x, const float* importance, std::byte* out) {
  LOQUAT_CHECK(IsBlockQuantizable(type), "a type that blocks are made of");
  const Block block(x, importance);
  if (type == WeightType::kQ8_0) return QuantizeQ8_0(block, out);
  if (type == WeightType::kQ4_0) return QuantizeQ4_0(block, out);
  QuantizeQ4_1(block, out);
}

}  // namespace loquat::model
