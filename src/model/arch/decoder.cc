// The forward pass of decoder transformers: Vaswani et al., "Attention is all you need", 2017, in the form of Llama and
// its kin: norms first (RMS), rotated queries and keys, grouped query heads (Ainslie et al., "GQA", 2023) and gated
// feed-forward layers (Shazeer, "GLU variants improve transformer", 2020).

#include <algorithm>
#include <array>
#include <cmath>
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
      const DecoderLayer& layer = parts_.layers[i];
      Normalize(layer.attention_norm, w);
      Attention(layer, i, w);
      AddToStream(w);
      Normalize(layer.ffn_norm, w);
      FeedForward(layer, w);
      AddToStream(w);
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

  // normal = norm(hidden)
  void Normalize(const std::vector<float>& weight, DecoderWorkspace& w) const {
    w.compute().ForEachToken(w.tokens(), config_.width, [&](std::size_t t) {
      kernels_.rms_norm(w.hidden[t], weight.data(), config_.norm_epsilon, w.normal[t], config_.width);
    });
  }

  // hidden += normal
  void AddToStream(DecoderWorkspace& w) const {
    w.compute().ForEachToken(w.tokens(), config_.width,
                             [&](std::size_t t) { kernels_.add(w.hidden[t], w.normal[t], config_.width); });
  }

  // normal = attention(normal) W_o; keys and values go to the pages.
  void Attention(const DecoderLayer& layer, std::size_t index, DecoderWorkspace& w) const {
    w.compute().Project(layer.qkv, w.normal, w.tokens(), w.qkv);
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
    w.compute().Project(layer.attention_output, w.attended, w.tokens(), w.normal);
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
    const std::size_t row = w.position(t) % kKvPageTokens;
    const float* value = key + config_.kv_heads * width;
    for (std::size_t h = 0; h < config_.kv_heads; ++h, key += width, value += width) {
      std::array<std::uint16_t, kernels::kHeadWidthMax> halves;
      kernels_.to_half(HalfOf(kv_type_), key, halves.data(), width);
      std::uint16_t* const keys = Halves(w.page(t) + PageOffset(layer, KeyOrValue::kKey, h));
      for (std::size_t k = 0; k < width; ++k) keys[k * kKvPageTokens + row] = halves[k];
      std::uint16_t* const values = Halves(w.page(t) + PageOffset(layer, KeyOrValue::kValue, h));
      kernels_.to_half(HalfOf(kv_type_), value, values + row * width, width);
    }
  }
  static std::uint16_t* Halves(std::byte* page) { return reinterpret_cast<std::uint16_t*>(page); }

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
                           .type = HalfOf(kv_type_),
                           .position = block.position});
  }

  // normal = W_down (silu(W_gate normal) * W_up normal)
  void FeedForward(const DecoderLayer& layer, DecoderWorkspace& w) const {
    const std::size_t width = config_.ffn_width;
    for (std::size_t first = 0; first < w.tokens(); first += kFeedForwardTokens) {
      const std::size_t tokens = std::min<std::size_t>(kFeedForwardTokens, w.tokens() - first);
      const Rows normal{.data = w.normal[first], .stride = w.normal.stride};
      w.compute().Project(layer.gate_up, normal, tokens, w.gate_up);
      w.compute().ForEachToken(tokens, 4 * width, [&](std::size_t t) {
        kernels_.silu_multiply(w.gate_up[t], w.gate_up[t] + width, w.gate_up[t], width);
      });
      w.compute().Project(layer.ffn_down, w.gate_up, tokens, normal);
    }
  }

  // norm(hidden) W_output^T for the rows that ask.
  std::span<const float> Logits(DecoderWorkspace& w) const {
    const std::span<const std::uint32_t> rows = w.logit_rows();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      kernels_.rms_norm(w.hidden[rows[i]], parts_.output_norm.data(), config_.norm_epsilon, w.normal[i], config_.width);
    }
    if (!rows.empty()) w.compute().Project(parts_.output, w.normal, rows.size(), w.logits);
    return {w.logits.data, rows.size() * config_.vocabulary};
  }

  // Bytes from a page's start to a head's rows (model/decoder.h, KvLayout).
  std::size_t PageOffset(std::size_t layer, KeyOrValue which, std::size_t head) const {
    const std::size_t heads = (layer * 2 + static_cast<std::size_t>(which)) * config_.kv_heads + head;
    return heads * kKvPageTokens * config_.head_width * sizeof(std::uint16_t);
  }

  // Query heads of one call to the kernel.
  std::size_t TaskHeads() const { return std::min(group_, kernels::kAttentionQueriesMax); }

  static kernels::HalfType HalfOf(KvType type) {
    return type == KvType::kF16 ? kernels::HalfType::kF16 : kernels::HalfType::kBF16;
  }

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
                                                              KvType kv_type, const LoadProgress& progress) {
  LOQUAT_ASSIGN(DecoderWeights parts, ReadDecoderWeights(config, *weights));
  const kernels::TransformerKernels& tier = kernels::TransformerKernelsFor(isa);
  InterleavedWeights interleaved(LinearsOf(parts), tier, *weights, LinearNumbers::kStored, progress);
  return std::make_unique<const Decoder>(std::move(config), std::move(parts), std::move(interleaved),
                                         std::move(weights), tier, kv_type);
}

}  // namespace loquat::model
