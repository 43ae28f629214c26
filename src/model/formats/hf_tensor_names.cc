#include "model/formats/hf_tensor_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "base/strings.h"

namespace loquat::model {
namespace {

// "#" stands for the number of a layer. Names lack the prefixes of kPrefixes and the endings .weight and .bias.
struct Pair {
  std::string_view theirs;
  std::string_view ours;  // Empty: ignored.
};

constexpr std::string_view kPrefixes[] = {"bert.", "roberta.", "distilbert.", "model.", "transformer."};

constexpr Pair kBert[] = {{"embeddings.word_embeddings", "token_embd"},
                          {"embeddings.token_type_embeddings", "token_types"},
                          {"embeddings.position_embeddings", "position_embd"},
                          {"embeddings.LayerNorm", "token_embd_norm"},
                          {"encoder.layer.#.attention.self.query", "blk.#.attn_q"},
                          {"encoder.layer.#.attention.self.key", "blk.#.attn_k"},
                          {"encoder.layer.#.attention.self.value", "blk.#.attn_v"},
                          {"encoder.layer.#.attention.output.dense", "blk.#.attn_output"},
                          {"encoder.layer.#.attention.output.LayerNorm", "blk.#.attn_output_norm"},
                          {"encoder.layer.#.intermediate.dense", "blk.#.ffn_up"},
                          {"encoder.layer.#.output.dense", "blk.#.ffn_down"},
                          {"encoder.layer.#.output.LayerNorm", "blk.#.layer_output_norm"},
                          {"pooler.dense", "cls"},
                          {"classifier.dense", "cls"},  // RoBERTa.
                          {"classifier.out_proj", "cls.output"},
                          {"classifier", "cls.output"},
                          {"embeddings.position_ids", ""},
                          {"embeddings.token_type_ids", ""},
                          {"cls.predictions", ""},
                          {"cls.predictions.decoder", ""},
                          {"cls.predictions.transform.dense", ""},
                          {"cls.predictions.transform.LayerNorm", ""},
                          {"cls.seq_relationship", ""},
                          {"lm_head", ""},
                          {"lm_head.dense", ""},
                          {"lm_head.layer_norm", ""},
                          {"lm_head.decoder", ""}};

constexpr Pair kDistilBert[] = {{"embeddings.word_embeddings", "token_embd"},
                                {"embeddings.position_embeddings", "position_embd"},
                                {"embeddings.LayerNorm", "token_embd_norm"},
                                {"layer.#.attention.q_lin", "blk.#.attn_q"},
                                {"layer.#.attention.k_lin", "blk.#.attn_k"},
                                {"layer.#.attention.v_lin", "blk.#.attn_v"},
                                {"layer.#.attention.out_lin", "blk.#.attn_output"},
                                {"layer.#.sa_layer_norm", "blk.#.attn_output_norm"},
                                {"layer.#.ffn.lin1", "blk.#.ffn_up"},
                                {"layer.#.ffn.lin2", "blk.#.ffn_down"},
                                {"layer.#.output_layer_norm", "blk.#.layer_output_norm"},
                                {"pre_classifier", "cls"},
                                {"classifier", "cls.output"},
                                {"embeddings.position_ids", ""},
                                {"vocab_transform", ""},
                                {"vocab_layer_norm", ""},
                                {"vocab_projector", ""}};

constexpr Pair kLlama[] = {{"embed_tokens", "token_embd"},
                           {"norm", "output_norm"},
                           {"lm_head", "output"},
                           {"layers.#.input_layernorm", "blk.#.attn_norm"},
                           {"layers.#.self_attn.q_proj", "blk.#.attn_q"},
                           {"layers.#.self_attn.k_proj", "blk.#.attn_k"},
                           {"layers.#.self_attn.v_proj", "blk.#.attn_v"},
                           {"layers.#.self_attn.q_norm", "blk.#.attn_q_norm"},
                           {"layers.#.self_attn.k_norm", "blk.#.attn_k_norm"},
                           {"layers.#.self_attn.o_proj", "blk.#.attn_output"},
                           {"layers.#.post_attention_layernorm", "blk.#.ffn_norm"},
                           {"layers.#.mlp.gate_proj", "blk.#.ffn_gate"},
                           {"layers.#.mlp.up_proj", "blk.#.ffn_up"},
                           {"layers.#.mlp.down_proj", "blk.#.ffn_down"},
                           {"layers.#.self_attn.rotary_emb.inv_freq", ""}};

constexpr Pair kChatGlm[] = {{"embedding.word_embeddings", "token_embd"},
                             {"encoder.final_layernorm", "output_norm"},
                             {"output_layer", "output"},
                             {"encoder.layers.#.input_layernorm", "blk.#.attn_norm"},
                             {"encoder.layers.#.self_attention.query_key_value", "blk.#.attn_qkv"},
                             {"encoder.layers.#.self_attention.dense", "blk.#.attn_output"},
                             {"encoder.layers.#.post_attention_layernorm", "blk.#.ffn_norm"},
                             {"encoder.layers.#.mlp.dense_h_to_4h", "blk.#.ffn_up"},
                             {"encoder.layers.#.mlp.dense_4h_to_h", "blk.#.ffn_down"},
                             {"rotary_pos_emb.inv_freq", ""}};

std::span<const Pair> TableOf(HfFamily family) {
  switch (family) {
    case HfFamily::kBert:
      return kBert;
    case HfFamily::kDistilBert:
      return kDistilBert;
    case HfFamily::kLlama:
      return kLlama;
    case HfFamily::kChatGlm:
      return kChatGlm;
  }
  return {};
}

// The number of a layer as names write it: no sign, no leading zero.
bool IsLayerNumber(std::string_view text) {
  return base::ParseInt<std::uint32_t>(text).has_value() && (text == "0" || text.front() != '0');
}

// Whether `name` is `pattern`; the number that stands at its "#" goes to `layer`.
bool Matches(std::string_view pattern, std::string_view name, std::string_view& layer) {
  const std::size_t mark = pattern.find('#');
  if (mark == std::string_view::npos) return pattern == name;
  const std::string_view after = pattern.substr(mark + 1);
  if (name.size() <= pattern.size() - 1 || !name.starts_with(pattern.substr(0, mark)) || !name.ends_with(after)) {
    return false;
  }
  layer = name.substr(mark, name.size() - mark - after.size());
  return IsLayerNumber(layer);
}

}  // namespace

MappedName MapHfTensorName(std::string_view name, HfFamily family, BertHead head) {
  for (const std::string_view prefix : kPrefixes) {
    if (name.starts_with(prefix)) {
      name.remove_prefix(prefix.size());
      break;
    }
  }
  // DistilBERT has "distilbert.transformer.layer.0…".
  if (family == HfFamily::kDistilBert && name.starts_with("transformer."))
    name.remove_prefix(sizeof("transformer.") - 1);

  std::string_view ending;
  // gamma and beta are TensorFlow's names for a norm's weight and bias, which old checkpoints keep.
  constexpr Pair kEndings[] = {{".weight", ".weight"}, {".bias", ".bias"}, {".gamma", ".weight"}, {".beta", ".bias"}};
  for (const Pair& known : kEndings) {
    if (!ending.empty() || !name.ends_with(known.theirs)) continue;
    name.remove_suffix(known.theirs.size());
    ending = known.ours;
  }
  for (const Pair& pair : TableOf(family)) {
    std::string_view layer;
    if (!Matches(pair.theirs, name, layer)) continue;
    if (pair.ours.empty()) return {.kind = MappedName::Kind::kIgnored};
    if (ending.empty()) return {};
    const bool pooled = head == BertHead::kSequenceClassification || head == BertHead::kRerank;
    const bool for_head = pair.ours == "cls" || pair.ours == "cls.output";
    if (for_head && (head == BertHead::kNone || (pair.ours == "cls" && !pooled))) {
      return {.kind = MappedName::Kind::kIgnored};
    }
    std::string ours(pair.ours);
    if (const std::size_t mark = ours.find('#'); mark != std::string::npos) ours.replace(mark, 1, layer);
    return {.kind = MappedName::Kind::kTensor, .name = ours.append(ending)};
  }
  return {};
}

}  // namespace loquat::model
