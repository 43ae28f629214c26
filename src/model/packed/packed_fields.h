// The fields of the sections of a packed file, each list once for writing and reading (base/flat.h). Pure; any thread.

#pragma once

#include "base/flat.h"
#include "model/model_config.h"
#include "model/packed/packed_head.h"
#include "model/packed/packed_layout.h"

namespace loquat::model {

inline constexpr std::size_t kPackedListMax = 65536;  // Labels, end tokens.

template <typename Flat, typename Config>
void ConfigFields(Flat& flat, Config& config) {
  flat.Choice(config.architecture, Architecture::kChatGlm);
  flat.Text(config.name, kPackedTextBytesMax);
  for (auto* number : {&config.layers, &config.width, &config.ffn_width, &config.heads, &config.kv_heads,
                       &config.head_width, &config.vocabulary, &config.context, &config.rope_width,
                       &config.rope_original_context, &config.token_types, &config.position_offset}) {
    flat.Number(*number);
  }
  for (auto* number : {&config.norm_epsilon, &config.rope_base, &config.rope_factor, &config.rope_low_frequency_factor,
                       &config.rope_high_frequency_factor}) {
    flat.Number(*number);
  }
  flat.Flag(config.rope_pairs_adjacent);
  flat.Choice(config.rope_scaling, RopeScaling::kYarn);
  flat.Choice(config.pooling, Pooling::kCls);
  flat.Choice(config.head, BertHead::kRerank);
  flat.Items(config.labels, kPackedListMax, [&](auto& label) { flat.Text(label, kPackedTextBytesMax); });
  flat.Items(config.eos_tokens, kPackedListMax, [&](auto& token) { flat.Number(token); });
}

template <typename Flat, typename Entries>
void MetadataFields(Flat& flat, Entries& entries) {
  flat.Items(entries, kPackedMetadataMax, [&](auto& entry) {
    flat.Text(entry.key, kPackedTextBytesMax);
    flat.Text(entry.type, kPackedNameBytesMax);
    flat.Text(entry.value, kPackedTextBytesMax);
  });
}

template <typename Flat, typename Tensors>
void TensorFields(Flat& flat, Tensors& tensors) {
  flat.Items(tensors, kPackedTensorsMax, [&](auto& tensor) {
    flat.Text(tensor.name, kPackedNameBytesMax);
    flat.Text(tensor.type, kPackedNameBytesMax);
    flat.Text(tensor.order, kPackedNameBytesMax);
    flat.Items(tensor.shape, kTensorDimensionsMax, [&](auto& length) { flat.Number(length); });
    flat.Number(tensor.offset);
    flat.Number(tensor.bytes);
  });
}

}  // namespace loquat::model
