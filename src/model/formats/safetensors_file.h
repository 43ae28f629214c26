// One safetensors file as views into its bytes: eight bytes of header length, a JSON header, the tensors' bytes.
// Format: https://github.com/huggingface/safetensors (README, "Format"). Checked whole before anything is used.
// Constant after Parse; any thread. Views live as long as the bytes given to Parse.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kernels/weight_type.h"

namespace loquat::model {

inline constexpr std::uint64_t kSafetensorsHeaderBytesMax = std::uint64_t{16} << 20;  // Some 100,000 tensors.
inline constexpr std::size_t kSafetensorsTensorsMax = std::size_t{1} << 17;
inline constexpr std::size_t kSafetensorsDimensionsMax = 16;

struct SafetensorsTensor {
  std::string name;
  std::string dtype;                        // As stored: "BF16".
  std::optional<kernels::WeightType> type;  // Empty: a type that weights do not have (indices, flags, F8).
  std::vector<std::uint64_t> shape;         // Outermost first; empty: a scalar.
  std::uint64_t offset = 0;                 // In the file.
  std::span<const std::byte> bytes;
};

class SafetensorsFile {
 public:
  // `name` is how errors call the file. kDataLoss: damaged; kInvalidArgument: the header is no JSON; kUnimplemented: a
  // tensor of a type that the format does not know.
  static base::Result<SafetensorsFile> Parse(std::string name, std::span<const std::byte> bytes);

  const std::string& name() const { return name_; }
  std::span<const SafetensorsTensor> tensors() const { return tensors_; }  // In the header's order; names are unique.
  const std::vector<std::pair<std::string, std::string>>& metadata() const { return metadata_; }

 private:
  SafetensorsFile() = default;
  friend class SafetensorsParser;

  std::string name_;
  std::vector<SafetensorsTensor> tensors_;
  std::vector<std::pair<std::string, std::string>> metadata_;
};

}  // namespace loquat::model
