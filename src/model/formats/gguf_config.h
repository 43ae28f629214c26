// ModelConfig from a GGUF file's metadata, for the architectures bert, llama, qwen2, qwen3, chatglm and glm4.
// Pure; any thread.

#pragma once

#include "base/result.h"
#include "model/formats/gguf_file.h"
#include "model/model_config.h"
#include "model/tensor/weights.h"

namespace loquat::model {

// Sizes that metadata leave open (vocabulary, token types, labels) come from the shapes of the tensors.
// kUnimplemented: an architecture, or a feature of it, that Loquat does not compute, named with what is supported;
// kDataLoss: keys that are missing or make no sense.
base::Result<ModelConfig> ConfigFromGguf(const GgufFile& file, const Weights& weights);

}  // namespace loquat::model
