// What a model file says about its model, in one struct for every architecture and file format: the shape of the
// transformer and its constants. Plain values. Keys follow GGUF's names; Hugging Face's config.json is mapped onto
// them.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace loquat::model {

enum class Architecture : std::uint8_t { kBert, kLlama, kQwen2, kQwen3, kChatGlm };

enum class RopeScaling : std::uint8_t { kNone, kLinear, kLlama3, kYarn };

enum class Pooling : std::uint8_t { kNone, kMean, kCls };

enum class BertHead : std::uint8_t { kNone, kSequenceClassification, kTokenClassification, kRerank };

struct ModelConfig {
  Architecture architecture = Architecture::kLlama;
  std::string name;  // general.name, or the folder's; may be empty.
  std::uint32_t layers = 0;
  std::uint32_t width = 0;  // Of the residual stream: hidden_size.
  std::uint32_t ffn_width = 0;
  std::uint32_t heads = 0;       // Query heads.
  std::uint32_t kv_heads = 0;    // Divides heads.
  std::uint32_t head_width = 0;  // Of one head; heads * head_width may differ from width.
  std::uint32_t vocabulary = 0;  // Rows of the token embedding.
  std::uint32_t context = 0;     // Longest sequence that the model was made for.
  float norm_epsilon = 1e-5F;

  // Rotary position embedding (Su et al., "RoFormer", 2021).
  float rope_base = 10000.0F;
  std::uint32_t rope_width = 0;  // Leading dimensions of a head that rotate; head_width: all.
  bool rope_pairs_adjacent =
      false;  // True: (0,1), (2,3) … rotate together (Llama's GGUF, GLM); false: (i, i + rope_width/2).
  RopeScaling rope_scaling = RopeScaling::kNone;
  float rope_factor = 1.0F;
  float rope_low_frequency_factor = 1.0F, rope_high_frequency_factor = 4.0F;  // kLlama3.
  std::uint32_t rope_original_context = 0;                                    // kLlama3, kYarn.

  // BERT and its kin.
  std::uint32_t token_types = 0;      // Zero: none (DistilBERT).
  std::uint32_t position_offset = 0;  // RoBERTa counts positions from padding_idx + 1 = 2.
  Pooling pooling = Pooling::kNone;
  BertHead head = BertHead::kNone;
  std::vector<std::string> labels;  // Of a classification head; empty: "LABEL_0" ….

  std::vector<std::int32_t> eos_tokens;  // Any of them ends a generation.
};

}  // namespace loquat::model
