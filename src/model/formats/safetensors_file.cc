#include "model/formats/safetensors_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <unordered_set>
#include <utility>

#include "base/hash.h"
#include "base/json_value.h"
#include "model/formats/byte_reader.h"
#include "model/tensor/layout.h"

namespace loquat::model {
namespace {

using kernels::WeightType;

constexpr std::size_t kHeaderDepth = 3;  // {tensor: {shape: [numbers]}}
constexpr std::uint64_t kLengthBytes = 8;

struct Dtype {
  std::string_view name;
  std::uint64_t bytes;
  std::optional<WeightType> type;
};
constexpr Dtype kDtypes[] = {{"F32", 4, WeightType::kF32},
                             {"F16", 2, WeightType::kF16},
                             {"BF16", 2, WeightType::kBF16},
                             {"F64", 8, {}},
                             {"I64", 8, {}},
                             {"U64", 8, {}},
                             {"I32", 4, {}},
                             {"U32", 4, {}},
                             {"I16", 2, {}},
                             {"U16", 2, {}},
                             {"I8", 1, {}},
                             {"U8", 1, {}},
                             {"BOOL", 1, {}},
                             {"F8_E4M3", 1, {}},
                             {"F8_E5M2", 1, {}}};

const Dtype* FindDtype(std::string_view name) {
  const auto* found = std::ranges::find(kDtypes, name, &Dtype::name);
  return found == std::end(kDtypes) ? nullptr : found;
}

}  // namespace

class SafetensorsParser {
 public:
  SafetensorsParser(SafetensorsFile& file, std::span<const std::byte> bytes) : file_(file), bytes_(bytes) {}

  base::Status Run() {
    LOQUAT_ASSIGN(const std::string_view header, Header());
    base::JsonParser parser({.max_bytes = kSafetensorsHeaderBytesMax, .max_depth = kHeaderDepth});
    const auto json = parser.Parse(header);
    if (!json.has_value()) {
      base::Error error = json.error();
      error.message = fmt::format("{}: the header: {}", file_.name_, error.message);
      return error;
    }
    const auto members = json->AsObject();
    if (!members.has_value()) return Damaged("the header is no JSON object");
    std::unordered_set<std::string_view, base::StringHash> names;
    for (const auto [name, value] : *members) {
      if (!names.insert(name).second) return Damaged(fmt::format("'{}' stands in the header twice", name));
      if (name == "__metadata__") {
        LOQUAT_TRY(ReadMetadata(value));
      } else {
        LOQUAT_TRY(ReadTensor(name, value));
      }
    }
    return CheckPlaces();
  }

 private:
  base::Error Damaged(std::string_view what) const {
    return base::DataLoss(fmt::format("{}: {}; copy the file again from where it came", file_.name_, what));
  }
  base::Error BadTensor(std::string_view name, std::string_view what) const {
    return Damaged(fmt::format("tensor '{}': {}", name, what));
  }

  base::Result<std::string_view> Header() {
    ByteReader reader(file_.name_, bytes_);
    LOQUAT_ASSIGN(const auto length, reader.Number<std::uint64_t>("the length of the header"));
    if (length > kSafetensorsHeaderBytesMax) {
      return Damaged(fmt::format("a header of {} bytes; at most {} are allowed: is it a safetensors file?", length,
                                 kSafetensorsHeaderBytesMax));
    }
    LOQUAT_ASSIGN(const auto header, reader.Bytes(length, "the header"));
    data_ = bytes_.subspan(kLengthBytes + length);
    return std::string_view(reinterpret_cast<const char*>(header.data()), header.size());
  }

  base::Status ReadMetadata(const base::JsonValue& value) {
    const auto members = value.AsObject();
    if (!members.has_value()) return Damaged("__metadata__ is no JSON object");
    for (const auto [key, text] : *members) {
      const auto string = text.AsString();
      if (!string.has_value()) return Damaged(fmt::format("'{}' in __metadata__ is no string", key));
      file_.metadata_.emplace_back(key, *string);
    }
    return {};
  }

  // An array of unsigned numbers.
  base::Result<std::vector<std::uint64_t>> Numbers(std::string_view tensor, const base::JsonObject& fields,
                                                   std::string_view key, std::size_t max) const {
    const auto array = fields.Find(key).AsArray();
    if (!array.has_value()) return BadTensor(tensor, fmt::format("'{}' is missing or no array", key));
    std::vector<std::uint64_t> numbers;
    for (const base::JsonValue item : *array) {
      const auto number = item.AsUint();
      if (!number.has_value()) return BadTensor(tensor, fmt::format("'{}' holds what is no unsigned number", key));
      if (numbers.size() == max) return BadTensor(tensor, fmt::format("'{}' has more than {} items", key, max));
      numbers.push_back(*number);
    }
    return numbers;
  }

  base::Status ReadTensor(std::string_view name, const base::JsonValue& value) {
    if (file_.tensors_.size() == kSafetensorsTensorsMax) {
      return Damaged(fmt::format("more than {} tensors", kSafetensorsTensorsMax));
    }
    const auto fields = value.AsObject();
    if (!fields.has_value()) return BadTensor(name, "is no JSON object");
    const auto dtype_name = fields->Find("dtype").AsString();
    if (!dtype_name.has_value()) return BadTensor(name, "'dtype' is missing or no string");
    const Dtype* dtype = FindDtype(*dtype_name);
    if (dtype == nullptr) {
      return base::Error{.code = base::Code::kUnimplemented,
                         .message = fmt::format("{}: the tensor '{}' is of the unknown type '{}'; supported: F32, F16, "
                                                "BF16",
                                                file_.name_, name, *dtype_name)};
    }
    SafetensorsTensor tensor;
    tensor.name = name;
    tensor.dtype = *dtype_name;
    tensor.type = dtype->type;
    LOQUAT_ASSIGN(tensor.shape, Numbers(name, *fields, "shape", kSafetensorsDimensionsMax));
    LOQUAT_ASSIGN(const auto place, Numbers(name, *fields, "data_offsets", 2));
    const auto needed = TensorBytes(tensor.shape, 1, dtype->bytes);
    if (!needed.has_value()) return BadTensor(name, needed.error().message);
    if (place.size() != 2 || place[0] > place[1] || place[1] > data_.size()) {
      return BadTensor(name, fmt::format("its data_offsets {} do not lie within the {} bytes of data", ShapeText(place),
                                         data_.size()));
    }
    if (place[1] - place[0] != *needed) {
      return BadTensor(name,
                       fmt::format("its data_offsets {} span {} bytes; its shape {} of {} takes {}", ShapeText(place),
                                   place[1] - place[0], ShapeText(tensor.shape), tensor.dtype, *needed));
    }
    tensor.bytes = data_.subspan(place[0], *needed);
    tensor.offset = static_cast<std::uint64_t>(data_.data() - bytes_.data()) + place[0];
    file_.tensors_.push_back(std::move(tensor));
    return {};
  }

  // The format wants each byte of the data to belong to one tensor.
  base::Status CheckPlaces() const {
    std::vector<const SafetensorsTensor*> order;
    for (const SafetensorsTensor& tensor : file_.tensors_) order.push_back(&tensor);
    std::ranges::sort(order, {},
                      [](const SafetensorsTensor* tensor) { return std::pair(tensor->offset, tensor->bytes.size()); });
    std::uint64_t end = bytes_.size() - data_.size();
    std::string_view before = "the header";
    for (const SafetensorsTensor* tensor : order) {
      if (tensor->offset < end) {
        return Damaged(fmt::format("the tensors '{}' and '{}' lie on the same bytes", before, tensor->name));
      }
      if (tensor->offset > end) {
        return Damaged(
            fmt::format("{} bytes before the tensor '{}' belong to none", tensor->offset - end, tensor->name));
      }
      end += tensor->bytes.size();
      before = tensor->name;
    }
    if (end != bytes_.size())
      return Damaged(fmt::format("{} bytes at the end belong to no tensor", bytes_.size() - end));
    return {};
  }

  SafetensorsFile& file_;
  const std::span<const std::byte> bytes_;
  std::span<const std::byte> data_;
};

base::Result<SafetensorsFile> SafetensorsFile::Parse(std::string name, std::span<const std::byte> bytes) {
  SafetensorsFile file;
  file.name_ = std::move(name);
  LOQUAT_TRY(SafetensorsParser(file, bytes).Run());
  return file;
}

}  // namespace loquat::model
