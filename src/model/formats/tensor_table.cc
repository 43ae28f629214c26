#include "model/formats/tensor_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <unordered_set>
#include <utility>

#include "base/hash.h"
#include "model/formats/config_check.h"
#include "model/tensor/layout.h"

namespace loquat::model {
namespace {

// A length in terms of the config.
enum class Size : std::uint8_t {
  kNone,  // No such dimension.
  kWidth,
  kFfn,
  kFfnTwice,
  kVocabulary,
  kPositions,
  kTokenTypes,
  kQuery,  // heads * head_width
  kKey,    // kv_heads * head_width
  kQueryKeyValue,
  kHead,
  kRopePairs,
  kLabels,
};

// When a tensor is there.
enum class When : std::uint8_t {
  kAlways,
  kMaybe,
  kTokenTyped,  // token_types > 0.
  kPooledHead,  // Sequence classification and rerank: a dense layer on the first token.
  kHeaded,      // Any head.
};

struct Row {
  std::string_view name;
  Size rows;
  Size cols = Size::kNone;
  When when = When::kAlways;
};

constexpr Row kBertTop[] = {{"token_embd.weight", Size::kVocabulary, Size::kWidth},
                            {"token_types.weight", Size::kTokenTypes, Size::kWidth, When::kTokenTyped},
                            {"position_embd.weight", Size::kPositions, Size::kWidth},
                            {"token_embd_norm.weight", Size::kWidth},
                            {"token_embd_norm.bias", Size::kWidth},
                            {"cls.weight", Size::kWidth, Size::kWidth, When::kPooledHead},
                            {"cls.bias", Size::kWidth, Size::kNone, When::kPooledHead},
                            {"cls.output.weight", Size::kLabels, Size::kWidth, When::kHeaded},
                            {"cls.output.bias", Size::kLabels, Size::kNone, When::kHeaded}};
constexpr Row kBertLayer[] = {
    {"attn_q.weight", Size::kWidth, Size::kWidth},      {"attn_q.bias", Size::kWidth},
    {"attn_k.weight", Size::kWidth, Size::kWidth},      {"attn_k.bias", Size::kWidth},
    {"attn_v.weight", Size::kWidth, Size::kWidth},      {"attn_v.bias", Size::kWidth},
    {"attn_output.weight", Size::kWidth, Size::kWidth}, {"attn_output.bias", Size::kWidth},
    {"attn_output_norm.weight", Size::kWidth},          {"attn_output_norm.bias", Size::kWidth},
    {"ffn_up.weight", Size::kFfn, Size::kWidth},        {"ffn_up.bias", Size::kFfn},
    {"ffn_down.weight", Size::kWidth, Size::kFfn},      {"ffn_down.bias", Size::kWidth},
    {"layer_output_norm.weight", Size::kWidth},         {"layer_output_norm.bias", Size::kWidth}};

// Without output.weight, the token embedding gives the logits too.
constexpr Row kDecoderTop[] = {{"token_embd.weight", Size::kVocabulary, Size::kWidth},
                               {"output_norm.weight", Size::kWidth},
                               {"output.weight", Size::kVocabulary, Size::kWidth, When::kMaybe},
                               {"rope_freqs.weight", Size::kRopePairs, Size::kNone, When::kMaybe}};
constexpr Row kLlamaLayer[] = {{"attn_norm.weight", Size::kWidth},
                               {"attn_q.weight", Size::kQuery, Size::kWidth},
                               {"attn_k.weight", Size::kKey, Size::kWidth},
                               {"attn_v.weight", Size::kKey, Size::kWidth},
                               {"attn_output.weight", Size::kWidth, Size::kQuery},
                               {"ffn_norm.weight", Size::kWidth},
                               {"ffn_gate.weight", Size::kFfn, Size::kWidth},
                               {"ffn_up.weight", Size::kFfn, Size::kWidth},
                               {"ffn_down.weight", Size::kWidth, Size::kFfn}};
// Few checkpoints have them; what is there is added.
constexpr Row kDecoderBiases[] = {{"attn_output.bias", Size::kWidth, Size::kNone, When::kMaybe},
                                  {"ffn_down.bias", Size::kWidth, Size::kNone, When::kMaybe}};
constexpr Row kSplitBiases[] = {{"attn_q.bias", Size::kQuery, Size::kNone, When::kMaybe},
                                {"attn_k.bias", Size::kKey, Size::kNone, When::kMaybe},
                                {"attn_v.bias", Size::kKey, Size::kNone, When::kMaybe},
                                {"ffn_gate.bias", Size::kFfn, Size::kNone, When::kMaybe},
                                {"ffn_up.bias", Size::kFfn, Size::kNone, When::kMaybe}};
constexpr Row kQwen2Biases[] = {
    {"attn_q.bias", Size::kQuery}, {"attn_k.bias", Size::kKey}, {"attn_v.bias", Size::kKey}};
constexpr Row kQwen3Norms[] = {{"attn_q_norm.weight", Size::kHead}, {"attn_k_norm.weight", Size::kHead}};
constexpr Row kChatGlmLayer[] = {{"attn_norm.weight", Size::kWidth},
                                 {"attn_qkv.weight", Size::kQueryKeyValue, Size::kWidth},
                                 {"attn_qkv.bias", Size::kQueryKeyValue, Size::kNone, When::kMaybe},
                                 {"attn_output.weight", Size::kWidth, Size::kQuery},
                                 {"ffn_norm.weight", Size::kWidth},
                                 {"ffn_up.weight", Size::kFfnTwice, Size::kWidth},
                                 {"ffn_up.bias", Size::kFfnTwice, Size::kNone, When::kMaybe},
                                 {"ffn_down.weight", Size::kWidth, Size::kFfn}};

std::uint64_t Length(Size size, const ModelConfig& config) {
  const std::uint64_t query = std::uint64_t{config.heads} * config.head_width;
  const std::uint64_t key = std::uint64_t{config.kv_heads} * config.head_width;
  switch (size) {
    case Size::kWidth:
      return config.width;
    case Size::kFfn:
      return config.ffn_width;
    case Size::kFfnTwice:
      return std::uint64_t{2} * config.ffn_width;
    case Size::kVocabulary:
      return config.vocabulary;
    case Size::kPositions:
      return std::uint64_t{config.context} + config.position_offset;
    case Size::kTokenTypes:
      return config.token_types;
    case Size::kQuery:
      return query;
    case Size::kKey:
      return key;
    case Size::kQueryKeyValue:
      return query + 2 * key;
    case Size::kHead:
      return config.head_width;
    case Size::kRopePairs:
      return config.rope_width / 2;
    case Size::kLabels:
      return config.labels.size();  // Zero: as many as the tensor has.
    case Size::kNone:
      break;
  }
  return 0;
}

// Whether it may be there, and whether it must.
enum class Need : std::uint8_t { kAbsent, kOptional, kRequired };

Need NeedOf(When when, const ModelConfig& config) {
  const auto required_if = [](bool there) { return there ? Need::kRequired : Need::kAbsent; };
  switch (when) {
    case When::kAlways:
      return Need::kRequired;
    case When::kMaybe:
      return Need::kOptional;
    case When::kTokenTyped:
      return required_if(config.token_types > 0);
    case When::kPooledHead:
      return required_if(config.head == BertHead::kSequenceClassification || config.head == BertHead::kRerank);
    case When::kHeaded:
      return required_if(config.head != BertHead::kNone);
  }
  return Need::kAbsent;
}

void Add(std::span<const Row> rows, std::string_view prefix, const ModelConfig& config,
         std::vector<ExpectedTensor>& out) {
  for (const Row& row : rows) {
    const Need need = NeedOf(row.when, config);
    if (need == Need::kAbsent) continue;
    ExpectedTensor tensor{.name = fmt::format("{}{}", prefix, row.name),
                          .shape = {Length(row.rows, config)},
                          .required = need == Need::kRequired};
    if (row.cols != Size::kNone) tensor.shape.push_back(Length(row.cols, config));
    out.push_back(std::move(tensor));
  }
}

bool Fits(std::span<const std::uint64_t> shape, std::span<const std::uint64_t> expected) {
  return std::ranges::equal(shape, expected,
                            [](std::uint64_t is, std::uint64_t wanted) { return wanted == 0 || is == wanted; });
}

bool IsFloat(kernels::WeightType type) {
  return kernels::LayoutOf(type).block_weights == 1;
}

base::Status CheckTensor(const ExpectedTensor& expected, const Weights& weights, std::string_view file) {
  const Tensor* tensor = weights.Find(expected.name);
  if (tensor == nullptr) {
    if (!expected.required) return {};
    return base::DataLoss(fmt::format("{}: the tensor '{}' is missing", file, expected.name));
  }
  if (!Fits(tensor->shape, expected.shape)) {
    return base::DataLoss(fmt::format("{}: the tensor '{}' has the shape {}; its config asks for {}", file,
                                      tensor->name, ShapeText(tensor->shape), ShapeText(expected.shape)));
  }
  if (expected.shape.size() == 1 && !IsFloat(tensor->type)) {
    return base::DataLoss(fmt::format("{}: the tensor '{}' is a vector of type {}; f32, f16 or bf16 is allowed", file,
                                      tensor->name, kernels::LayoutOf(tensor->type).name));
  }
  return {};
}

}  // namespace

std::vector<ExpectedTensor> ExpectedTensors(const ModelConfig& config) {
  std::vector<ExpectedTensor> out;
  if (config.architecture == Architecture::kBert) {
    Add(kBertTop, "", config, out);
  } else {
    Add(kDecoderTop, "", config, out);
  }
  for (std::uint32_t layer = 0; layer < config.layers; ++layer) {
    const std::string prefix = fmt::format("blk.{}.", layer);
    switch (config.architecture) {
      case Architecture::kBert:
        Add(kBertLayer, prefix, config, out);
        break;
      case Architecture::kChatGlm:
        Add(kChatGlmLayer, prefix, config, out);
        break;
      case Architecture::kQwen3:
        Add(kQwen3Norms, prefix, config, out);
        Add(kLlamaLayer, prefix, config, out);
        Add(kSplitBiases, prefix, config, out);
        break;
      case Architecture::kQwen2:
        Add(kQwen2Biases, prefix, config, out);
        Add(kLlamaLayer, prefix, config, out);
        break;
      case Architecture::kLlama:
        Add(kLlamaLayer, prefix, config, out);
        Add(kSplitBiases, prefix, config, out);
        break;
    }
    if (config.architecture != Architecture::kBert) Add(kDecoderBiases, prefix, config, out);
  }
  return out;
}

base::Status CheckTensors(const ModelConfig& config, const Weights& weights, std::string_view file) {
  const std::vector<ExpectedTensor> expected = ExpectedTensors(config);
  std::unordered_set<std::string_view, base::StringHash> known;
  for (const ExpectedTensor& tensor : expected) {
    LOQUAT_TRY(CheckTensor(tensor, weights, file));
    known.insert(tensor.name);
  }
  for (const Tensor& tensor : weights.tensors()) {
    if (known.contains(tensor.name)) continue;
    return base::Error{.code = base::Code::kUnimplemented,
                       .message = fmt::format("{}: the tensor '{}' is none that the architecture {} computes with; "
                                              "the model needs a feature that is not supported",
                                              file, tensor.name, ArchitectureName(config.architecture))};
  }
  return {};
}

}  // namespace loquat::model
