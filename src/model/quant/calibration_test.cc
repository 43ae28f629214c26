// What calibration and comparison see of a model on a text.

#include "model/quant/calibration.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "model/arch/load.h"
#include "model/arch/test_model.h"
#include "model/linear_observer.h"
#include "model/quant/model_comparison.h"

namespace loquat::model {
namespace {

using kernels::Isa;
using kernels::WeightType;
using testing::HasSubstr;

constexpr std::uint64_t kSeed = 20261124;

QuantizeSource SourceOf(const TestModel& model) {
  QuantizeSource source;
  source.files.config = model.config;
  source.files.path = "test";
  source.weights = model.weights;
  return source;
}

ComparedModel Compared(const TestModel& model, std::string path = "test") {
  return {.path = std::move(path), .config = model.config, .weights = model.weights};
}

TokenWindows SomeWindows(const ModelConfig& config, std::size_t count, std::size_t length) {
  base::Random random(kSeed);
  TokenWindows windows(count, std::vector<std::int32_t>(length));
  for (auto& window : windows) {
    for (std::int32_t& token : window) token = static_cast<std::int32_t>(random.Below(config.vocabulary));
  }
  return windows;
}

// Keeps all that it sees of one matrix.
class Recorder final : public LinearObserver {
 public:
  explicit Recorder(const std::byte* of) : of_(of) {}
  void BeforeLinear(const kernels::Matrix& weight, const float* x, std::size_t stride, std::size_t tokens) override {
    ++calls;
    if (weight.data != of_) return;
    for (std::size_t t = 0; t < tokens; ++t) rows.emplace_back(x + t * stride, x + t * stride + weight.cols);
  }
  std::size_t calls = 0;
  std::vector<std::vector<float>> rows;

 private:
  const std::byte* const of_;
};

TEST(LinearObserver, SeesWhatEachLinearLayerIsGivenAndChangesNothing) {
  const TestModel model = RandomDecoder(Architecture::kLlama, WeightType::kF32, kSeed);
  const auto decoder = LoadDecoder(model.config, model.weights, Isa::kScalar);
  ASSERT_TRUE(decoder.has_value());
  kernels::ThreadTeam team({.threads = 1});
  const TokenWindows windows = SomeWindows(model.config, 1, 6);
  const auto logits = [&](LinearObserver* observer) {
    const auto workspace = (*decoder)->NewWorkspace(8, team);
    workspace->Observe(observer);
    std::vector<std::byte> page((*decoder)->kv_layout().page_bytes());
    std::byte* const place = page.data();
    const DecoderSlice slice{.tokens = windows[0], .position = 0, .pages = {&place, 1}, .all_logits = true};
    const std::span<const float> out = (*decoder)->Forward({&slice, 1}, *workspace);
    return std::vector<float>(out.begin(), out.end());
  };
  const Tensor* output = model.weights->Find("output.weight");
  const Tensor* last = output == nullptr ? model.weights->Find("token_embd.weight") : output;
  Recorder recorder(last->bytes.data());
  const std::vector<float> seen = logits(&recorder);
  EXPECT_EQ(seen, logits(nullptr));
  EXPECT_EQ(recorder.calls, 7 * model.config.layers + 1) << "q, k, v, attention's output, gate, up, down; the logits";
  ASSERT_EQ(recorder.rows.size(), 6U);
  // The logits are the products with what was seen.
  const std::vector<double>& matrix = model.values.at(last->name);
  for (std::size_t v = 0; v < 5; ++v) {
    double product = 0;
    for (std::size_t i = 0; i < model.config.width; ++i)
      product += matrix[v * model.config.width + i] * recorder.rows[3][i];
    EXPECT_NEAR(seen[3 * model.config.vocabulary + v], product, 1e-4 * (1 + std::fabs(product)));
  }
}

TEST(Calibration, IsTheMeanOfTheSquaresOfEachInput) {
  const TestModel model = RandomDecoder(Architecture::kLlama, WeightType::kF32, kSeed + 1);
  const auto decoder = LoadDecoder(model.config, model.weights, Isa::kScalar);
  ASSERT_TRUE(decoder.has_value());
  kernels::ThreadTeam team({.threads = 2});
  const TokenWindows windows = SomeWindows(model.config, 3, 40);
  const auto importance = Calibrate(SourceOf(model), windows, team);
  ASSERT_TRUE(importance.has_value()) << importance.error().message;

  const std::string name = "blk.1.ffn_down.weight";
  Recorder recorder(model.weights->Find(name)->bytes.data());
  for (const auto& window : windows) {
    const auto workspace = (*decoder)->NewWorkspace(40, team);
    workspace->Observe(&recorder);
    std::vector<std::vector<std::byte>> pages(2, std::vector<std::byte>((*decoder)->kv_layout().page_bytes()));
    std::byte* const places[] = {pages[0].data(), pages[1].data()};
    const DecoderSlice slice{.tokens = window, .position = 0, .pages = places, .all_logits = true};
    (void)(*decoder)->Forward({&slice, 1}, *workspace);
  }
  const std::size_t cols = model.config.ffn_width;
  std::vector<double> squares(cols);
  double mean = 0;
  for (const std::vector<float>& row : recorder.rows) {
    for (std::size_t i = 0; i < cols; ++i) {
      squares[i] += static_cast<double>(row[i]) * row[i];
      mean += static_cast<double>(row[i]) * row[i] / static_cast<double>(cols);
    }
  }
  const std::vector<float>& is = importance->at(name);
  ASSERT_EQ(is.size(), cols);
  for (std::size_t i = 0; i < cols; ++i) {
    EXPECT_NEAR(is[i], std::max(kImportanceMin, static_cast<float>(squares[i] / mean)), 2e-3 * is[i]) << i;
  }
  for (const Tensor& tensor : model.weights->tensors()) {
    const bool linear = tensor.shape.size() == 2 &&
                        (tensor.name != "token_embd.weight" || model.weights->Find("output.weight") == nullptr);
    EXPECT_EQ(importance->contains(tensor.name), linear) << tensor.name;
  }
}

TEST(Calibration, CoversEncodersAndStopsWhenAsked) {
  const TestModel model = RandomEncoder(WeightType::kF32, kSeed + 2);
  kernels::ThreadTeam team({.threads = 2});
  const TokenWindows windows = SomeWindows(model.config, 4, 7);
  const auto importance = Calibrate(SourceOf(model), windows, team);
  ASSERT_TRUE(importance.has_value()) << importance.error().message;
  for (const char* name :
       {"blk.0.attn_q.weight", "blk.0.attn_output.weight", "blk.0.ffn_up.weight", "blk.0.ffn_down.weight"}) {
    EXPECT_TRUE(importance->contains(name)) << name;
  }
  EXPECT_FALSE(importance->contains("token_embd.weight")) << "looked up, not multiplied";
  const auto stopped = Calibrate(SourceOf(model), windows, team,
                                 [](std::uint64_t done, std::uint64_t total) { return done < total / 2; });
  ASSERT_FALSE(stopped.has_value());
  EXPECT_EQ(stopped.error().code, base::Code::kCancelled);
}

TEST(ModelComparison, AModelEqualsItself) {
  kernels::ThreadTeam team({.threads = 2});
  const TestModel decoder = RandomDecoder(Architecture::kQwen3, WeightType::kF32, kSeed + 3);
  const TokenWindows windows = SomeWindows(decoder.config, 2, 100);
  const auto same = CompareModels(Compared(decoder), Compared(decoder), windows, Isa::kScalar, team);
  ASSERT_TRUE(same.has_value()) << same.error().message;
  EXPECT_EQ(same->decoder->tokens, 2U * 99);
  EXPECT_EQ(same->decoder->divergence_max, 0);
  EXPECT_EQ(same->decoder->same_first, 1);
  EXPECT_EQ(same->decoder->perplexity_before, same->decoder->perplexity_after);
  EXPECT_GT(same->decoder->perplexity_before, 1);
  EXPECT_THAT(ComparisonText(*same), HasSubstr("198 tokens (scalar)"));

  const TestModel encoder = RandomEncoder(WeightType::kF32, kSeed + 4);
  const auto texts =
      CompareModels(Compared(encoder), Compared(encoder), SomeWindows(encoder.config, 5, 9), Isa::kScalar, team);
  ASSERT_TRUE(texts.has_value()) << texts.error().message;
  EXPECT_EQ(texts->encoder->texts, 5U);
  EXPECT_NEAR(texts->encoder->cosine_min, 1, 1e-12);
}

TEST(ModelComparison, CountsByItsFormulas) {
  // Against the logits of one pass over the whole window, in doubles.
  kernels::ThreadTeam team({.threads = 2});
  const TestModel p = RandomDecoder(Architecture::kLlama, WeightType::kF32, kSeed + 5),
                  q = RandomDecoder(Architecture::kLlama, WeightType::kF32, kSeed + 6);
  const TokenWindows windows = SomeWindows(p.config, 1, 90);
  const auto comparison = CompareModels(Compared(p), Compared(q), windows, Isa::kScalar, team);
  ASSERT_TRUE(comparison.has_value()) << comparison.error().message;
  const auto probabilities = [&](const TestModel& model) {
    const auto decoder = LoadDecoder(model.config, model.weights, Isa::kScalar);
    const auto workspace = (*decoder)->NewWorkspace(90, team);
    std::vector<std::vector<std::byte>> pages(3, std::vector<std::byte>((*decoder)->kv_layout().page_bytes()));
    std::byte* const places[] = {pages[0].data(), pages[1].data(), pages[2].data()};
    const DecoderSlice slice{.tokens = windows[0], .position = 0, .pages = places, .all_logits = true};
    const std::span<const float> logits = (*decoder)->Forward({&slice, 1}, *workspace);
    std::vector<std::vector<double>> rows;
    for (std::size_t t = 0; t < 90; ++t) {
      double sum = 0;
      std::vector<double>& row = rows.emplace_back();
      for (std::size_t v = 0; v < model.config.vocabulary; ++v)
        row.push_back(std::exp(double{logits[t * model.config.vocabulary + v]}));
      for (const double value : row) sum += value;
      for (double& value : row) value /= sum;
    }
    return rows;
  };
  const auto before = probabilities(p), after = probabilities(q);
  double divergence = 0, log_before = 0, log_after = 0, most = 0;
  for (std::size_t t = 0; t + 1 < 90; ++t) {
    double here = 0;
    for (std::size_t v = 0; v < before[t].size(); ++v) here += before[t][v] * std::log(before[t][v] / after[t][v]);
    divergence += here / 89;
    most = std::max(most, here);
    const auto next = static_cast<std::size_t>(windows[0][t + 1]);
    log_before += std::log(before[t][next]);
    log_after += std::log(after[t][next]);
  }
  const DecoderComparison& is = *comparison->decoder;
  EXPECT_NEAR(is.divergence_mean, divergence, 1e-3 * divergence);
  EXPECT_NEAR(is.divergence_max, most, 1e-3 * most);
  EXPECT_LE(is.divergence_p99, is.divergence_max);
  EXPECT_NEAR(is.perplexity_before, std::exp(-log_before / 89), 1e-3 * is.perplexity_before);
  EXPECT_NEAR(is.perplexity_after, std::exp(-log_after / 89), 1e-3 * is.perplexity_after);
}

TEST(ModelComparison, WhatCannotBeComparedIsRefused) {
  kernels::ThreadTeam team({.threads = 1});
  const TestModel decoder = RandomDecoder(Architecture::kLlama, WeightType::kF32, kSeed + 7),
                  encoder = RandomEncoder(WeightType::kF32, kSeed + 7);
  const TokenWindows windows = SomeWindows(decoder.config, 1, 4);
  const auto refusal = [&](const ComparedModel& other, const TokenWindows& tokens) {
    const auto made = CompareModels(Compared(decoder), other, tokens, Isa::kScalar, team);
    return made.has_value() ? std::string() : made.error().message;
  };
  EXPECT_THAT(refusal(Compared(encoder), windows), HasSubstr("one generates text"));
  ComparedModel larger = Compared(decoder, "larger");
  larger.config.vocabulary += 1;
  EXPECT_THAT(refusal(larger, windows), HasSubstr("vocabularies differ"));
  ComparedModel shorter = Compared(decoder, "shorter");
  shorter.config.context = 3;
  EXPECT_THAT(refusal(shorter, windows), HasSubstr("context is shorter"));
  const auto foreign = static_cast<std::int32_t>(decoder.config.vocabulary);
  EXPECT_THAT(refusal(Compared(decoder), {{0, foreign}}), HasSubstr("tokens that the models lack"));
}

}  // namespace
}  // namespace loquat::model
