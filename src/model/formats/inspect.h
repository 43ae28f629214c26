// What is inside a model's files, as a plain struct, as JSON and as text for a terminal. A file that is sound but
// cannot run here (an unknown architecture, a foreign weight type) is described too, with the reason.
// Values and pure functions; any thread.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/formats/model_files.h"

namespace loquat::model {

struct TensorDescription {
  std::string name;
  std::string type;
  std::vector<std::uint64_t> shape;  // Outermost first.
  std::uint64_t bytes = 0;
  bool panels = false;  // Its rows lie in panels, not one after the other.
};

// All tensors of one type together.
struct TypeShare {
  std::string type;
  std::uint64_t tensors = 0;
  std::uint64_t weights = 0;
  std::uint64_t bytes = 0;
};

struct TokenizerDescription {
  std::string kind;  // "byte_level_bpe" …; or "tokenizer.json".
  std::string pre_tokenizer;
  std::uint64_t tokens = 0;
  std::uint64_t merges = 0;
  std::uint64_t specials = 0;
  bool add_bos = false;
  bool add_eos = false;
};

struct ModelDescription {
  std::string path;
  FileFormat format = FileFormat::kGguf;
  std::uint32_t gguf_version = 0;
  std::string tuned_for;
  std::vector<ShardFile> files;
  std::vector<MetadataEntry> metadata;
  std::optional<ModelConfig> config;  // Empty: it cannot run, `problem` says why.
  std::string problem;
  std::vector<TensorDescription> tensors;
  std::vector<TypeShare> types;  // Most bytes first.
  std::uint64_t weights = 0;
  std::uint64_t weight_bytes = 0;
  std::optional<TokenizerDescription> tokenizer;
  std::string chat_template;
};

// Errors: as OpenModel, where even the container cannot be read.
base::Result<ModelDescription> InspectModel(const std::string& path);

// One JSON object, a line.
std::string DescriptionJson(const ModelDescription& description);
// Several lines, for a terminal.
std::string DescriptionText(const ModelDescription& description);

}  // namespace loquat::model
