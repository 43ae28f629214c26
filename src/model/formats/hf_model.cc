#include "model/formats/hf_model.h"

#include <fmt/format.h>

#include <filesystem>
#include <unordered_map>
#include <unordered_set>

#include "base/hash.h"
#include "base/json_fields.h"
#include "model/formats/config_check.h"
#include "model/formats/hf_tensor_names.h"
#include "model/tensor/mapped_weights.h"

namespace loquat::model {
namespace {

constexpr std::string_view kSingleFile = "model.safetensors";
constexpr std::string_view kIndexFile = "model.safetensors.index.json";

bool Exists(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error);
}

// A file of the folder itself: an index must not lead elsewhere.
bool IsPlainName(std::string_view name) {
  return name.ends_with(".safetensors") && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos && !name.starts_with('.') && name.size() <= 255;
}

base::Error Damaged(std::string_view file, std::string_view what) {
  return base::DataLoss(fmt::format("{}: {}", file, what));
}

base::Error Unsupported(std::string message) {
  return {.code = base::Code::kUnimplemented, .message = std::move(message)};
}

}  // namespace

base::Result<HfModel> HfModel::Open(const std::string& folder) {
  HfModel model;
  model.folder_ = folder;
  while (model.folder_.size() > 1 && model.folder_.ends_with('/')) model.folder_.pop_back();
  LOQUAT_TRY(model.ReadConfigs());
  LOQUAT_TRY(model.MapShards());
  LOQUAT_TRY(model.ReadChatTemplate());
  for (const auto& [name, path] : {std::pair("tokenizer.json", &model.tokenizer_json_),
                                   {"tokenizer_config.json", &model.tokenizer_config_json_}}) {
    if (Exists(model.PathOf(name))) *path = model.PathOf(name);
  }
  return model;
}

base::Status HfModel::ReadConfigs() {
  const std::string path = PathOf("config.json");
  auto json = base::ReadFile(path, kHfConfigBytesMax);
  if (!json.has_value()) {
    base::Error error = std::move(json).error();
    error.message += "; a model is a .gguf file, or a folder with config.json and *.safetensors";
    return error;
  }
  LOQUAT_ASSIGN(config_, ReadHfConfig(*json, path));
  ModelConfig& model = config_.model;
  if (model.name.empty()) model.name = std::filesystem::path(folder_).filename();

  if (const std::string generation = PathOf("generation_config.json"); Exists(generation)) {
    LOQUAT_ASSIGN(const std::string text, base::ReadFile(generation, kHfConfigBytesMax));
    LOQUAT_ASSIGN(std::vector<std::int32_t> eos, ReadGenerationEos(text, generation));
    if (!eos.empty() && model.architecture != Architecture::kBert) model.eos_tokens = std::move(eos);
    LOQUAT_TRY(CheckConfig(model, generation));
  }
  if (model.architecture == Architecture::kBert && model.head == BertHead::kNone) return ReadSentenceFiles();
  return {};
}

// What sentence-transformers keeps beside an encoder; without it, that library pools by the mean.
base::Status HfModel::ReadSentenceFiles() {
  config_.model.pooling = Pooling::kMean;
  if (const std::string modules = PathOf("modules.json"); Exists(modules)) {
    LOQUAT_ASSIGN(const std::string text, base::ReadFile(modules, kHfConfigBytesMax));
    LOQUAT_TRY(CheckSentenceModules(text, modules));
  }
  if (const std::string pooling = PathOf("1_Pooling/config.json"); Exists(pooling)) {
    LOQUAT_ASSIGN(const std::string text, base::ReadFile(pooling, kHfConfigBytesMax));
    LOQUAT_ASSIGN(config_.model.pooling, ReadSentencePooling(text, pooling));
  }
  return {};
}

base::Status HfModel::AddShard(const std::string& name) {
  const std::string path = PathOf(name);
  LOQUAT_ASSIGN(base::MappedFile file, base::MappedFile::Open(path));
  LOQUAT_ASSIGN(SafetensorsFile shard, SafetensorsFile::Parse(path, file.bytes()));
  sizes_.push_back(file.size());
  files_.push_back(std::move(file));
  shards_.push_back(std::move(shard));
  return {};
}

base::Status HfModel::MapShards() {
  const std::string index = PathOf(kIndexFile);
  if (Exists(PathOf(kSingleFile))) {
    LOQUAT_TRY(AddShard(std::string(kSingleFile)));
    for (const SafetensorsTensor& tensor : shards_.front().tensors()) chosen_.emplace_back(&tensor, 0);
    return {};
  }
  if (Exists(index)) return ReadIndex(index);
  const bool pickled = Exists(PathOf("pytorch_model.bin")) || Exists(PathOf("pytorch_model.bin.index.json"));
  return base::NotFound(fmt::format("{}: neither {} nor {} is there{}", folder_, kSingleFile, kIndexFile,
                                    pickled ? "; pytorch_model.bin is not read: save the model as safetensors" : ""));
}

base::Status HfModel::ReadIndex(const std::string& path) {
  LOQUAT_ASSIGN(const std::string text, base::ReadFile(path, kHfIndexBytesMax));
  base::JsonParser parser({.max_bytes = kHfIndexBytesMax});
  const auto root = parser.Parse(text);
  if (!root.has_value()) return Damaged(path, root.error().message);
  const auto fields = root->AsObject();
  const auto map = fields.has_value() ? fields->Find("weight_map").AsObject() : base::Result<base::JsonObject>();
  if (!fields.has_value() || !map.has_value()) return Damaged(path, "'weight_map' is missing or no object");

  std::unordered_map<std::string, std::size_t> shard_of_file;
  std::vector<std::pair<std::string_view, std::size_t>> wanted;
  std::unordered_set<std::string_view, base::StringHash> names;
  for (const auto [tensor, value] : *map) {
    const auto file = value.AsString();
    if (!file.has_value() || !IsPlainName(*file)) {
      return Damaged(path, fmt::format("/weight_map/{}: must name a .safetensors file of this folder", tensor));
    }
    if (!names.insert(tensor).second) return Damaged(path, fmt::format("the tensor '{}' stands here twice", tensor));
    const auto [found, fresh] = shard_of_file.emplace(*file, shards_.size());
    if (fresh) {
      if (shards_.size() == kHfShardsMax) return Damaged(path, fmt::format("more than {} files", kHfShardsMax));
      auto added = AddShard(std::string(*file));
      if (!added.has_value()) {
        base::Error error = std::move(added).error();
        if (error.code == base::Code::kNotFound) error.message = fmt::format("{} names it: {}", path, error.message);
        return error;
      }
    }
    wanted.emplace_back(tensor, found->second);
  }
  // Only now, when the list of shards grows no more, do its tensors keep their places.
  std::vector<std::unordered_map<std::string_view, const SafetensorsTensor*, base::StringHash>> tables(shards_.size());
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    for (const SafetensorsTensor& tensor : shards_[i].tensors()) tables[i].emplace(tensor.name, &tensor);
  }
  for (const auto& [name, shard] : wanted) {
    const auto found = tables[shard].find(name);
    if (found == tables[shard].end()) {
      return Damaged(path,
                     fmt::format("it says that the tensor '{}' is in {}, which lacks it", name, shards_[shard].name()));
    }
    chosen_.emplace_back(found->second, shard);
  }
  return {};
}

base::Status HfModel::ReadChatTemplate() {
  if (const std::string path = PathOf("chat_template.jinja"); Exists(path)) {
    LOQUAT_ASSIGN(chat_template_, base::ReadFile(path, kChatTemplateBytesMax));
    return {};
  }
  const std::string path = PathOf("tokenizer_config.json");
  if (!Exists(path)) return {};
  LOQUAT_ASSIGN(const std::string text, base::ReadFile(path, kHfTokenizerConfigBytesMax));
  base::JsonParser parser({.max_bytes = kHfTokenizerConfigBytesMax});
  const auto root = parser.Parse(text);
  if (!root.has_value()) return Damaged(path, root.error().message);
  base::JsonFaults faults;
  base::JsonFields body(*root, faults);
  const base::JsonField field = body.Optional("chat_template");
  constexpr base::StringLimits kLimits{.max_bytes = kChatTemplateBytesMax};
  if (field.present() && field.value().type() == base::JsonType::kArray) {
    // Several by name; "default" is the one for plain chat.
    field.Each({.max_items = 64}, [&](const base::JsonField& item) {
      base::JsonFields named = item.Fields();
      const std::string_view name = named.Required("name").String({.max_bytes = 256});
      const std::string_view source = named.Required("template").String(kLimits);
      if (name == "default") chat_template_ = source;
    });
  } else if (field.present()) {
    chat_template_ = field.String(kLimits);
  }
  if (faults.ok()) return {};
  base::Error error = faults.status().error();
  error.message = fmt::format("{}, {}: {}", path, error.param, error.message);
  return error;
}

base::Result<std::unique_ptr<const Weights>> HfModel::TakeWeights() {
  std::vector<Tensor> tensors;
  std::unordered_map<std::string, std::string_view> theirs;
  for (const auto& [tensor, shard] : chosen_) {
    const std::string& file = shards_[shard].name();
    MappedName mapped = MapHfTensorName(tensor->name, config_.family, config_.model.head);
    if (mapped.kind == MappedName::Kind::kUnknown) {
      return Unsupported(
          fmt::format("{}: the tensor '{}' is none that the architecture {} computes with; the model "
                      "needs a feature that is not supported",
                      file, tensor->name, ArchitectureName(config_.model.architecture)));
    }
    if (mapped.kind == MappedName::Kind::kIgnored) continue;
    if (config_.tied_output && mapped.name == "output.weight") continue;
    if (!tensor->type) {
      return Unsupported(fmt::format("{}: the tensor '{}' is of type {}; supported: F32, F16, BF16", file, tensor->name,
                                     tensor->dtype));
    }
    if (const auto [at, fresh] = theirs.emplace(mapped.name, tensor->name); !fresh) {
      return Damaged(
          file, fmt::format("the tensors '{}' and '{}' are the same one, '{}'", at->second, tensor->name, mapped.name));
    }
    if (tensor->shape.empty() || tensor->shape.size() > kTensorDimensionsMax || tensor->bytes.empty()) {
      return Damaged(file, fmt::format("the tensor '{}' must have 1 to {} dimensions, none of them zero", tensor->name,
                                       kTensorDimensionsMax));
    }
    if (tensor->offset % kernels::LayoutOf(*tensor->type).block_bytes != 0) {
      return Unsupported(
          fmt::format("{}: the tensor '{}' begins at byte {}, which is not aligned to its type; save "
                      "the model again with a current safetensors",
                      file, tensor->name, tensor->offset));
    }
    tensors.push_back(
        {.name = std::move(mapped.name), .type = *tensor->type, .shape = tensor->shape, .bytes = tensor->bytes});
  }
  return std::make_unique<const MappedWeights>(std::move(files_), std::move(tensors));
}

}  // namespace loquat::model
