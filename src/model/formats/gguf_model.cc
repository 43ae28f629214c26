#include "model/formats/gguf_model.h"

#include <fmt/format.h>

#include <optional>
#include <unordered_set>
#include <utility>

#include "base/strings.h"
#include "model/tensor/mapped_weights.h"

namespace loquat::model {
namespace {

constexpr std::string_view kExtension = ".gguf";
constexpr std::size_t kNumberDigits = 5;

// "dir/name-00002-of-00003.gguf" taken apart.
struct PartName {
  std::string prefix;  // "dir/name"
  std::uint64_t number = 0;
  std::uint64_t count = 0;

  std::string Path(std::uint64_t i) const { return fmt::format("{}-{:05}-of-{:05}{}", prefix, i, count, kExtension); }
};

std::optional<PartName> ReadPartName(std::string_view path) {
  constexpr std::string_view kOf = "-of-";
  constexpr std::size_t kTail = 1 + kNumberDigits + kOf.size() + kNumberDigits + kExtension.size();
  if (path.size() < kTail || !path.ends_with(kExtension)) return std::nullopt;
  std::string_view tail = path.substr(path.size() - kTail);
  const auto number = base::ParseInt<std::uint64_t>(tail.substr(1, kNumberDigits));
  const auto count = base::ParseInt<std::uint64_t>(tail.substr(1 + kNumberDigits + kOf.size(), kNumberDigits));
  if (tail.front() != '-' || tail.substr(1 + kNumberDigits, kOf.size()) != kOf || !number || !count)
    return std::nullopt;
  return PartName{std::string(path.substr(0, path.size() - kTail)), *number, *count};
}

std::int64_t SplitNumber(const GgufFile& file, std::string_view key, std::int64_t otherwise) {
  const GgufValue* value = file.Find(key);
  return value == nullptr ? otherwise : value->AsInt().value_or(-1);
}

base::Error ForeignPart(const GgufFile& part, std::string_view why) {
  return base::DataLoss(
      fmt::format("{} is no part of this model: {}; copy all parts again from one place", part.name(), why));
}

// That all parts say that they are of one model, and in which place.
base::Status CheckParts(const std::vector<GgufFile>& parts) {
  const auto count = static_cast<std::int64_t>(parts.size());
  std::unordered_set<std::string_view, base::StringHash> names;
  std::int64_t tensors = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const GgufFile& part = parts[i];
    const std::int64_t number = SplitNumber(part, "split.no", 0);
    const std::int64_t said = SplitNumber(part, "split.count", 1);
    if (number != static_cast<std::int64_t>(i)) {
      return ForeignPart(part, fmt::format("its split.no is {}, its place is {}", number, i));
    }
    if (said != count) return ForeignPart(part, fmt::format("its split.count is {}, there are {} parts", said, count));
    for (const std::string_view key : {"general.architecture", "general.name"}) {
      const GgufValue* here = part.Find(key);
      const GgufValue* first = parts.front().Find(key);
      if (here != nullptr && (first == nullptr || here->AsString() != first->AsString())) {
        return ForeignPart(part, fmt::format("its {} differs", key));
      }
    }
    for (const GgufTensor& tensor : part.tensors()) {
      if (!names.insert(tensor.name).second) {
        return ForeignPart(part, fmt::format("the tensor '{}' stands in another part as well", tensor.name));
      }
      ++tensors;
    }
  }
  const std::int64_t total = SplitNumber(parts.front(), "split.tensors.count", tensors);
  if (total == tensors) return {};
  return base::DataLoss(
      fmt::format("{}: split.tensors.count is {}, but the {} parts hold {} tensors: a part is of "
                  "another model",
                  parts.front().name(), total, count, tensors));
}

}  // namespace

base::Result<GgufModel> GgufModel::Open(const std::string& path) {
  const std::optional<PartName> name = ReadPartName(path);
  const std::uint64_t count = name ? name->count : 1;
  if (count == 0 || count > kGgufPartsMax) {
    return base::InvalidArgument(fmt::format("{}: {} parts; 1 to {} are allowed", path, count, kGgufPartsMax));
  }
  if (name && (name->number == 0 || name->number > count)) {
    return base::InvalidArgument(fmt::format("{}: there is no part {} of {}", path, name->number, count));
  }
  GgufModel model;
  for (std::uint64_t i = 1; i <= count; ++i) {
    const std::string part_path = name ? name->Path(i) : path;
    auto file = base::MappedFile::Open(part_path);
    if (!file.has_value()) {
      base::Error error = std::move(file).error();
      if (count > 1) error.message = fmt::format("part {} of {} of the model: {}", i, count, error.message);
      return error;
    }
    LOQUAT_ASSIGN(GgufFile part, GgufFile::Parse(part_path, file->bytes()));
    if (!name && SplitNumber(part, "split.count", 1) > 1) {
      return base::FailedPrecondition(
          fmt::format("{} is a part of a split model and was renamed; its parts are found by names that end in "
                      "-00001-of-0000N.gguf",
                      path));
    }
    model.sizes_.push_back(file->size());
    model.files_.push_back(std::move(*file));
    model.parts_.push_back(std::move(part));
  }
  LOQUAT_TRY(CheckParts(model.parts_));
  return model;
}

base::Result<std::unique_ptr<const Weights>> GgufModel::TakeWeights() {
  std::vector<Tensor> tensors;
  for (const GgufFile& part : parts_) {
    for (const GgufTensor& tensor : part.tensors()) {
      if (!tensor.type->type) {
        return base::Error{.code = base::Code::kUnimplemented,
                           .message = fmt::format("{}: the tensor '{}' is of type {}, which is not supported; "
                                                  "supported: {}",
                                                  part.name(), tensor.name, tensor.type->name, SupportedWeightTypes())};
      }
      tensors.push_back(
          {.name = std::string(tensor.name), .type = *tensor.type->type, .shape = tensor.shape, .bytes = tensor.bytes});
    }
  }
  return std::make_unique<const MappedWeights>(std::move(files_), std::move(tensors));
}

}  // namespace loquat::model
