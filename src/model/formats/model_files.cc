#include "model/formats/model_files.h"

#include <fmt/format.h>

#include <filesystem>

#include "model/formats/config_check.h"
#include "model/formats/gguf_config.h"
#include "model/formats/gguf_metadata_text.h"
#include "model/formats/gguf_model.h"
#include "model/formats/gguf_tokenizer.h"
#include "model/formats/hf_model.h"
#include "model/formats/tensor_table.h"

namespace loquat::model {
namespace {

base::Status CheckVocabulary(std::string_view path, std::size_t tokens, const ModelConfig& config) {
  if (tokens <= config.vocabulary) return {};
  return base::DataLoss(
      fmt::format("{}: its tokenizer has {} tokens, but its embedding only {} rows", path, tokens, config.vocabulary));
}

base::Result<ModelFiles> FromGguf(const std::string& path) {
  LOQUAT_ASSIGN(GgufModel model, GgufModel::Open(path));
  ModelFiles files;
  files.path = path;
  files.format = FileFormat::kGguf;
  files.gguf_version = model.metadata().version();
  for (std::size_t i = 0; i < model.parts().size(); ++i) {
    files.files.push_back({.path = model.parts()[i].name(), .bytes = model.part_bytes(i)});
  }
  LOQUAT_ASSIGN(files.weights, model.TakeWeights());
  LOQUAT_ASSIGN(files.config, ConfigFromGguf(model.metadata(), *files.weights));
  LOQUAT_TRY(CheckTensors(files.config, *files.weights, path));
  files.metadata = MetadataText(model.metadata());
  if (!HasGgufTokenizer(model.metadata())) return files;
  LOQUAT_ASSIGN(files.tokenizer.spec, TokenizerFromGguf(model.metadata()));
  files.chat_template = files.tokenizer.spec->chat_template;
  LOQUAT_TRY(CheckVocabulary(path, files.tokenizer.spec->tokens.size(), files.config));
  return files;
}

base::Result<ModelFiles> FromFolder(const std::string& path) {
  LOQUAT_ASSIGN(HfModel model, HfModel::Open(path));
  ModelFiles files;
  files.path = path;
  files.format = FileFormat::kHuggingFace;
  files.config = model.config().model;
  for (std::size_t i = 0; i < model.shards().size(); ++i) {
    const SafetensorsFile& shard = model.shards()[i];
    files.files.push_back({.path = shard.name(), .bytes = model.shard_bytes(i)});
    if (i > 0) continue;
    for (const auto& [key, value] : shard.metadata()) {
      files.metadata.push_back({.key = key, .type = "string", .value = ShortenedText(value)});
    }
  }
  LOQUAT_ASSIGN(files.weights, model.TakeWeights());
  LOQUAT_TRY(CheckTensors(files.config, *files.weights, path));
  const bool decoder = files.config.architecture != Architecture::kBert;
  if (decoder && !model.config().tied_output && files.weights->Find("output.weight") == nullptr) {
    return base::DataLoss(
        fmt::format("{}: the tensor 'output.weight' (lm_head.weight) is missing, and config.json does "
                    "not tie it to the embedding (tie_word_embeddings)",
                    path));
  }
  files.tokenizer.tokenizer_json = model.tokenizer_json();
  files.tokenizer.tokenizer_config_json = model.tokenizer_config_json();
  files.chat_template = model.chat_template();
  return files;
}

base::Result<ModelFiles> FromPacked(const std::string& path, const PackedOptions& options) {
  LOQUAT_ASSIGN(PackedModel packed, OpenPacked(path, options));
  ModelFiles files;
  files.path = path;
  files.format = FileFormat::kPacked;
  files.tuned_for = std::move(packed.head.tuned_for);
  files.files.push_back({.path = path, .bytes = packed.file->size()});
  files.metadata = std::move(packed.head.metadata);
  files.config = std::move(packed.head.config);
  files.chat_template = std::move(packed.head.chat_template);
  files.weights = std::move(packed.weights);
  LOQUAT_TRY(CheckConfig(files.config, path));
  LOQUAT_TRY(CheckTensors(files.config, *files.weights, path));
  if (packed.head.tokenizer.empty()) return files;
  auto tokenizer = text::ReadTokenizerTables(packed.head.tokenizer, packed.file);
  if (!tokenizer.has_value()) {
    return base::DataLoss(fmt::format("{}: {}; pack the model again", path, tokenizer.error().message));
  }
  files.tokenizer.ready = std::move(tokenizer->tokenizer);
  files.tokenizer.summary = std::move(tokenizer->summary);
  LOQUAT_TRY(CheckVocabulary(path, files.tokenizer.ready->size(), files.config));
  return files;
}

// What only files with hashes, whose weights are used where they lie, can keep.
base::Status CheckOptions(const std::string& path, const PackedOptions& options) {
  const bool memory = options.populate || options.lock || options.huge_pages;
  if (!memory && options.verify != PackedVerify::kFull) return {};
  base::Error error =
      base::InvalidArgument(fmt::format("{}: {} are for packed files alone; make one with: loquat model pack", path,
                                        memory ? "the memory options populate, lock and huge_pages"
                                               : "hashes, and with them the full check at the start,"));
  error.reason = "not_packed";
  return error;
}

}  // namespace

base::Result<ModelFiles> OpenModel(const std::string& path, const PackedOptions& options) {
  std::error_code error;
  const bool folder = std::filesystem::is_directory(path, error);
  if (!folder && IsPackedFile(path)) return FromPacked(path, options);
  LOQUAT_TRY(CheckOptions(path, options));
  return folder ? FromFolder(path) : FromGguf(path);
}

}  // namespace loquat::model
