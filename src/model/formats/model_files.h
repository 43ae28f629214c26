// A model from its files, whatever their format: its shape, its weights, what its tokenizer is made from, its chat
// template. Everything is checked before this returns; weights stay on disk until they are used.
// A plain value; the weights own the mappings. Opening is safe from any thread.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/metadata_entry.h"
#include "model/model_config.h"
#include "model/packed/packed_model.h"
#include "model/tensor/weights.h"
#include "text/tokenizer/tokenizer.h"
#include "text/tokenizer/tokenizer_spec.h"
#include "text/tokenizer/tokenizer_tables.h"

namespace loquat::model {

enum class FileFormat : std::uint8_t { kGguf, kHuggingFace, kPacked };

// One of the ways in which files describe a tokenizer, or none.
struct TokenizerSource {
  std::shared_ptr<const text::Tokenizer> ready;  // Packed: its tables lie in the file.
  text::TokenizerSummary summary;                // Of `ready`.
  std::optional<text::TokenizerSpec> spec;       // GGUF: from its metadata.
  std::string tokenizer_json;                    // Hugging Face: paths; empty where the file is missing.
  std::string tokenizer_config_json;
};

struct ShardFile {
  std::string path;
  std::uint64_t bytes = 0;
};

struct ModelFiles {
  std::string path;  // As given.
  FileFormat format = FileFormat::kGguf;
  std::uint32_t gguf_version = 0;  // Zero: no GGUF.
  std::string tuned_for;           // Packed: the least instruction set that takes its panels; empty: none.
  std::vector<ShardFile> files;    // That hold weights.
  std::vector<MetadataEntry> metadata;
  ModelConfig config;
  std::unique_ptr<const Weights> weights;
  TokenizerSource tokenizer;
  std::string chat_template;  // Jinja; may be empty.
};

// `path`: a .gguf file (any part of a split one), a Hugging Face folder or a packed file. Errors name file and place:
// kInvalidArgument, no model file, or options that its format cannot keep; kNotFound; kDataLoss, damaged or
// contradictory; kUnimplemented, an architecture, a type or a feature that is not supported, with those that are.
// Options other than the default are for packed files alone.
base::Result<ModelFiles> OpenModel(const std::string& path, const PackedOptions& options = {});

}  // namespace loquat::model
