#include "model/arch/decoder_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "kernels/transformer_kernels.h"

namespace loquat::model {
namespace {

base::Status CheckDecoderConfig(const ModelConfig& config) {
  const std::uint32_t counts[] = {config.layers,  config.width,      config.ffn_width,
                                  config.heads,   config.kv_heads,   config.head_width,
                                  config.context, config.vocabulary, config.rope_width};
  if (std::ranges::any_of(counts, [](std::uint32_t count) { return count == 0; })) {
    return base::InvalidArgument("the model's config leaves out layers, widths, heads, context or vocabulary");
  }
  if (config.heads % config.kv_heads != 0) {
    return base::InvalidArgument(
        fmt::format("{} query heads cannot share {} key-value heads evenly", config.heads, config.kv_heads));
  }
  if (config.head_width > kernels::kHeadWidthMax) {
    return base::InvalidArgument(
        fmt::format("heads are {} wide; at most {} is supported", config.head_width, kernels::kHeadWidthMax));
  }
  if (config.rope_width % 2 != 0 || config.rope_width > config.head_width) {
    return base::InvalidArgument(fmt::format("{} of a head's {} dimensions rotate; an even number up to all can",
                                             config.rope_width, config.head_width));
  }
  return {};
}

base::Result<std::vector<Linear>> ReadQkv(const TensorReader& reader, const std::string& prefix,
                                          const ModelConfig& config, const DecoderTraits& traits) {
  const std::uint64_t query = std::uint64_t{config.heads} * config.head_width;
  const std::uint64_t key = std::uint64_t{config.kv_heads} * config.head_width;
  std::vector<Linear> qkv(traits.fused ? 1 : 3);
  if (traits.fused) {
    LOQUAT_ASSIGN(qkv[0], reader.ReadLinear(prefix + "attn_qkv", query + 2 * key, config.width, traits.qkv_bias));
    return qkv;
  }
  LOQUAT_ASSIGN(qkv[0], reader.ReadLinear(prefix + "attn_q", query, config.width, traits.qkv_bias));
  LOQUAT_ASSIGN(qkv[1], reader.ReadLinear(prefix + "attn_k", key, config.width, traits.qkv_bias));
  LOQUAT_ASSIGN(qkv[2], reader.ReadLinear(prefix + "attn_v", key, config.width, traits.qkv_bias));
  return qkv;
}

base::Result<std::vector<Linear>> ReadGateUp(const TensorReader& reader, const std::string& prefix,
                                             const ModelConfig& config, const DecoderTraits& traits) {
  const std::uint64_t width = config.ffn_width;
  std::vector<Linear> gate_up(traits.fused ? 1 : 2);
  if (traits.fused) {
    LOQUAT_ASSIGN(gate_up[0], reader.ReadLinear(prefix + "ffn_up", 2 * width, config.width, Presence::kOptional));
    return gate_up;
  }
  LOQUAT_ASSIGN(gate_up[0], reader.ReadLinear(prefix + "ffn_gate", width, config.width, Presence::kOptional));
  LOQUAT_ASSIGN(gate_up[1], reader.ReadLinear(prefix + "ffn_up", width, config.width, Presence::kOptional));
  return gate_up;
}

base::Result<DecoderLayer> ReadLayer(const TensorReader& reader, std::uint32_t index, const ModelConfig& config,
                                     const DecoderTraits& traits) {
  const std::string prefix = fmt::format("blk.{}.", index);
  const std::uint64_t query = std::uint64_t{config.heads} * config.head_width;
  const Presence head_norm = traits.query_key_norm ? Presence::kRequired : Presence::kAbsent;
  DecoderLayer layer;
  LOQUAT_ASSIGN(layer.attention_norm, reader.ReadVector(prefix + "attn_norm.weight", config.width));
  LOQUAT_ASSIGN(layer.qkv, ReadQkv(reader, prefix, config, traits));
  LOQUAT_ASSIGN(layer.q_norm, reader.ReadVector(prefix + "attn_q_norm.weight", config.head_width, head_norm));
  LOQUAT_ASSIGN(layer.k_norm, reader.ReadVector(prefix + "attn_k_norm.weight", config.head_width, head_norm));
  LOQUAT_ASSIGN(layer.attention_output,
                reader.ReadLinear(prefix + "attn_output", config.width, query, Presence::kOptional));
  LOQUAT_ASSIGN(layer.ffn_norm, reader.ReadVector(prefix + "ffn_norm.weight", config.width));
  LOQUAT_ASSIGN(layer.gate_up, ReadGateUp(reader, prefix, config, traits));
  LOQUAT_ASSIGN(layer.ffn_down,
                reader.ReadLinear(prefix + "ffn_down", config.width, config.ffn_width, Presence::kOptional));
  return layer;
}

}  // namespace

base::Result<DecoderWeights> ReadDecoderWeights(const ModelConfig& config, const Weights& weights) {
  const auto* const traits = std::ranges::find(kDecoderTraits, config.architecture, &DecoderTraits::architecture);
  if (traits == std::end(kDecoderTraits)) {
    return base::InvalidArgument("the model's architecture is not a decoder: it does not generate text");
  }
  LOQUAT_TRY(CheckDecoderConfig(config));
  const TensorReader reader(weights);
  DecoderWeights read;
  LOQUAT_ASSIGN(read.token_embedding, reader.ReadMatrix("token_embd.weight", config.vocabulary, config.width));
  for (std::uint32_t i = 0; i < config.layers; ++i) {
    LOQUAT_ASSIGN(DecoderLayer layer, ReadLayer(reader, i, config, *traits));
    read.layers.push_back(std::move(layer));
  }
  LOQUAT_ASSIGN(read.output_norm, reader.ReadVector("output_norm.weight", config.width));
  if (reader.Has("output.weight")) {
    LOQUAT_ASSIGN(read.output, reader.ReadLinear("output", config.vocabulary, config.width, Presence::kOptional));
  } else {
    read.output.weight = read.token_embedding;
  }
  LOQUAT_ASSIGN(const std::vector<float> divisors,
                reader.ReadVector("rope_freqs.weight", config.rope_width / 2, Presence::kOptional));
  read.rope = Rope(config, divisors);
  return read;
}

std::vector<Linear*> LinearsOf(DecoderWeights& weights) {
  std::vector<Linear*> linears;
  for (DecoderLayer& layer : weights.layers) {
    for (Linear& linear : layer.qkv) linears.push_back(&linear);
    linears.push_back(&layer.attention_output);
    for (Linear& linear : layer.gate_up) linears.push_back(&linear);
    linears.push_back(&layer.ffn_down);
  }
  linears.push_back(&weights.output);
  return linears;
}

}  // namespace loquat::model
