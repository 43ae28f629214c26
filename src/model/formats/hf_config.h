// ModelConfig from a Hugging Face config.json, for BERT, RoBERTa, XLM-R, DistilBERT, Llama, Mistral, Qwen2, Qwen3,
// ChatGLM3 and GLM-4 (the transformers library's configuration classes of those names; THUDM's
// configuration_chatglm.py). Pure; any thread.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/model_config.h"

namespace loquat::model {

inline constexpr std::size_t kHfConfigBytesMax = std::size_t{4} << 20;

// How a checkpoint names its tensors; several share an architecture.
enum class HfFamily : std::uint8_t { kBert, kDistilBert, kLlama, kChatGlm };

struct HfConfig {
  ModelConfig model;
  HfFamily family = HfFamily::kLlama;
  bool tied_output = false;  // The token embedding gives the logits; a stored lm_head is a copy of it.
};

// `file` is how errors call the source; they name the key by its JSON pointer. kUnimplemented: a model_type or a
// feature that Loquat does not compute, named with what is supported. Pooling and end tokens may be overridden by other
// files of the folder.
base::Result<HfConfig> ReadHfConfig(std::string_view json, std::string_view file);

// The eos_token_id of a generation_config.json: one, a list, or none.
base::Result<std::vector<std::int32_t>> ReadGenerationEos(std::string_view json, std::string_view file);

// The pooling of sentence-transformers' 1_Pooling/config.json: mean or cls; others are refused.
base::Result<Pooling> ReadSentencePooling(std::string_view json, std::string_view file);

// kUnimplemented names a module of sentence-transformers' modules.json that would change the embedding and is not
// computed (a dense layer behind the pooling).
base::Status CheckSentenceModules(std::string_view json, std::string_view file);

}  // namespace loquat::model
