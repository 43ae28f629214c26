#include "model/arch/encoder_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "kernels/transformer_kernels.h"

namespace loquat::model {
namespace {

base::Status CheckEncoderConfig(const ModelConfig& config) {
  if (config.architecture != Architecture::kBert) {
    return base::InvalidArgument("the model's architecture is not an encoder: it generates text");
  }
  const std::uint32_t counts[] = {config.layers,     config.width,   config.ffn_width, config.heads,
                                  config.head_width, config.context, config.vocabulary};
  if (std::ranges::any_of(counts, [](std::uint32_t count) { return count == 0; })) {
    return base::InvalidArgument("the model's config leaves out layers, widths, heads, context or vocabulary");
  }
  if (std::uint64_t{config.heads} * config.head_width != config.width || config.kv_heads != config.heads) {
    return base::InvalidArgument(fmt::format("{} heads of width {} and {} key heads do not divide a width of {} evenly",
                                             config.heads, config.head_width, config.kv_heads, config.width));
  }
  if (config.head_width > kernels::kHeadWidthMax) {
    return base::InvalidArgument(
        fmt::format("heads are {} wide; at most {} is supported", config.head_width, kernels::kHeadWidthMax));
  }
  return {};
}

base::Result<LayerNorm> ReadNorm(const TensorReader& reader, const std::string& name, std::uint32_t width) {
  LayerNorm norm;
  LOQUAT_ASSIGN(norm.weight, reader.ReadVector(name + ".weight", width));
  LOQUAT_ASSIGN(norm.bias, reader.ReadVector(name + ".bias", width));
  return norm;
}

base::Result<EncoderLayer> ReadLayer(const TensorReader& reader, std::uint32_t index, const ModelConfig& config) {
  const std::string prefix = fmt::format("blk.{}.", index);
  const std::uint32_t width = config.width;
  EncoderLayer layer;
  for (const std::string_view name : {"attn_q", "attn_k", "attn_v"}) {
    LOQUAT_ASSIGN(Linear linear, reader.ReadLinear(prefix + std::string(name), width, width, Presence::kRequired));
    layer.qkv.push_back(std::move(linear));
  }
  LOQUAT_ASSIGN(layer.attention_output, reader.ReadLinear(prefix + "attn_output", width, width, Presence::kRequired));
  LOQUAT_ASSIGN(layer.attention_norm, ReadNorm(reader, prefix + "attn_output_norm", width));
  LOQUAT_ASSIGN(layer.ffn_up, reader.ReadLinear(prefix + "ffn_up", config.ffn_width, width, Presence::kRequired));
  LOQUAT_ASSIGN(layer.ffn_down, reader.ReadLinear(prefix + "ffn_down", width, config.ffn_width, Presence::kRequired));
  LOQUAT_ASSIGN(layer.output_norm, ReadNorm(reader, prefix + "layer_output_norm", width));
  return layer;
}

// cls is the dense layer and cls.output gives the labels; a file with cls alone means the labels by it.
base::Status ReadHead(const TensorReader& reader, const ModelConfig& config, EncoderWeights& read) {
  if (config.head == BertHead::kNone) return {};
  const bool has_output = reader.Has("cls.output.weight");
  const bool has_dense = has_output && reader.Has("cls.weight") && config.head != BertHead::kTokenClassification;
  if (has_dense) {
    LOQUAT_ASSIGN(read.head_dense, reader.ReadLinear("cls", config.width, config.width, Presence::kOptional));
  }
  const std::string name = has_output || !reader.Has("cls.weight") ? "cls.output" : "cls";
  const std::uint64_t labels = config.head == BertHead::kRerank ? 1 : config.labels.size();
  LOQUAT_ASSIGN(read.head_output, reader.ReadLinear(name, labels, config.width, Presence::kOptional));
  return {};
}

}  // namespace

base::Result<EncoderWeights> ReadEncoderWeights(const ModelConfig& config, const Weights& weights) {
  LOQUAT_TRY(CheckEncoderConfig(config));
  const TensorReader reader(weights);
  EncoderWeights read;
  LOQUAT_ASSIGN(read.token_embedding, reader.ReadMatrix("token_embd.weight", config.vocabulary, config.width));
  LOQUAT_ASSIGN(read.position_embedding, reader.ReadMatrix("position_embd.weight", 0, config.width));
  const std::uint64_t positions = std::uint64_t{config.position_offset} + config.context;
  if (read.position_embedding.rows < positions) {
    return base::DataLoss(
        fmt::format("tensor 'position_embd.weight' has shape [{}, {}]; the model's config asks for "
                    "[{}, {}] or more rows",
                    read.position_embedding.rows, config.width, positions, config.width));
  }
  if (config.token_types > 0) {
    LOQUAT_ASSIGN(read.token_type, reader.ReadMatrix("token_types.weight", config.token_types, config.width));
  }
  LOQUAT_ASSIGN(read.embedding_norm, ReadNorm(reader, "token_embd_norm", config.width));
  for (std::uint32_t i = 0; i < config.layers; ++i) {
    LOQUAT_ASSIGN(EncoderLayer layer, ReadLayer(reader, i, config));
    read.layers.push_back(std::move(layer));
  }
  LOQUAT_TRY(ReadHead(reader, config, read));
  return read;
}

std::vector<Linear*> LinearsOf(EncoderWeights& weights) {
  std::vector<Linear*> linears;
  for (EncoderLayer& layer : weights.layers) {
    for (Linear& linear : layer.qkv) linears.push_back(&linear);
    for (Linear* linear : {&layer.attention_output, &layer.ffn_up, &layer.ffn_down}) linears.push_back(linear);
  }
  for (std::optional<Linear>* head : {&weights.head_dense, &weights.head_output}) {
    if (head->has_value()) linears.push_back(&**head);
  }
  return linears;
}

}  // namespace loquat::model
