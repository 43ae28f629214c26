// The forward pass of decoder transformers: Vaswani et al., "Attention is all you need", 2017, in the form of Llama and
// its kin: norms first (RMS), rotated queries and keys, grouped query heads (Ainslie et al., "GQA", 2023) and gated
// feed-forward layers (Shazeer, "GLU variants improve transformer", 2020).

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "kernels/transformer_kernels.h"
#include "model/arch/decoder_weights.h"
#include "model/arch/decoder_workspace.h"
#include "model/arch/interleaved_weights.h"
#include "model/arch/load.h"
#include "model/arch/row_decoder.h"

namespace loquat::model {
namespace {

static_assert(kKvPageTokens == kernels::kAttentionBlockTokens, "a page is one block of the attention kernel");

enum class KeyOrValue : std::uint8_t { kKey, kValue };

class Decoder final : public DecoderModel {
 public:
  Decoder(ModelConfig config, DecoderWeights parts, InterleavedWeights interleaved,
          std::shared_ptr<const Weights> weights, const kernels::TransformerKernels& kernels, KvType kv_type)
      : config_(std::move(config)),
        parts_(std::move(parts)),
        interleaved_(std::move(interleaved)),
        weights_(std::move(weights)),
        kernels_(kernels),
        kv_type_(kv_type),
        group_(config_.heads / config_.kv_heads) {}

  const ModelConfig& config() const override { return config_; }

  KvLayout kv_layout() const override {
    return {.layers = config_.layers, .kv_heads = config_.kv_heads, .head_width = config_.head_width, .type = kv_type_};
  }

  std::unique_ptr<Workspace> NewWorkspace(std::uint32_t tokens_max, kernels::ThreadTeam& team) const override {
    LOQUAT_CHECK(tokens_max > 0, "a workspace is for at least one token");
    const std::size_t block_tokens = kernels::kAttentionQueriesMax / TaskHeads();
    return std::make_unique<DecoderWorkspace>(config_, tokens_max, block_tokens, kernels_, team);
  }

  base::Status CheckWeights(Workspace& workspace) const override {
    return weights_->Check(Own(workspace).compute().team());
  }

  std::span<const float> Forward(std::span<const DecoderSlice> slices, Workspace& workspace) const override {
    DecoderWorkspace& w = Own(workspace);
    w.Place(slices);
    Embed(w);
    for (std::size_t i = 0; i < parts_.layers.size(); ++i) {
      Attention(parts_.layers[i], i, w);
      FeedForward(parts_.layers[i], w);
    }
    return Logits(w);
  }

 private:
  static DecoderWorkspace& Own(Workspace& workspace) {
    auto* const own = dynamic_cast<DecoderWorkspace*>(&workspace);
    LOQUAT_CHECK(own != nullptr, "the workspace comes from NewWorkspace of this model");
    return *own;
  }

  // hidden = the tokens' embeddings; and the angles of their positions.
  void Embed(DecoderWorkspace& w) const {
    for (std::size_t t = 0; t < w.tokens(); ++t) {
      LOQUAT_CHECK(static_cast<std::uint32_t>(w.token(t)) < config_.vocabulary, "token ids are checked by the caller");
    }
    // A cosine and a sine take as long as some fifty multiplications.
    w.compute().ForEachToken(w.tokens(), config_.width + 50 * config_.rope_width, [&](std::size_t t) {
      DecodeRow(kernels_, parts_.token_embedding, static_cast<std::size_t>(w.token(t)), w.hidden[t]);
      parts_.rope.Angles(w.position(t), w.cosine[t], w.sine[t]);
    });
  }

  // For rows [first, first + count): hidden += normal, what the block before adds, if there is one; then normal =
  // norm(hidden), rounded to what `next` takes, row i as row i - first.
  void AddAndNormalize(bool add, const std::vector<float>& norm, std::span<const Linear> next, std::size_t first,
                       std::size_t count, DecoderWorkspace& w) const {
    w.compute().ForEachToken(count, std::size_t{3} * config_.width, [&](std::size_t i) {
      float* const hidden = w.hidden[first + i];
      float* const normal = w.normal[first + i];
      if (add) kernels_.add(hidden, normal, config_.width);
      kernels_.rms_norm(hidden, norm.data(), config_.norm_epsilon, normal, config_.width);
      w.compute().Round(next, normal, i);
    });
  }

  // normal = attention(norm(hidden)) W_o; keys and values go to the pages. After the last layer's, only rows whose
  // logits are asked for go on.
  void Attention(const DecoderLayer& layer, std::size_t index, DecoderWorkspace& w) const {
    AddAndNormalize(index > 0, layer.attention_norm, layer.qkv, 0, w.tokens(), w);
    w.compute().Project(layer.qkv, w.normal, w.tokens(), w.qkv, {.rounded = true});
    w.compute().ForEachToken(w.tokens(), w.qkv.stride, [&](std::size_t t) {
      float* const query = w.qkv[t];
      float* const key = query + std::size_t{config_.heads} * config_.head_width;
      for (std::size_t h = 0; h < config_.heads; ++h) PlaceHead(layer.q_norm, t, query + h * config_.head_width, w);
      for (std::size_t h = 0; h < config_.kv_heads; ++h) PlaceHead(layer.k_norm, t, key + h * config_.head_width, w);
      Keep(index, t, key, w);
    });
    const std::size_t tasks_of_block = config_.kv_heads * ((group_ + TaskHeads() - 1) / TaskHeads());
    w.compute().ForEachTask(w.blocks().size() * tasks_of_block, [&](std::size_t task) {
      Attend(index, w.blocks()[task / tasks_of_block], task % tasks_of_block, w);
    });
    if (index + 1 == config_.layers) w.KeepLogitRows();
    if (w.rows() > 0) w.compute().Project(layer.attention_output, w.attended, w.rows(), w.normal);
  }

  // Normalises a head where the model does, and turns it by its token's position.
  void PlaceHead(const std::vector<float>& norm, std::size_t t, float* head, const DecoderWorkspace& w) const {
    if (!norm.empty()) kernels_.rms_norm(head, norm.data(), config_.norm_epsilon, head, config_.head_width);
    const auto rope = config_.rope_pairs_adjacent ? kernels_.rope_adjacent : kernels_.rope_halves;
    rope(head, w.cosine[t], w.sine[t], parts_.rope.pairs());
  }

  // Writes a token's keys and values, [2, kv_heads, head_width], to its page: its column of the keys, its row of the
  // values.
  void Keep(std::size_t layer, std::size_t t, const float* key, const DecoderWorkspace& w) const {
    const std::size_t width = config_.head_width;
    const std::size_t place = w.position(t) % kKvPageTokens;
    const float* value = key + config_.kv_heads * width;
    for (std::size_t h = 0; h < config_.kv_heads; ++h, key += width, value += width) {
      std::byte* const keys = w.page(t) + PageOffset(layer, KeyOrValue::kKey, h);
      std::byte* const values = w.page(t) + PageOffset(layer, KeyOrValue::kValue, h);
      if (kv_type_ == KvType::kInt8) {
        KeepAs<std::int8_t>(key, value, place, keys, values);
      } else {
        KeepAs<std::uint16_t>(key, value, place, keys, values);
      }
    }
  }

  // Of one head.
  template <typename Number>
  void KeepAs(const float* key, const float* value, std::size_t place, std::byte* keys, std::byte* values) const {
    const std::size_t width = config_.head_width;
    std::array<Number, kernels::kHeadWidthMax> row;
    Narrow(key, row.data(), place, keys);
    for (std::size_t k = 0; k < width; ++k) reinterpret_cast<Number*>(keys)[k * kKvPageTokens + place] = row[k];
    Narrow(value, reinterpret_cast<Number*>(values) + place * width, place, values);
  }
  void Narrow(const float* x, std::uint16_t* out, std::size_t, std::byte*) const {
    const auto type = kv_type_ == KvType::kF16 ? kernels::HalfType::kF16 : kernels::HalfType::kBF16;
    kernels_.to_half(type, x, out, config_.head_width);
  }
  // Its scale goes behind the numbers of the page's head.
  void Narrow(const float* x, std::int8_t* out, std::size_t place, std::byte* head) const {
    const float scale = kernels_.to_int8(x, out, config_.head_width);
    std::memcpy(head + kKvPageTokens * config_.head_width + place * sizeof scale, &scale, sizeof scale);
  }

  // The query heads that share a key-value head, or as many of them as the kernel takes, for one block of tokens.
  void Attend(std::size_t layer, const QueryBlock& block, std::size_t task, const DecoderWorkspace& w) const {
    const std::size_t tasks_of_head = (group_ + TaskHeads() - 1) / TaskHeads();
    const std::size_t kv_head = task / tasks_of_head;
    const std::size_t in_group = task % tasks_of_head * TaskHeads();
    const std::size_t column = (kv_head * group_ + in_group) * config_.head_width;
    kernels_.attend_pages({.q = w.qkv[block.first] + column,
                           .q_stride = w.qkv.stride,
                           .out = w.attended[block.first] + column,
                           .out_stride = w.attended.stride,
                           .tokens = block.tokens,
                           .heads = std::min(TaskHeads(), group_ - in_group),
                           .head_width = config_.head_width,
                           .scale = 1.0F / std::sqrt(static_cast<float>(config_.head_width))},
                          {.pages = block.slice->pages.data(),
                           .key_offset = PageOffset(layer, KeyOrValue::kKey, kv_head),
                           .value_offset = PageOffset(layer, KeyOrValue::kValue, kv_head),
                           .type = kv_type_,
                           .position = block.position});
  }

  // hidden += normal; normal = W_down (silu(W_gate x) * W_up x) of x = norm(hidden).
  void FeedForward(const DecoderLayer& layer, DecoderWorkspace& w) const {
    const std::size_t width = config_.ffn_width;
    for (std::size_t first = 0; first < w.rows(); first += kFeedForwardTokens) {
      const std::size_t tokens = std::min<std::size_t>(kFeedForwardTokens, w.rows() - first);
      const Rows normal{.data = w.normal[first], .stride = w.normal.stride};
      AddAndNormalize(true, layer.ffn_norm, layer.gate_up, first, tokens, w);
      w.compute().Project(layer.gate_up, normal, tokens, w.gate_up, {.rounded = true});
      w.compute().ForEachToken(tokens, 4 * width, [&](std::size_t t) {
        kernels_.silu_multiply(w.gate_up[t], w.gate_up[t] + width, w.gate_up[t], width);
        w.compute().Round(layer.ffn_down, w.gate_up[t], t);
      });
      w.compute().Project(layer.ffn_down, w.gate_up, tokens, normal, {.rounded = true});
    }
  }

  // norm(hidden + normal) W_output^T for the rows that ask, which are all that are left.
  std::span<const float> Logits(DecoderWorkspace& w) const {
    if (w.rows() == 0) return {};
    AddAndNormalize(true, parts_.output_norm, {&parts_.output, 1}, 0, w.rows(), w);
    w.compute().Project(parts_.output, w.normal, w.rows(), w.logits, {.rounded = true});
    return {w.logits.data, w.rows() * config_.vocabulary};
  }

  // Bytes from a page's start to a head's rows (model/decoder.h, KvLayout).
  std::size_t PageOffset(std::size_t layer, KeyOrValue which, std::size_t head) const {
    const std::size_t heads = (layer * 2 + static_cast<std::size_t>(which)) * config_.kv_heads + head;
    return heads * kernels::KvHeadBytes(kv_type_, config_.head_width);
  }

  // Query heads of one call to the kernel.
  std::size_t TaskHeads() const { return std::min(group_, kernels::kAttentionQueriesMax); }

  const ModelConfig config_;
  const DecoderWeights parts_;
  const InterleavedWeights interleaved_;          // Where layers of parts_ lie.
  const std::shared_ptr<const Weights> weights_;  // Holds the matrices of parts_.
  const kernels::TransformerKernels& kernels_;
  const KvType kv_type_;
  const std::size_t group_;  // Query heads that share a key-value head.
};

}  // namespace

base::Result<std::unique_ptr<const DecoderModel>> LoadDecoder(ModelConfig config,
                                                              std::shared_ptr<const Weights> weights, kernels::Isa isa,
                                                              KvType kv_type, const LoadProgress& progress,
                                                              LinearNumbers numbers) {
  LOQUAT_ASSIGN(DecoderWeights parts, ReadDecoderWeights(config, *weights));
  const kernels::TransformerKernels& tier = kernels::TransformerKernelsFor(isa);
  InterleavedWeights interleaved(LinearsOf(parts), tier, *weights, numbers, progress);
  return std::make_unique<const Decoder>(std::move(config), std::move(parts), std::move(interleaved),
                                         std::move(weights), tier, kv_type);
}

}  // namespace loquat::model
