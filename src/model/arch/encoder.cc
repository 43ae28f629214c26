// The forward pass of BERT: Devlin et al., 2019 (norms after each block, learned positions, GELU by erf), and of
// RoBERTa (Liu et al., 2019) and DistilBERT (Sanh et al., 2019), which differ in positions, token types and heads.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "base/check.h"
#include "kernels/isa.h"
#include "kernels/transformer_kernels.h"
#include "model/arch/encoder_weights.h"
#include "model/arch/encoder_workspace.h"
#include "model/arch/interleaved_weights.h"
#include "model/arch/load.h"
#include "model/arch/row_decoder.h"

namespace loquat::model {
namespace {

class Encoder final : public EncoderModel {
 public:
  Encoder(ModelConfig config, EncoderWeights parts, InterleavedWeights interleaved,
          std::shared_ptr<const Weights> weights, const kernels::TransformerKernels& kernels)
      : config_(std::move(config)),
        parts_(std::move(parts)),
        interleaved_(std::move(interleaved)),
        weights_(std::move(weights)),
        kernels_(kernels),
        attend_(AttendFor(parts_, kernels)) {}

  const ModelConfig& config() const override { return config_; }

  std::unique_ptr<Workspace> NewWorkspace(std::uint32_t tokens_max, kernels::ThreadTeam& team) const override {
    LOQUAT_CHECK(tokens_max > 0, "a workspace is for at least one token");
    return std::make_unique<EncoderWorkspace>(config_, labels(), tokens_max, kernels_, team);
  }

  base::Status CheckWeights(Workspace& workspace) const override {
    return weights_->Check(Own(workspace).whole.compute.team());
  }

  std::span<const float> Forward(std::span<const EncoderText> texts, Workspace& workspace) const override {
    EncoderWorkspace& w = Own(workspace);
    switch (w.Place(texts, config_)) {
      case EncoderWorkspace::Split::kLayers:
        Forward(w.whole);
        break;
      case EncoderWorkspace::Split::kTexts:
        w.ForEachGroup(texts, config_, [this](EncoderPass& pass) { Forward(pass); });
        break;
      case EncoderWorkspace::Split::kTokens:
        w.ForEachSegment([this](EncoderPass& pass) { Begin(pass); });
        for (std::size_t i = 0; i < parts_.layers.size(); ++i) {
          w.ForEachSegment([&](EncoderPass& pass) { Layer(i, pass); });
        }
        break;
    }
    return {w.hidden.data, w.whole.tokens() * config_.width};
  }

  std::span<const float> Pooled(Workspace& workspace) const override {
    EncoderWorkspace& w = Own(workspace);
    if (config_.pooling == Pooling::kNone) return {};
    for (std::size_t i = 0; i < w.whole.texts().size(); ++i) {
      const TextRows text = w.whole.texts()[i];
      const std::size_t count = config_.pooling == Pooling::kMean ? text.tokens : 1;
      float* const out = w.pooled[i];
      std::copy_n(w.hidden[text.first], config_.width, out);
      for (std::size_t t = 1; t < count; ++t) kernels_.add(out, w.hidden[text.first + t], config_.width);
      const float scale = 1.0F / static_cast<float>(count);
      for (std::size_t k = 0; k < config_.width && count > 1; ++k) out[k] *= scale;
    }
    return {w.pooled.data, w.whole.texts().size() * config_.width};
  }

  std::span<const float> Logits(Workspace& workspace) const override {
    EncoderWorkspace& w = Own(workspace);
    if (!parts_.head_output) return {};
    if (config_.head == BertHead::kTokenClassification) {
      w.whole.compute.Project(*parts_.head_output, w.hidden, w.whole.tokens(), w.logits);
      return {w.logits.data, w.whole.tokens() * labels()};
    }
    for (std::size_t i = 0; i < w.whole.texts().size(); ++i) {
      std::copy_n(w.hidden[w.whole.texts()[i].first], config_.width, w.pooled[i]);
    }
    Rows input = w.pooled;
    if (parts_.head_dense) {
      w.whole.compute.Project(*parts_.head_dense, w.pooled, w.whole.texts().size(), w.dense);
      for (std::size_t i = 0; i < w.whole.texts().size(); ++i) ActivateHead(w.dense[i]);
      input = w.dense;
    }
    w.whole.compute.Project(*parts_.head_output, input, w.whole.texts().size(), w.logits);
    return {w.logits.data, w.whole.texts().size() * labels()};
  }

 private:
  static EncoderWorkspace& Own(Workspace& workspace) {
    auto* const own = dynamic_cast<EncoderWorkspace*>(&workspace);
    LOQUAT_CHECK(own != nullptr, "the workspace comes from NewWorkspace of this model");
    return *own;
  }

  using AttendRows = decltype(kernels::TransformerKernels::attend_rows);
  // Where all layers round their inputs, attention may as well.
  static AttendRows AttendFor(const EncoderWeights& parts, const kernels::TransformerKernels& kernels) {
    const bool rounds = std::ranges::all_of(parts.layers, [&](const EncoderLayer& layer) {
      return std::ranges::all_of(layer.qkv, [&](const Linear& linear) {
        return kernels.form(linear.weight) != kernels::ActivationForm::kFloats;
      });
    });
    return rounds && kernels.attend_rows_bf16 != nullptr ? kernels.attend_rows_bf16 : kernels.attend_rows;
  }

  std::size_t labels() const { return parts_.head_output ? parts_.head_output->weight.rows : 0; }

  // The layers that hidden goes into before layer i; none after the last.
  std::span<const Linear> QkvOf(std::size_t i) const {
    return i < parts_.layers.size() ? std::span<const Linear>(parts_.layers[i].qkv) : std::span<const Linear>();
  }

  void Forward(EncoderPass& w) const {
    Begin(w);
    for (std::size_t i = 0; i < parts_.layers.size(); ++i) Layer(i, w);
  }

  // Up to the first layer's queries, keys and values.
  void Begin(EncoderPass& w) const {
    Embed(w);
    ProjectQkv(0, w);
  }

  // From its queries, keys and values to those of the next layer.
  void Layer(std::size_t i, EncoderPass& w) const {
    const EncoderLayer& layer = parts_.layers[i];
    Attend(w);
    w.compute.Project(layer.attention_output, w.attended, w.tokens(), w.added);
    AddAndNormalize(layer.attention_norm, {&layer.ffn_up, 1}, w);
    FeedForward(layer, w);
    AddAndNormalize(layer.output_norm, QkvOf(i + 1), w);
    ProjectQkv(i + 1, w);
  }

  // hidden = norm(token + position + token type), rounded to what the first layer takes.
  void Embed(EncoderPass& w) const {
    w.compute.ForEachToken(w.tokens(), std::size_t{4} * config_.width, [&](std::size_t t) {
      float* const hidden = w.hidden[t];
      DecodeRow(kernels_, parts_.token_embedding, w.token(t), hidden);
      DecodeRow(kernels_, parts_.position_embedding, w.position(t), w.added[t]);
      kernels_.add(hidden, w.added[t], config_.width);
      if (parts_.token_type) {
        DecodeRow(kernels_, *parts_.token_type, w.token_type(t), w.added[t]);
        kernels_.add(hidden, w.added[t], config_.width);
      }
      Normalize(parts_.embedding_norm, hidden);
      w.compute.Round(QkvOf(0), hidden, t);
    });
  }

  void Normalize(const LayerNorm& norm, float* x) const {
    kernels_.layer_norm(x, norm.weight.data(), norm.bias.data(), config_.norm_epsilon, x, config_.width);
  }

  // hidden = norm(hidden + added), and rounded to what `next` takes.
  void AddAndNormalize(const LayerNorm& norm, std::span<const Linear> next, EncoderPass& w) const {
    w.compute.ForEachToken(w.tokens(), std::size_t{3} * config_.width, [&](std::size_t t) {
      kernels_.add(w.hidden[t], w.added[t], config_.width);
      Normalize(norm, w.hidden[t]);
      w.compute.Round(next, w.hidden[t], t);
    });
  }

  void ProjectQkv(std::size_t i, EncoderPass& w) const {
    const std::span<const Linear> qkv = QkvOf(i);
    if (!qkv.empty()) w.compute.Project(qkv, w.hidden, w.tokens(), w.qkv, {.rounded = true});
  }

  // attended = softmax(queries keys^T) values
  void Attend(EncoderPass& w) const {
    w.compute.ForEachTask(w.blocks().size() * config_.heads, [&](std::size_t task) {
      const TextBlock& block = w.blocks()[task / config_.heads];
      const std::size_t column = task % config_.heads * config_.head_width;
      const float* const text = w.keys[block.text_first] + column;
      attend_({.q = w.keys[block.first] + column,
               .q_stride = w.keys.stride,
               .out = w.attended[block.first - w.first_row()] + column,
               .out_stride = w.attended.stride,
               .tokens = block.tokens,
               .heads = 1,
               .head_width = config_.head_width,
               .scale = 1.0F / std::sqrt(static_cast<float>(config_.head_width))},
              {.keys = text + config_.width,
               .values = text + std::size_t{2} * config_.width,
               .stride = w.keys.stride,
               .tokens = block.text_tokens});
    });
  }

  // added = W_down gelu(W_up hidden)
  void FeedForward(const EncoderLayer& layer, EncoderPass& w) const {
    w.compute.Project(layer.ffn_up, w.hidden, w.tokens(), w.up, {.rounded = true, .activation = kernels_.gelu_erf});
    w.compute.Project(layer.ffn_down, w.up, w.tokens(), w.added);
  }

  // DistilBERT, known by having no token types, has a rectifier where BERT and RoBERTa have tanh.
  void ActivateHead(float* x) const {
    if (config_.token_types > 0) return kernels_.tanh(x, config_.width);
    for (std::size_t i = 0; i < config_.width; ++i) x[i] = std::max(x[i], 0.0F);
  }

  const ModelConfig config_;
  const EncoderWeights parts_;
  const InterleavedWeights interleaved_;          // Where layers of parts_ lie.
  const std::shared_ptr<const Weights> weights_;  // Holds the matrices of parts_.
  const kernels::TransformerKernels& kernels_;
  const AttendRows attend_;
};

}  // namespace

base::Result<std::unique_ptr<const EncoderModel>> LoadEncoder(ModelConfig config,
                                                              std::shared_ptr<const Weights> weights, kernels::Isa isa,
                                                              LinearNumbers numbers, const LoadProgress& progress) {
  LOQUAT_ASSIGN(EncoderWeights parts, ReadEncoderWeights(config, *weights));
  const kernels::TransformerKernels& tier = kernels::TransformerKernelsFor(isa);
  if (numbers == LinearNumbers::kInt8 && !tier.panels) {
    return base::InvalidArgument(
        fmt::format("rounding to int8 is for the kernels that multiply integers (avx2, avx_vnni, avx512_vnni, amx), "
                    "and here they are {}: load it as it is stored",
                    kernels::IsaName(isa)));
  }
  InterleavedWeights interleaved(LinearsOf(parts), tier, *weights, numbers, progress);
  return std::make_unique<const Encoder>(std::move(config), std::move(parts), std::move(interleaved),
                                         std::move(weights), tier);
}

}  // namespace loquat::model
