// What a model from a Hugging Face folder is called and how it lies in a GGUF file: the metadata that gguf_config.h
// reads back to the same config, the order of rows, and tensors that GGUF has in place of a number in the config.
// Pure but for reading the tokenizer's file; any thread.
//
// The tokenizer travels whole, as tokenizer.huggingface.json, from which Loquat makes the tokenizer that the folder
// has. For engines that read tokenizer.ggml.* alone, byte-level BPE with a known way of cutting words and lower-casing
// WordPiece are written in that form too; others are "none" there.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/formats/gguf_head.h"
#include "model/formats/model_files.h"
#include "model/quant/tensor_quantizer.h"

namespace loquat::model {

// kUnimplemented: what GGUF has no words for (a head that labels tokens, more than three end tokens, a folder whose
// tokenizer is no tokenizer.json); else as the tokenizer's reader. REQUIRES (all): `files` are of a folder.
base::Status AddFolderMetadata(const ModelFiles& files, GgufHead& head);

// GGUF's Llama has the rows of a rotated pair side by side; its BERT counts positions from zero.
RowOrigin FolderRowOrigin(const ModelConfig& config, std::string_view tensor);

struct AddedTensor {
  std::string name;
  std::vector<float> values;
};
// rope_freqs.weight: by what Llama 3 divides the frequency of each pair.
std::vector<AddedTensor> FolderTensors(const ModelConfig& config);

}  // namespace loquat::model
