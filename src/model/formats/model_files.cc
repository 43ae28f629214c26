#include "model/formats/model_files.h"

#include <fmt/format.h>

#include <filesystem>

#include "model/formats/gguf_config.h"
#include "model/formats/gguf_metadata_text.h"
#include "model/formats/gguf_model.h"
#include "model/formats/gguf_tokenizer.h"
#include "model/formats/hf_model.h"
#include "model/formats/tensor_table.h"

namespace loquat::model {
namespace {

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
  if (files.tokenizer.spec->tokens.size() > files.config.vocabulary) {
    return base::DataLoss(fmt::format("{}: its tokenizer has {} tokens, but its embedding only {} rows", path,
                                      files.tokenizer.spec->tokens.size(), files.config.vocabulary));
  }
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

}  // namespace

base::Result<ModelFiles> OpenModel(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error) ? FromFolder(path) : FromGguf(path);
}

}  // namespace loquat::model
