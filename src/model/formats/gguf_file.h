// One GGUF file (versions 2 and 3, little-endian) as views into its bytes: the metadata and the list of tensors, all
// checked before anything is used. Specification: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
// Constant after Parse; any thread. Every view lives as long as the bytes given to Parse.

#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "model/formats/ggml_type.h"

namespace loquat::model {

inline constexpr std::string_view kGgufMagic = "GGUF";
inline constexpr std::uint32_t kGgufVersionMin = 2;
inline constexpr std::uint32_t kGgufVersionMax = 3;
inline constexpr std::uint64_t kGgufEntriesMax = std::uint64_t{1} << 16;
inline constexpr std::uint64_t kGgufTensorsMax = std::uint64_t{1} << 16;
inline constexpr std::uint64_t kGgufKeyBytesMax = 65535;                      // As the specification says.
inline constexpr std::uint64_t kGgufTensorNameBytesMax = 64;                  // As the specification says.
inline constexpr std::uint64_t kGgufStringBytesMax = std::uint64_t{1} << 26;  // Of one value.
inline constexpr std::uint64_t kGgufArrayItemsMax = std::uint64_t{1} << 24;   // The largest vocabularies have 2^18.
inline constexpr std::uint64_t kGgufAlignmentDefault = 32;
inline constexpr std::uint64_t kGgufAlignmentMax = 65536;

enum class GgufType : std::uint32_t {
  kUint8,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kFloat32,
  kBool,
  kString,
  kArray,
  kUint64,
  kInt64,
  kFloat64,
};
inline constexpr std::uint32_t kGgufTypes = 13;

std::string_view GgufTypeName(GgufType type);

// A metadata value: a number, a truth value, a string, or an array of one of these. Cheap to copy.
class GgufValue {
 public:
  GgufValue() = default;
  // REQUIRES: `bytes` are checked to hold `count` items of `item_type`, which is not kArray.
  GgufValue(bool is_array, GgufType item_type, std::uint64_t count, std::span<const std::byte> bytes)
      : bytes_(bytes), count_(count), item_type_(item_type), is_array_(is_array) {}

  bool is_array() const { return is_array_; }
  GgufType item_type() const { return item_type_; }  // Of an array's items, or of the value itself.
  std::uint64_t size() const { return count_; }      // Items of an array; else 1.

  // The value if it is a single one of that kind, whatever its width: any integer, any number, …
  std::optional<std::int64_t> AsInt() const { return is_array_ ? std::nullopt : IntAt(0); }
  std::optional<double> AsDouble() const { return is_array_ ? std::nullopt : DoubleAt(0); }
  std::optional<bool> AsBool() const;
  std::optional<std::string_view> AsString() const;

  // Item `i`: an integer that int64 holds; any number. REQUIRES: i < size().
  std::optional<std::int64_t> IntAt(std::uint64_t i) const;
  std::optional<double> DoubleAt(std::uint64_t i) const;
  // The bytes of an array of numbers, as they lie.
  std::span<const std::byte> bytes() const { return bytes_; }

  // Calls visit(view) with each string in order; nothing if the items are no strings.
  template <typename Visit>
  void EachString(Visit&& visit) const {
    if (item_type_ != GgufType::kString) return;
    std::size_t at = 0;
    for (std::uint64_t i = 0; i < count_; ++i) {
      std::uint64_t length;
      std::memcpy(&length, bytes_.data() + at, sizeof length);
      visit(std::string_view(reinterpret_cast<const char*>(bytes_.data() + at + sizeof length), length));
      at += sizeof length + length;
    }
  }

 private:
  std::span<const std::byte> bytes_;
  std::uint64_t count_ = 0;
  GgufType item_type_ = GgufType::kUint8;
  bool is_array_ = false;
};

struct GgufEntry {
  std::string_view key;
  GgufValue value;
};

struct GgufTensor {
  std::string_view name;
  const GgmlType* type = nullptr;    // Never null.
  std::vector<std::uint64_t> shape;  // Outermost first: the file's order reversed.
  std::uint64_t offset = 0;          // In the file.
  std::span<const std::byte> bytes;
};

class GgufFile {
 public:
  // `name` is how errors call the file. kInvalidArgument: no GGUF file; kUnimplemented: a version or a type that no
  // version of Loquat reads; kDataLoss: damaged, saying at which byte.
  static base::Result<GgufFile> Parse(std::string name, std::span<const std::byte> bytes);

  const std::string& name() const { return name_; }
  std::uint32_t version() const { return version_; }
  std::uint64_t alignment() const { return alignment_; }
  std::uint64_t data_offset() const { return data_offset_; }

  std::span<const GgufEntry> entries() const { return entries_; }   // In file order; keys are unique.
  const GgufValue* Find(std::string_view key) const;                // Null: not there.
  std::span<const GgufTensor> tensors() const { return tensors_; }  // In file order; names are unique.

 private:
  GgufFile() = default;
  friend class GgufParser;

  std::string name_;
  std::uint32_t version_ = 0;
  std::uint64_t alignment_ = kGgufAlignmentDefault;
  std::uint64_t data_offset_ = 0;
  std::vector<GgufEntry> entries_;
  std::vector<GgufTensor> tensors_;
  std::unordered_map<std::string_view, std::size_t, base::StringHash> by_key_;
};

// Whether the bytes begin as a GGUF file does.
bool LooksLikeGguf(std::span<const std::byte> bytes);

}  // namespace loquat::model
