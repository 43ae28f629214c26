// For tests: models of random weights made in memory, with every tensor both as stored bytes and as doubles. Values;
// one thread.

#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.h"
#include "kernels/weight_test_data.h"
#include "model/model_config.h"
#include "model/tensor/weights.h"

namespace loquat::model {

class MemoryWeights final : public Weights {
 public:
  std::span<const Tensor> tensors() const override { return tensors_; }
  const Tensor* Find(std::string_view name) const override {
    for (const Tensor& tensor : tensors_) {
      if (tensor.name == name) return &tensor;
    }
    return nullptr;
  }
  void Add(Tensor tensor, std::vector<std::byte> bytes) {
    bytes_.push_back(std::move(bytes));  // A moved vector keeps its memory, so earlier views stay.
    tensor.bytes = bytes_.back();
    tensors_.push_back(std::move(tensor));
  }
  Tensor& At(std::string_view name) { return *const_cast<Tensor*>(Find(name)); }
  void Remove(std::string_view name) {
    std::erase_if(tensors_, [&](const Tensor& tensor) { return tensor.name == name; });
  }

 private:
  std::vector<Tensor> tensors_;
  std::vector<std::vector<std::byte>> bytes_;
};

struct TestModel {
  ModelConfig config;
  std::shared_ptr<MemoryWeights> weights = std::make_shared<MemoryWeights>();
  std::map<std::string, std::vector<double>, std::less<>> values;  // By tensor name, row by row.
  base::Random random{0};
  kernels::WeightType type = kernels::WeightType::kF32;

  void AddMatrix(const std::string& name, std::size_t rows, std::size_t cols, double spread, kernels::WeightType as) {
    kernels::TestMatrix made = kernels::RandomMatrix(random, as, rows, cols, spread);
    weights->Add({.name = name, .type = as, .shape = {rows, cols}}, std::move(made.bytes));
    values[name] = std::move(made.values);
  }
  void AddMatrix(const std::string& name, std::size_t rows, std::size_t cols) {
    AddMatrix(name, rows, cols, 1 / std::sqrt(static_cast<double>(cols)), type);
  }
  // Around `centre`. Types of floats take turns, as files of all three are read.
  void AddVector(const std::string& name, std::size_t length, double centre) {
    const auto as = static_cast<kernels::WeightType>(random.Below(3));
    kernels::TestMatrix made = kernels::RandomMatrix(random, as, 1, length, 0.1);
    for (std::size_t i = 0; i < length; ++i) {
      const double value = centre + made.values[i];
      Store(made, i, value);
    }
    weights->Add({.name = name, .type = as, .shape = {length}}, std::move(made.bytes));
    values[name] = std::move(made.values);
  }
  // With .weight and .bias.
  void AddLinear(const std::string& name, std::size_t rows, std::size_t cols) {
    AddMatrix(name + ".weight", rows, cols);
    AddVector(name + ".bias", rows, 0);
  }
  void AddNorm(const std::string& name, std::size_t length) {
    AddVector(name + ".weight", length, 1);
    AddVector(name + ".bias", length, 0);
  }

 private:
  static void Store(kernels::TestMatrix& made, std::size_t i, double value) {
    if (made.type == kernels::WeightType::kF32) {
      const auto as_float = static_cast<float>(value);
      std::memcpy(&made.bytes[i * 4], &as_float, 4);
      made.values[i] = as_float;
      return;
    }
    const bool f16 = made.type == kernels::WeightType::kF16;
    const std::uint16_t bits = f16 ? kernels::HalfBits(value) : kernels::Bf16Bits(static_cast<float>(value));
    std::memcpy(&made.bytes[i * 2], &bits, 2);
    made.values[i] = f16 ? kernels::HalfValue(bits) : kernels::Bf16Value(bits);
  }
};

struct DecoderShape {
  bool tied = true;
  std::uint32_t heads = 4, kv_heads = 2;
  bool rope_freqs = false;
  std::optional<kernels::WeightType> value_type = std::nullopt;  // Of attn_v; none: that of all.
};

// Rows are multiples of 256 long, so that every stored type can hold them.
inline TestModel RandomDecoder(Architecture architecture, kernels::WeightType type, std::uint64_t seed,
                               const DecoderShape& shape = {}) {
  TestModel model{.random = base::Random(seed), .type = type};
  ModelConfig& config = model.config;
  const bool glm = architecture == Architecture::kChatGlm;
  config = {.architecture = architecture,
            .layers = 2,
            .width = 256,
            .ffn_width = 512,
            .heads = shape.heads,
            .kv_heads = shape.kv_heads,
            .head_width = 64,
            .vocabulary = 96,
            .context = 4096,
            .norm_epsilon = 1e-5F,
            .rope_base = 10000.0F,
            .rope_width = glm ? 32U : 64U,
            .rope_pairs_adjacent = glm || architecture == Architecture::kLlama};
  const std::size_t width = config.width, ffn = config.ffn_width;
  const std::size_t query = config.heads * config.head_width, key = config.kv_heads * config.head_width;
  model.AddMatrix("token_embd.weight", config.vocabulary, width, 1, type);
  for (std::uint32_t i = 0; i < config.layers; ++i) {
    const std::string at = "blk." + std::to_string(i) + ".";
    model.AddVector(at + "attn_norm.weight", width, 1);
    model.AddVector(at + "ffn_norm.weight", width, 1);
    const std::pair<const char*, std::size_t> parts[] = {{"attn_q", query}, {"attn_k", key}, {"attn_v", key}};
    for (const auto& [name, rows] : parts) {
      if (glm) break;
      const bool differs = shape.value_type && std::string_view(name) == "attn_v";
      const double spread = 1 / std::sqrt(static_cast<double>(width));
      model.AddMatrix(at + name + ".weight", rows, width, spread, differs ? *shape.value_type : type);
      if (architecture == Architecture::kQwen2) model.AddVector(at + name + ".bias", rows, 0);
    }
    if (glm) model.AddLinear(at + "attn_qkv", query + 2 * key, width);
    if (architecture == Architecture::kQwen3) {
      model.AddVector(at + "attn_q_norm.weight", config.head_width, 1);
      model.AddVector(at + "attn_k_norm.weight", config.head_width, 1);
    }
    model.AddMatrix(at + "attn_output.weight", width, query);
    if (!glm) model.AddMatrix(at + "ffn_gate.weight", ffn, width);
    model.AddMatrix(at + "ffn_up.weight", glm ? 2 * ffn : ffn, width);
    model.AddMatrix(at + "ffn_down.weight", width, ffn);
  }
  model.AddVector("output_norm.weight", width, 1);
  if (!shape.tied) model.AddMatrix("output.weight", config.vocabulary, width);
  if (shape.rope_freqs) model.AddVector("rope_freqs.weight", config.rope_width / 2, 3);
  return model;
}

struct EncoderShape {
  std::uint32_t token_types = 2;
  std::uint32_t position_offset = 0;
  Pooling pooling = Pooling::kMean;
  BertHead head = BertHead::kNone;
  bool dense = true;
};

inline constexpr std::uint32_t kTestLabels = 5;

inline TestModel RandomEncoder(kernels::WeightType type, std::uint64_t seed, const EncoderShape& shape = {}) {
  TestModel model{.random = base::Random(seed), .type = type};
  ModelConfig& config = model.config;
  config = {.architecture = Architecture::kBert,
            .layers = 2,
            .width = 256,
            .ffn_width = 512,
            .heads = 8,
            .kv_heads = 8,
            .head_width = 32,
            .vocabulary = 96,
            .context = 128,
            .norm_epsilon = 1e-6F,
            .token_types = shape.token_types,
            .position_offset = shape.position_offset,
            .pooling = shape.pooling,
            .head = shape.head};
  const std::size_t width = config.width;
  model.AddMatrix("token_embd.weight", config.vocabulary, width, 1, type);
  model.AddMatrix("position_embd.weight", config.context + config.position_offset, width, 0.5, type);
  if (config.token_types > 0) model.AddMatrix("token_types.weight", config.token_types, width, 0.5, type);
  model.AddNorm("token_embd_norm", width);
  for (std::uint32_t i = 0; i < config.layers; ++i) {
    const std::string at = "blk." + std::to_string(i) + ".";
    for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output"}) model.AddLinear(at + name, width, width);
    model.AddNorm(at + "attn_output_norm", width);
    model.AddLinear(at + "ffn_up", config.ffn_width, width);
    model.AddLinear(at + "ffn_down", width, config.ffn_width);
    model.AddNorm(at + "layer_output_norm", width);
  }
  if (shape.head == BertHead::kNone) return model;
  if (shape.dense) model.AddLinear("cls", width, width);
  model.AddLinear("cls.output", shape.head == BertHead::kRerank ? 1 : kTestLabels, width);
  return model;
}

inline std::vector<std::int32_t> RandomTokens(base::Random& random, std::size_t count, std::uint32_t vocabulary) {
  std::vector<std::int32_t> tokens(count);
  for (std::int32_t& token : tokens) token = static_cast<std::int32_t>(random.Below(vocabulary));
  return tokens;
}

}  // namespace loquat::model
