// A model as a Hugging Face folder: config.json, *.safetensors with or without an index, and the small files beside
// them. Tensors are memory-mapped. Constant after Open; any thread. Views live as long as the object, or as the Weights
// taken from it.

#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "model/formats/hf_config.h"
#include "model/formats/safetensors_file.h"
#include "model/tensor/weights.h"

namespace loquat::model {

inline constexpr std::size_t kHfShardsMax = 1024;
inline constexpr std::size_t kHfIndexBytesMax = std::size_t{64} << 20;
inline constexpr std::size_t kHfTokenizerConfigBytesMax = std::size_t{16} << 20;
inline constexpr std::size_t kChatTemplateBytesMax = std::size_t{1} << 20;

class HfModel {
 public:
  // Errors name the file in the folder and what is wrong with it: missing, damaged, or naming a file or a tensor that
  // is not there.
  static base::Result<HfModel> Open(const std::string& folder);

  const HfConfig& config() const { return config_; }
  std::span<const SafetensorsFile> shards() const { return shards_; }
  std::uint64_t shard_bytes(std::size_t i) const { return sizes_[i]; }
  // Paths; empty where the file is not there.
  const std::string& tokenizer_json() const { return tokenizer_json_; }
  const std::string& tokenizer_config_json() const { return tokenizer_config_json_; }
  const std::string& chat_template() const { return chat_template_; }

  // The tensors under GGUF's names. kUnimplemented names a tensor that the architecture does not have, or of a type
  // other than F32, F16 and BF16. Call once.
  base::Result<std::unique_ptr<const Weights>> TakeWeights();

 private:
  base::Status ReadConfigs();
  base::Status ReadSentenceFiles();
  base::Status MapShards();
  base::Status AddShard(const std::string& name);
  base::Status ReadIndex(const std::string& path);
  base::Status ReadChatTemplate();
  std::string PathOf(std::string_view name) const { return folder_ + "/" + std::string(name); }

  std::string folder_;
  HfConfig config_;
  std::vector<base::MappedFile> files_;
  std::vector<SafetensorsFile> shards_;  // One for each file.
  std::vector<std::uint64_t> sizes_;
  std::vector<std::pair<const SafetensorsTensor*, std::size_t>> chosen_;  // With the shard; those that the index names.
  std::string tokenizer_json_, tokenizer_config_json_, chat_template_;
};

}  // namespace loquat::model
