// For tests: the transformers once more, in doubles and plain loops, written from the papers that decoder.cc and
// encoder.cc name, sharing nothing with the kernels. A model is a function from all tokens of one text to a row for
// each. Pure functions.

#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <numbers>
#include <span>
#include <string>
#include <vector>

#include "kernels/weight_test_data.h"
#include "model/arch/test_model.h"

namespace loquat::model::reference {

using Vector = std::vector<double>;
using Rows = std::vector<Vector>;

inline Vector RowOf(const TestModel& model, const std::string& name, std::size_t row, std::size_t width) {
  const Vector& all = model.values.at(name);
  return Vector(all.begin() + static_cast<std::ptrdiff_t>(row * width),
                all.begin() + static_cast<std::ptrdiff_t>((row + 1) * width));
}

// name.weight x + name.bias, where there is one.
inline Vector Affine(const TestModel& model, const std::string& name, const Vector& x) {
  const Vector& weight = model.values.at(name + ".weight");
  const auto bias = model.values.find(name + ".bias");
  Vector y(weight.size() / x.size());
  for (std::size_t r = 0; r < y.size(); ++r) {
    double sum = bias == model.values.end() ? 0 : bias->second[r];
    for (std::size_t k = 0; k < x.size(); ++k) sum += weight[r * x.size() + k] * x[k];
    y[r] = sum;
  }
  return y;
}

inline Vector RmsNorm(const Vector& x, const Vector& weight, double epsilon) {
  double mean = 0;
  for (const double v : x) mean += v * v / static_cast<double>(x.size());
  Vector y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = weight[i] * x[i] / std::sqrt(mean + epsilon);
  return y;
}

inline Vector LayerNorm(const TestModel& model, const std::string& name, const Vector& x) {
  double mean = 0, variance = 0;
  for (const double v : x) mean += v / static_cast<double>(x.size());
  for (const double v : x) variance += (v - mean) * (v - mean) / static_cast<double>(x.size());
  const Vector &weight = model.values.at(name + ".weight"), &bias = model.values.at(name + ".bias");
  Vector y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    y[i] = weight[i] * (x[i] - mean) / std::sqrt(variance + static_cast<double>(model.config.norm_epsilon)) + bias[i];
  }
  return y;
}

inline Vector Softmax(Vector x) {
  double greatest = -INFINITY, total = 0;
  for (const double v : x) greatest = std::max(greatest, v);
  for (double& v : x) total += v = std::exp(v - greatest);
  for (double& v : x) v /= total;
  return x;
}

inline Vector Sum(Vector a, const Vector& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

// Attention of one head: query over the first `seen` rows.
inline Vector Attend(const Vector& query, const Rows& keys, const Rows& values, std::size_t seen) {
  Vector scores(seen);
  for (std::size_t j = 0; j < seen; ++j) {
    for (std::size_t k = 0; k < query.size(); ++k) {
      scores[j] += query[k] * keys[j][k] / std::sqrt(static_cast<double>(query.size()));
    }
  }
  const Vector weights = Softmax(std::move(scores));
  Vector out(query.size());
  for (std::size_t j = 0; j < seen; ++j) {
    for (std::size_t k = 0; k < query.size(); ++k) out[k] += weights[j] * values[j][k];
  }
  return out;
}

inline Vector Part(const Vector& x, std::size_t begin, std::size_t count) {
  return Vector(x.begin() + static_cast<std::ptrdiff_t>(begin), x.begin() + static_cast<std::ptrdiff_t>(begin + count));
}

// Theta of pair i, and how much longer its vector becomes.
struct Frequency {
  double theta, growth;
};

inline Frequency RopeFrequency(const TestModel& model, std::size_t pair) {
  const ModelConfig& c = model.config;
  const double pi = std::numbers::pi, factor = c.rope_factor, context = c.rope_original_context;
  const double theta = std::pow(static_cast<double>(c.rope_base), -2.0 * static_cast<double>(pair) / c.rope_width);
  const double wavelength = 2 * pi / theta;
  const auto divisors = model.values.find("rope_freqs.weight");
  if (divisors != model.values.end()) return {theta / divisors->second[pair], 1};
  switch (c.rope_scaling) {
    case RopeScaling::kNone:
      break;
    case RopeScaling::kLinear:
      return {theta / factor, 1};
    case RopeScaling::kLlama3: {
      if (wavelength < context / c.rope_high_frequency_factor) return {theta, 1};
      if (wavelength > context / c.rope_low_frequency_factor) return {theta / factor, 1};
      const double smooth = (context / wavelength - c.rope_low_frequency_factor) /
                            (static_cast<double>(c.rope_high_frequency_factor) - c.rope_low_frequency_factor);
      return {(1 - smooth) * theta / factor + smooth * theta, 1};
    }
    case RopeScaling::kYarn: {
      const auto dimension = [&](double rotations) {
        return c.rope_width * std::log(context / (rotations * 2 * pi)) / (2 * std::log(double{c.rope_base}));
      };
      const double low = std::max(0.0, std::floor(dimension(32)));
      const double high = std::min(c.rope_width - 1.0, std::ceil(dimension(1)));
      const double ramp = std::min(1.0, std::max(0.0, (static_cast<double>(pair) - low) / (high - low)));
      return {theta / factor * ramp + theta * (1 - ramp), 0.1 * std::log(factor) + 1};
    }
  }
  return {theta, 1};
}

inline void Rotate(const TestModel& model, std::size_t position, Vector& head) {
  const std::size_t pairs = model.config.rope_width / 2;
  for (std::size_t i = 0; i < pairs; ++i) {
    const Frequency f = RopeFrequency(model, i);
    const double angle = static_cast<double>(position) * f.theta;
    double& a = head[model.config.rope_pairs_adjacent ? 2 * i : i];
    double& b = head[model.config.rope_pairs_adjacent ? 2 * i + 1 : i + pairs];
    const double x = a, y = b;
    a = f.growth * (x * std::cos(angle) - y * std::sin(angle));
    b = f.growth * (x * std::sin(angle) + y * std::cos(angle));
  }
}

// How the key or the value of one head is rounded where it is kept.
using Round = std::function<void(Vector&)>;
inline void RoundToF16(Vector& head) {
  for (double& v : head) v = kernels::HalfValue(kernels::HalfBits(static_cast<float>(v)));
}
inline void RoundToBf16(Vector& head) {
  for (double& v : head) v = kernels::Bf16Value(kernels::Bf16Bits(static_cast<float>(v)));
}
inline void RoundToInt8(Vector& head) {
  double greatest = 0;
  for (const double v : head) greatest = std::max(greatest, std::abs(v));
  if (greatest == 0) return;
  for (double& v : head) v = std::nearbyint(v / greatest * 127) * (greatest / 127);
}

// Query, key and value of one token, each [heads][head_width], before any rotation.
inline std::vector<Rows> QueryKeyValue(const TestModel& model, const std::string& at, const Vector& x) {
  const ModelConfig& c = model.config;
  Vector all;
  if (c.architecture == Architecture::kChatGlm) {
    all = Affine(model, at + "attn_qkv", x);
  } else {
    for (const char* name : {"attn_q", "attn_k", "attn_v"}) {
      const Vector part = Affine(model, at + name, x);
      all.insert(all.end(), part.begin(), part.end());
    }
  }
  std::vector<Rows> out;
  std::size_t begin = 0;
  for (const std::size_t heads : {c.heads, c.kv_heads, c.kv_heads}) {
    Rows& rows = out.emplace_back();
    for (std::size_t h = 0; h < heads; ++h, begin += c.head_width) rows.push_back(Part(all, begin, c.head_width));
  }
  return out;
}

inline Vector GatedFeedForward(const TestModel& model, const std::string& at, const Vector& x) {
  const std::size_t ffn = model.config.ffn_width;
  const bool fused = model.config.architecture == Architecture::kChatGlm;
  Vector up = Affine(model, at + "ffn_up", x);
  const Vector gate = fused ? Part(up, 0, ffn) : Affine(model, at + "ffn_gate", x);
  if (fused) up = Part(up, ffn, ffn);
  for (std::size_t i = 0; i < ffn; ++i) up[i] *= gate[i] / (1 + std::exp(-gate[i]));
  return Affine(model, at + "ffn_down", up);
}

// Logits of every token.
inline Rows Decode(const TestModel& model, std::span<const std::int32_t> tokens, const Round& round = RoundToF16) {
  const ModelConfig& c = model.config;
  const double epsilon = c.norm_epsilon;
  Rows stream;
  for (const std::int32_t token : tokens) {
    stream.push_back(RowOf(model, "token_embd.weight", static_cast<std::size_t>(token), c.width));
  }
  for (std::uint32_t layer = 0; layer < c.layers; ++layer) {
    const std::string at = "blk." + std::to_string(layer) + ".";
    std::vector<Rows> keys(c.kv_heads), values(c.kv_heads);  // [head][token]
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      const Vector x = RmsNorm(stream[t], model.values.at(at + "attn_norm.weight"), epsilon);
      std::vector<Rows> qkv = QueryKeyValue(model, at, x);
      for (std::size_t which = 0; which < 2; ++which) {
        const auto norm = model.values.find(at + (which == 0 ? "attn_q_norm.weight" : "attn_k_norm.weight"));
        for (Vector& head : qkv[which]) {
          if (norm != model.values.end()) head = RmsNorm(head, norm->second, epsilon);
          Rotate(model, t, head);
        }
      }
      for (std::size_t h = 0; h < c.kv_heads; ++h) {
        round(qkv[1][h]);
        round(qkv[2][h]);
        keys[h].push_back(qkv[1][h]);
        values[h].push_back(qkv[2][h]);
      }
      Vector joined;
      for (std::size_t h = 0; h < c.heads; ++h) {
        const std::size_t shared = h / (c.heads / c.kv_heads);
        const Vector out = Attend(qkv[0][h], keys[shared], values[shared], t + 1);
        joined.insert(joined.end(), out.begin(), out.end());
      }
      stream[t] = Sum(stream[t], Affine(model, at + "attn_output", joined));
      const Vector y = RmsNorm(stream[t], model.values.at(at + "ffn_norm.weight"), epsilon);
      stream[t] = Sum(stream[t], GatedFeedForward(model, at, y));
    }
  }
  Rows logits;
  const bool tied = !model.values.contains("output.weight");
  for (const Vector& x : stream) {
    const Vector y = RmsNorm(x, model.values.at("output_norm.weight"), epsilon);
    logits.push_back(Affine(model, tied ? "token_embd" : "output", y));
  }
  return logits;
}

// Last hidden state of every token.
inline Rows Encode(const TestModel& model, std::span<const std::int32_t> tokens, std::span<const std::int32_t> types) {
  const ModelConfig& c = model.config;
  Rows hidden;
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    Vector x = RowOf(model, "token_embd.weight", static_cast<std::size_t>(tokens[t]), c.width);
    x = Sum(x, RowOf(model, "position_embd.weight", t + c.position_offset, c.width));
    const std::size_t type = types.empty() ? 0 : static_cast<std::size_t>(types[t]);
    if (c.token_types > 0) x = Sum(x, RowOf(model, "token_types.weight", type, c.width));
    hidden.push_back(LayerNorm(model, "token_embd_norm", x));
  }
  for (std::uint32_t layer = 0; layer < c.layers; ++layer) {
    const std::string at = "blk." + std::to_string(layer) + ".";
    Rows query, attended(hidden.size());
    std::vector<Rows> keys(c.heads), values(c.heads);
    for (const Vector& x : hidden) {
      query.push_back(Affine(model, at + "attn_q", x));
      const Vector key = Affine(model, at + "attn_k", x), value = Affine(model, at + "attn_v", x);
      for (std::size_t h = 0; h < c.heads; ++h) {
        keys[h].push_back(Part(key, h * c.head_width, c.head_width));
        values[h].push_back(Part(value, h * c.head_width, c.head_width));
      }
    }
    for (std::size_t t = 0; t < hidden.size(); ++t) {
      for (std::size_t h = 0; h < c.heads; ++h) {
        const Vector out = Attend(Part(query[t], h * c.head_width, c.head_width), keys[h], values[h], hidden.size());
        attended[t].insert(attended[t].end(), out.begin(), out.end());
      }
      Vector x = Sum(hidden[t], Affine(model, at + "attn_output", attended[t]));
      x = LayerNorm(model, at + "attn_output_norm", x);
      Vector up = Affine(model, at + "ffn_up", x);
      for (double& v : up) v *= 0.5 * (1 + std::erf(v / std::numbers::sqrt2));
      hidden[t] = LayerNorm(model, at + "layer_output_norm", Sum(x, Affine(model, at + "ffn_down", up)));
    }
  }
  return hidden;
}

}  // namespace loquat::model::reference
