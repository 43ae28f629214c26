// What a decoder architecture computes with: the table that tells the architectures apart, and the weights by their
// part in the computation. Constant after loading; any thread. Matrices lie in the model's Weights, which outlive this.

#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/arch/rope.h"
#include "model/arch/tensor_reader.h"
#include "model/model_config.h"

namespace loquat::model {

struct DecoderTraits {
  Architecture architecture;
  Presence qkv_bias;    // Of the query, key and value projections.
  bool query_key_norm;  // Query and key of each head are normalised before they rotate.
  bool fused;           // One matrix for query, key and value, and one for gate and up.
};

inline constexpr DecoderTraits kDecoderTraits[] = {
    // Touvron et al., "Llama 2", 2023; Jiang et al., "Mistral 7B", 2023 (within its window).
    {Architecture::kLlama, Presence::kOptional, false, false},
    // Yang et al., "Qwen2 technical report", 2024.
    {Architecture::kQwen2, Presence::kRequired, false, false},
    // Yang et al., "Qwen3 technical report", 2025.
    {Architecture::kQwen3, Presence::kOptional, true, false},
    // Team GLM, "ChatGLM: a family of large language models", 2024.
    {Architecture::kChatGlm, Presence::kOptional, false, true},
};

struct DecoderLayer {
  std::vector<float> attention_norm;  // [width]
  std::vector<Linear> qkv;            // Outputs side by side: [query heads, key heads, value heads][head_width].
  std::vector<float> q_norm, k_norm;  // [head_width], or empty.
  Linear attention_output;            // [width, heads * head_width]
  std::vector<float> ffn_norm;        // [width]
  std::vector<Linear> gate_up;        // Outputs side by side: gate, up: [2 * ffn_width, width].
  Linear ffn_down;                    // [width, ffn_width]
};

struct DecoderWeights {
  kernels::Matrix token_embedding;  // [vocabulary, width]
  std::vector<DecoderLayer> layers;
  std::vector<float> output_norm;  // [width]
  Linear output;                   // [vocabulary, width]; the token embedding's own if the model ties them.
  Rope rope;
};

// Every linear layer, for who changes where its numbers lie.
std::vector<Linear*> LinearsOf(DecoderWeights& weights);

base::Result<DecoderWeights> ReadDecoderWeights(const ModelConfig& config, const Weights& weights);

}  // namespace loquat::model
