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
#include "model/arch/compute.h"
#include "model/arch/encoder_weights.h"
#include "model/arch/interleaved_weights.h"
#include "model/arch/load.h"
#include "model/arch/row_decoder.h"

namespace loquat::model {
namespace {

// Successive tokens of one text that attend together.
struct TextBlock {
  std::size_t text_first = 0;   // Row of the text's first token in the pass.
  std::size_t text_tokens = 0;  // Of the whole text.
  std::size_t first = 0;        // Row of the block's first token.
  std::size_t tokens = 0;
};

// Row of a text's first token, and how many follow.
struct TextRows {
  std::size_t first = 0, tokens = 0;
};

struct EncoderWorkspace final : EncoderModel::Workspace {
  EncoderWorkspace(const ModelConfig& config, std::size_t labels, std::uint32_t most,
                   const kernels::TransformerKernels& kernels, kernels::ThreadTeam& team)
      : compute(kernels, team, std::size_t{std::max(config.width, config.ffn_width)} * most),
        tokens_max(most),
        token(most),
        position(most),
        token_type(most),
        blocks(most),
        texts(most) {
    const auto rows = [&](std::size_t width) {
      buffers.emplace_back(width * most);
      return Rows{.data = buffers.back().get(), .stride = width};
    };
    hidden = rows(config.width);
    added = rows(config.width);
    qkv = rows(std::size_t{3} * config.width);
    attended = rows(config.width);
    up = rows(config.ffn_width);
    pooled = rows(config.width);
    dense = rows(config.width);
    logits = rows(labels);
  }

  void Observe(LinearObserver* observer) override { compute.Observe(observer); }

  // Lays the texts' tokens out in rows.
  void Place(std::span<const EncoderText> given, const ModelConfig& config) {
    tokens = block_count = text_count = 0;
    for (const EncoderText& text : given) {
      const std::size_t count = text.tokens.size();
      LOQUAT_CHECK(count > 0 && count <= tokens_max - tokens, "a pass takes 1 to tokens_max tokens");
      LOQUAT_CHECK(count <= config.context, "a text fits the model's context");
      LOQUAT_CHECK(text.token_types.empty() || text.token_types.size() == count, "each token has its type");
      for (std::size_t i = 0; i < count; i += kernels::kAttentionQueriesMax) {
        blocks[block_count++] = {.text_first = tokens,
                                 .text_tokens = count,
                                 .first = tokens + i,
                                 .tokens = std::min(kernels::kAttentionQueriesMax, count - i)};
      }
      for (std::size_t i = 0; i < count; ++i) {
        const std::int32_t type = text.token_types.empty() ? 0 : text.token_types[i];
        LOQUAT_CHECK(static_cast<std::uint32_t>(text.tokens[i]) < config.vocabulary, "token ids are checked");
        LOQUAT_CHECK(static_cast<std::uint32_t>(type) < std::max(1U, config.token_types), "token types are checked");
        token[tokens + i] = static_cast<std::uint32_t>(text.tokens[i]);
        token_type[tokens + i] = static_cast<std::uint32_t>(type);
        position[tokens + i] = config.position_offset + static_cast<std::uint32_t>(i);
      }
      texts[text_count++] = {.first = tokens, .tokens = count};
      tokens += count;
    }
    LOQUAT_CHECK(tokens > 0, "a pass has at least one token");
  }

  Compute compute;
  const std::uint32_t tokens_max;
  std::vector<FloatBuffer> buffers;  // Constant after construction, as are the sizes of those below.
  // Of the pass.
  std::size_t tokens = 0, block_count = 0, text_count = 0;
  std::vector<std::uint32_t> token, position, token_type;
  std::vector<TextBlock> blocks;
  std::vector<TextRows> texts;
  // Rows of the pass.
  Rows hidden;    // [token, width]
  Rows added;     // [token, width]: what a block adds.
  Rows qkv;       // [token, 3 * width]
  Rows attended;  // [token, width]
  Rows up;        // [token, ffn_width]
  Rows pooled;    // [text, width]
  Rows dense;     // [text, width]
  Rows logits;    // [text or token, labels]
};

class Encoder final : public EncoderModel {
 public:
  Encoder(ModelConfig config, EncoderWeights parts, InterleavedWeights interleaved,
          std::shared_ptr<const Weights> weights, const kernels::TransformerKernels& kernels)
      : config_(std::move(config)),
        parts_(std::move(parts)),
        interleaved_(std::move(interleaved)),
        weights_(std::move(weights)),
        kernels_(kernels) {}

  const ModelConfig& config() const override { return config_; }

  std::unique_ptr<Workspace> NewWorkspace(std::uint32_t tokens_max, kernels::ThreadTeam& team) const override {
    LOQUAT_CHECK(tokens_max > 0, "a workspace is for at least one token");
    return std::make_unique<EncoderWorkspace>(config_, labels(), tokens_max, kernels_, team);
  }

  base::Status CheckWeights(Workspace& workspace) const override {
    return weights_->Check(Own(workspace).compute.team());
  }

  std::span<const float> Forward(std::span<const EncoderText> texts, Workspace& workspace) const override {
    EncoderWorkspace& w = Own(workspace);
    w.Place(texts, config_);
    Embed(w);
    for (const EncoderLayer& layer : parts_.layers) {
      Attention(layer, w);
      AddAndNormalize(layer.attention_norm, w);
      FeedForward(layer, w);
      AddAndNormalize(layer.output_norm, w);
    }
    return {w.hidden.data, w.tokens * config_.width};
  }

  std::span<const float> Pooled(Workspace& workspace) const override {
    EncoderWorkspace& w = Own(workspace);
    if (config_.pooling == Pooling::kNone) return {};
    for (std::size_t i = 0; i < w.text_count; ++i) {
      const TextRows text = w.texts[i];
      const std::size_t count = config_.pooling == Pooling::kMean ? text.tokens : 1;
      float* const out = w.pooled[i];
      std::copy_n(w.hidden[text.first], config_.width, out);
      for (std::size_t t = 1; t < count; ++t) kernels_.add(out, w.hidden[text.first + t], config_.width);
      const float scale = 1.0F / static_cast<float>(count);
      for (std::size_t k = 0; k < config_.width && count > 1; ++k) out[k] *= scale;
    }
    return {w.pooled.data, w.text_count * config_.width};
  }

  std::span<const float> Logits(Workspace& workspace) const override {
    EncoderWorkspace& w = Own(workspace);
    if (!parts_.head_output) return {};
    if (config_.head == BertHead::kTokenClassification) {
      w.compute.Project(*parts_.head_output, w.hidden, w.tokens, w.logits);
      return {w.logits.data, w.tokens * labels()};
    }
    for (std::size_t i = 0; i < w.text_count; ++i) {
      std::copy_n(w.hidden[w.texts[i].first], config_.width, w.pooled[i]);
    }
    Rows input = w.pooled;
    if (parts_.head_dense) {
      w.compute.Project(*parts_.head_dense, w.pooled, w.text_count, w.dense);
      for (std::size_t i = 0; i < w.text_count; ++i) ActivateHead(w.dense[i]);
      input = w.dense;
    }
    w.compute.Project(*parts_.head_output, input, w.text_count, w.logits);
    return {w.logits.data, w.text_count * labels()};
  }

 private:
  static EncoderWorkspace& Own(Workspace& workspace) {
    auto* const own = dynamic_cast<EncoderWorkspace*>(&workspace);
    LOQUAT_CHECK(own != nullptr, "the workspace comes from NewWorkspace of this model");
    return *own;
  }

  std::size_t labels() const { return parts_.head_output ? parts_.head_output->weight.rows : 0; }

  // hidden = norm(token + position + token type)
  void Embed(EncoderWorkspace& w) const {
    w.compute.ForEachToken(w.tokens, std::size_t{4} * config_.width, [&](std::size_t t) {
      float* const hidden = w.hidden[t];
      DecodeRow(kernels_, parts_.token_embedding, w.token[t], hidden);
      DecodeRow(kernels_, parts_.position_embedding, w.position[t], w.added[t]);
      kernels_.add(hidden, w.added[t], config_.width);
      if (parts_.token_type) {
        DecodeRow(kernels_, *parts_.token_type, w.token_type[t], w.added[t]);
        kernels_.add(hidden, w.added[t], config_.width);
      }
      Normalize(parts_.embedding_norm, hidden);
    });
  }

  void Normalize(const LayerNorm& norm, float* x) const {
    kernels_.layer_norm(x, norm.weight.data(), norm.bias.data(), config_.norm_epsilon, x, config_.width);
  }

  // hidden = norm(hidden + added)
  void AddAndNormalize(const LayerNorm& norm, EncoderWorkspace& w) const {
    w.compute.ForEachToken(w.tokens, std::size_t{2} * config_.width, [&](std::size_t t) {
      kernels_.add(w.hidden[t], w.added[t], config_.width);
      Normalize(norm, w.hidden[t]);
    });
  }

  // added = attention(hidden) W_o
  void Attention(const EncoderLayer& layer, EncoderWorkspace& w) const {
    w.compute.Project(layer.qkv, w.hidden, w.tokens, w.qkv);
    w.compute.ForEachTask(w.block_count * config_.heads, [&](std::size_t task) {
      const TextBlock& block = w.blocks[task / config_.heads];
      const std::size_t column = task % config_.heads * config_.head_width;
      const float* const text = w.qkv[block.text_first] + column;
      kernels_.attend_rows({.q = w.qkv[block.first] + column,
                            .q_stride = w.qkv.stride,
                            .out = w.attended[block.first] + column,
                            .out_stride = w.attended.stride,
                            .tokens = block.tokens,
                            .heads = 1,
                            .head_width = config_.head_width,
                            .scale = 1.0F / std::sqrt(static_cast<float>(config_.head_width))},
                           {.keys = text + config_.width,
                            .values = text + std::size_t{2} * config_.width,
                            .stride = w.qkv.stride,
                            .tokens = block.text_tokens});
    });
    w.compute.Project(layer.attention_output, w.attended, w.tokens, w.added);
  }

  // added = W_down gelu(W_up hidden)
  void FeedForward(const EncoderLayer& layer, EncoderWorkspace& w) const {
    w.compute.Project(layer.ffn_up, w.hidden, w.tokens, w.up);
    w.compute.ForEachToken(w.tokens, std::size_t{4} * config_.ffn_width,
                           [&](std::size_t t) { kernels_.gelu_erf(w.up[t], config_.ffn_width); });
    w.compute.Project(layer.ffn_down, w.up, w.tokens, w.added);
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
};

}  // namespace

base::Result<std::unique_ptr<const EncoderModel>> LoadEncoder(ModelConfig config,
                                                              std::shared_ptr<const Weights> weights, kernels::Isa isa,
                                                              LinearNumbers numbers, const LoadProgress& progress) {
  LOQUAT_ASSIGN(EncoderWeights parts, ReadEncoderWeights(config, *weights));
  const kernels::TransformerKernels& tier = kernels::TransformerKernelsFor(isa);
  if (numbers == LinearNumbers::kInt8 && !tier.int8_panels) {
    return base::InvalidArgument(
        fmt::format("rounding to int8 needs integer dot products (avx512_vnni), and here the kernels are {}: load it "
                    "as it is stored",
                    kernels::IsaName(isa)));
  }
  InterleavedWeights interleaved(LinearsOf(parts), tier, *weights, numbers, progress);
  return std::make_unique<const Encoder>(std::move(config), std::move(parts), std::move(interleaved),
                                         std::move(weights), tier);
}

}  // namespace loquat::model
