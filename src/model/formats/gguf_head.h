// Writes the head of a GGUF file (version 3): metadata, then the list of tensors with their places. The tensors' bytes
// follow it in the same order, each padded to kGgufAlignmentDefault. The format is that of gguf_file.h.
// One thread at a time.

#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "kernels/weight_type.h"
#include "model/formats/gguf_file.h"

namespace loquat::model {

// Up to the next multiple of the alignment.
constexpr std::uint64_t GgufPadded(std::uint64_t bytes) {
  return (bytes + kGgufAlignmentDefault - 1) / kGgufAlignmentDefault * kGgufAlignmentDefault;
}

class GgufHead {
 public:
  // Metadata. REQUIRES (all): each key is new, and within GgufFile's bounds as the value is.
  void Uint(std::string_view key, std::uint32_t value);
  void Float(std::string_view key, float value);
  void Bool(std::string_view key, bool value);
  void Text(std::string_view key, std::string_view value);
  void Texts(std::string_view key, std::span<const std::string> values);
  void Ints(std::string_view key, std::span<const std::int32_t> values);
  void Floats(std::string_view key, std::span<const float> values);
  void Bytes(std::string_view key, std::string_view values);  // An array of uint8.
  void Copy(const GgufEntry& entry);                          // As it stands in another file.

  // The next tensor; `shape` is outermost first. REQUIRES: TensorBytes(shape, type) has a value.
  void AddTensor(std::string_view name, kernels::WeightType type, std::span<const std::uint64_t> shape);

  // All of it, up to where the data begin.
  std::string Finish() const;
  // Of all tensors with their padding.
  std::uint64_t data_bytes() const { return data_bytes_; }

 private:
  void Begin(std::string_view key, GgufType type);
  void BeginArray(std::string_view key, GgufType type, std::uint64_t items);
  static void PutText(std::string_view text, std::string& out);
  template <typename T>
  requires std::is_arithmetic_v<T>
  static void Put(T number, std::string& out) { out.append(reinterpret_cast<const char*>(&number), sizeof number); }

  std::string entries_, tensors_;
  std::uint64_t entry_count_ = 0, tensor_count_ = 0;
  std::uint64_t data_bytes_ = 0;
};

}  // namespace loquat::model
