#include "model/formats/gguf_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <unordered_set>
#include <utility>

#include "base/utf8.h"
#include "model/formats/byte_reader.h"
#include "model/tensor/layout.h"
#include "model/tensor/weights.h"

namespace loquat::model {
namespace {

// Bytes of one item; a string's is what it takes at least.
constexpr std::uint64_t kItemBytes[kGgufTypes] = {1, 1, 2, 2, 4, 4, 4, 1, 8, 0, 8, 8, 8};
constexpr std::string_view kTypeNames[kGgufTypes] = {"uint8",  "int8",    "uint16", "int16",  "uint32",
                                                     "int32",  "float32", "bool",   "string", "array",
                                                     "uint64", "int64",   "float64"};

std::uint64_t ItemBytes(GgufType type) {
  return kItemBytes[static_cast<std::uint32_t>(type)];
}

template <typename T>
T Load(const std::byte* from) {
  T number;
  std::memcpy(&number, from, sizeof number);
  return number;
}

}  // namespace

std::string_view GgufTypeName(GgufType type) {
  return kTypeNames[static_cast<std::uint32_t>(type)];
}

std::optional<bool> GgufValue::AsBool() const {
  if (is_array_ || item_type_ != GgufType::kBool) return std::nullopt;
  return Load<std::uint8_t>(bytes_.data()) != 0;
}

std::optional<std::string_view> GgufValue::AsString() const {
  std::optional<std::string_view> string;
  if (!is_array_) EachString([&](std::string_view text) { string = text; });
  return string;
}

std::optional<std::int64_t> GgufValue::IntAt(std::uint64_t i) const {
  const std::byte* at = bytes_.data() + (item_type_ == GgufType::kString ? 0 : i * ItemBytes(item_type_));
  switch (item_type_) {
    case GgufType::kUint8:
      return Load<std::uint8_t>(at);
    case GgufType::kInt8:
      return Load<std::int8_t>(at);
    case GgufType::kUint16:
      return Load<std::uint16_t>(at);
    case GgufType::kInt16:
      return Load<std::int16_t>(at);
    case GgufType::kUint32:
      return Load<std::uint32_t>(at);
    case GgufType::kInt32:
      return Load<std::int32_t>(at);
    case GgufType::kInt64:
      return Load<std::int64_t>(at);
    case GgufType::kUint64: {
      const auto number = Load<std::uint64_t>(at);
      if (std::in_range<std::int64_t>(number)) return static_cast<std::int64_t>(number);
      return std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

std::optional<double> GgufValue::DoubleAt(std::uint64_t i) const {
  if (item_type_ == GgufType::kFloat32) return Load<float>(bytes_.data() + i * sizeof(float));
  if (item_type_ == GgufType::kFloat64) return Load<double>(bytes_.data() + i * sizeof(double));
  if (const auto integer = IntAt(i)) return static_cast<double>(*integer);
  return std::nullopt;
}

// Reads a file from front to back; each step checks what it reads before the next relies on it.
class GgufParser {
 public:
  GgufParser(GgufFile& file, std::span<const std::byte> bytes)
      : file_(file), bytes_(bytes), reader_(file.name_, bytes) {}

  base::Status Run() {
    LOQUAT_TRY(ReadHeader());
    LOQUAT_TRY(ReadEntries());
    LOQUAT_TRY(ReadAlignment());
    LOQUAT_TRY(ReadTensors());
    return PlaceTensors();
  }

 private:
  base::Error Damaged(std::uint64_t at, std::string_view what) const {
    return base::DataLoss(
        fmt::format("{}, byte {}: {}; copy the file again from where it came", file_.name_, at, what));
  }
  static base::Error Unsupported(std::string message) {
    return {.code = base::Code::kUnimplemented, .message = std::move(message)};
  }

  base::Status ReadHeader() {
    if (!LooksLikeGguf(bytes_)) {
      return base::InvalidArgument(
          fmt::format("{} is no GGUF file: it does not begin with \"{}\"; a model is a .gguf file, a folder with "
                      "config.json and *.safetensors, or a file that loquat model pack made",
                      file_.name_, kGgufMagic));
    }
    LOQUAT_TRY(reader_.Bytes(kGgufMagic.size(), "the magic"));
    LOQUAT_ASSIGN(file_.version_, reader_.Number<std::uint32_t>("the version"));
    if (file_.version_ < kGgufVersionMin || file_.version_ > kGgufVersionMax) {
      const std::uint32_t turned = __builtin_bswap32(file_.version_);
      const bool swapped = turned >= 1 && turned <= kGgufVersionMax;
      return Unsupported(fmt::format(
          "{} is {}; versions {} and {}, little-endian, are supported: convert the model again", file_.name_,
          swapped ? std::string("a big-endian GGUF file") : fmt::format("of GGUF version {}", file_.version_),
          kGgufVersionMin, kGgufVersionMax));
    }
    LOQUAT_ASSIGN(tensors_, reader_.Number<std::uint64_t>("the number of tensors"));
    LOQUAT_TRY(CheckCount(tensors_, kGgufTensorsMax, "tensors"));
    LOQUAT_ASSIGN(entries_, reader_.Number<std::uint64_t>("the number of metadata entries"));
    return CheckCount(entries_, kGgufEntriesMax, "metadata entries");
  }

  base::Status CheckCount(std::uint64_t count, std::uint64_t max, std::string_view of_what) const {
    if (count <= max) return {};
    return Damaged(reader_.offset() - sizeof count, fmt::format("{} {}; at most {} are allowed", count, of_what, max));
  }

  base::Status ReadEntries() {
    for (std::uint64_t i = 0; i < entries_; ++i) {
      const std::uint64_t at = reader_.offset();
      LOQUAT_ASSIGN(const std::string_view key, reader_.String(kGgufKeyBytesMax, "a metadata key"));
      if (key.empty() || !base::IsValidUtf8(key)) return Damaged(at, "a metadata key that is empty or not UTF-8");
      if (!file_.by_key_.emplace(key, i).second) return Damaged(at, fmt::format("the key '{}' stands here twice", key));
      LOQUAT_ASSIGN(const GgufValue value, ReadValue(key));
      file_.entries_.push_back({.key = key, .value = value});
    }
    return {};
  }

  base::Result<GgufType> ReadType(std::string_view key) {
    const std::uint64_t at = reader_.offset();
    LOQUAT_ASSIGN(const auto type, reader_.Number<std::uint32_t>("the type of a metadata value"));
    if (type >= kGgufTypes) return Damaged(at, fmt::format("'{}' is of the unknown metadata type {}", key, type));
    return static_cast<GgufType>(type);
  }

  base::Result<GgufValue> ReadValue(std::string_view key) {
    LOQUAT_ASSIGN(GgufType type, ReadType(key));
    const bool is_array = type == GgufType::kArray;
    std::uint64_t count = 1;
    if (is_array) {
      const std::uint64_t at = reader_.offset();
      LOQUAT_ASSIGN(type, ReadType(key));
      if (type == GgufType::kArray) return Damaged(at, fmt::format("'{}' is an array of arrays; none is known", key));
      LOQUAT_ASSIGN(count, reader_.Number<std::uint64_t>("the length of an array"));
      if (count > kGgufArrayItemsMax) {
        return Damaged(at, fmt::format("'{}' has {} items; at most {} are allowed", key, count, kGgufArrayItemsMax));
      }
    }
    const std::uint64_t start = reader_.offset();
    if (type == GgufType::kString) {
      for (std::uint64_t i = 0; i < count; ++i) LOQUAT_TRY(reader_.String(kGgufStringBytesMax, key));
    } else {
      LOQUAT_TRY(reader_.Bytes(count * ItemBytes(type), key));
    }
    return GgufValue(is_array, type, count, bytes_.subspan(start, reader_.offset() - start));
  }

  base::Status ReadAlignment() {
    const GgufValue* value = file_.Find("general.alignment");
    if (value == nullptr) return {};
    const std::optional<std::int64_t> alignment = value->AsInt();
    // The specification asks for a multiple of eight; engines ask for a power of two.
    if (!alignment || *alignment < 8 || static_cast<std::uint64_t>(*alignment) > kGgufAlignmentMax ||
        !std::has_single_bit(static_cast<std::uint64_t>(*alignment))) {
      return base::DataLoss(
          fmt::format("{}: general.alignment must be a power of two from 8 to {}", file_.name_, kGgufAlignmentMax));
    }
    file_.alignment_ = static_cast<std::uint64_t>(*alignment);
    return {};
  }

  base::Status ReadTensors() {
    std::unordered_set<std::string_view, base::StringHash> names;
    for (std::uint64_t i = 0; i < tensors_; ++i) {
      const std::uint64_t at = reader_.offset();
      GgufTensor tensor;
      LOQUAT_ASSIGN(tensor.name, reader_.String(kGgufTensorNameBytesMax, "a tensor's name"));
      if (tensor.name.empty() || !base::IsValidUtf8(tensor.name)) {
        return Damaged(at, "a tensor's name that is empty or not UTF-8");
      }
      if (!names.insert(tensor.name).second) {
        return Damaged(at, fmt::format("the tensor '{}' stands here twice", tensor.name));
      }
      LOQUAT_ASSIGN(const auto dimensions, reader_.Number<std::uint32_t>("a tensor's number of dimensions"));
      if (dimensions < 1 || dimensions > kTensorDimensionsMax) {
        return Damaged(at, fmt::format("the tensor '{}' has {} dimensions; 1 to {} are allowed", tensor.name,
                                       dimensions, kTensorDimensionsMax));
      }
      for (std::uint32_t d = 0; d < dimensions; ++d) {
        LOQUAT_ASSIGN(const auto dimension, reader_.Number<std::uint64_t>("a tensor's dimensions"));
        tensor.shape.insert(tensor.shape.begin(), dimension);  // Files say the innermost first.
      }
      LOQUAT_ASSIGN(const auto type, reader_.Number<std::uint32_t>("a tensor's type"));
      tensor.type = FindGgmlType(type);
      if (tensor.type == nullptr) {
        return Unsupported(fmt::format("{}, byte {}: the tensor '{}' is of the unknown type {}; supported: {}",
                                       file_.name_, at, tensor.name, type, SupportedWeightTypes()));
      }
      LOQUAT_ASSIGN(tensor.offset, reader_.Number<std::uint64_t>("a tensor's offset"));
      file_.tensors_.push_back(std::move(tensor));
    }
    return {};
  }

  // Offsets count from the first aligned byte behind the list of tensors.
  base::Status PlaceTensors() {
    const std::uint64_t alignment = file_.alignment_;
    file_.data_offset_ = (reader_.offset() + alignment - 1) / alignment * alignment;
    const std::uint64_t available = bytes_.size() - std::min<std::uint64_t>(file_.data_offset_, bytes_.size());
    std::vector<Extent> extents;
    for (GgufTensor& tensor : file_.tensors_) {
      const auto bytes = TensorBytes(tensor.shape, tensor.type->block_weights, tensor.type->block_bytes);
      const auto fault = [&](std::string_view what) {
        return base::DataLoss(fmt::format("{}: tensor '{}': {}", file_.name_, tensor.name, what));
      };
      if (!bytes.has_value()) return fault(bytes.error().message);
      if (*bytes == 0) return fault(fmt::format("its shape {} holds nothing", ShapeText(tensor.shape)));
      if (tensor.offset % alignment != 0) {
        return fault(fmt::format("its offset {} is no multiple of the alignment {}", tensor.offset, alignment));
      }
      if (*bytes > available || tensor.offset > available - *bytes) {
        return fault(
            fmt::format("its {} bytes at byte {} of the data reach past the end of the file, which has {} "
                        "bytes of data; copy it again from where it came",
                        *bytes, tensor.offset, available));
      }
      tensor.offset += file_.data_offset_;
      tensor.bytes = bytes_.subspan(tensor.offset, *bytes);
      extents.push_back({.begin = tensor.offset, .end = tensor.offset + *bytes});
    }
    if (const auto overlap = FindOverlap(extents)) {
      return Damaged(extents[overlap->second].begin,
                     fmt::format("the tensors '{}' and '{}' lie on the same bytes", file_.tensors_[overlap->first].name,
                                 file_.tensors_[overlap->second].name));
    }
    return {};
  }

  GgufFile& file_;
  const std::span<const std::byte> bytes_;
  ByteReader reader_;
  std::uint64_t tensors_ = 0;
  std::uint64_t entries_ = 0;
};

base::Result<GgufFile> GgufFile::Parse(std::string name, std::span<const std::byte> bytes) {
  GgufFile file;
  file.name_ = std::move(name);
  LOQUAT_TRY(GgufParser(file, bytes).Run());
  return file;
}

const GgufValue* GgufFile::Find(std::string_view key) const {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : &entries_[found->second].value;
}

bool LooksLikeGguf(std::span<const std::byte> bytes) {
  return bytes.size() >= kGgufMagic.size() && std::memcmp(bytes.data(), kGgufMagic.data(), kGgufMagic.size()) == 0;
}

}  // namespace loquat::model
