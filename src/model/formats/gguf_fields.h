// Typed look-ups in a GGUF file's metadata that remember the first fault, so that a reader reads down its keys and
// asks once at the end. One thread; the file outlives it.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/formats/gguf_file.h"

namespace loquat::model {

class GgufFields {
 public:
  // Keys get `prefix` put before them: "llama.".
  explicit GgufFields(const GgufFile& file, std::string prefix = {}) : file_(file), prefix_(std::move(prefix)) {}

  // Null: not there.
  const GgufValue* Find(std::string_view key) const { return file_.Find(prefix_ + std::string(key)); }
  bool Has(std::string_view key) const { return Find(key) != nullptr; }

  // The value, or `otherwise` where the key is missing; of the wrong type or range: a fault, and `otherwise`.
  std::uint32_t Uint(std::string_view key, std::uint32_t otherwise);
  float Float(std::string_view key, float otherwise);
  bool Bool(std::string_view key, bool otherwise);
  std::string String(std::string_view key, std::string_view otherwise = {});
  // The same, where a missing key is a fault.
  std::uint32_t RequiredUint(std::string_view key);
  // A number for each layer or one for all: the one number; a fault if layers differ, which no model here does.
  std::uint32_t UniformUint(std::string_view key, std::uint32_t otherwise);
  // An array of `type`, null if missing; of another type: a fault, and null.
  const GgufValue* Array(std::string_view key, GgufType type);

  void Fault(std::string_view key, std::string_view what);
  base::Status status() const { return status_; }

 private:
  const GgufFile& file_;
  const std::string prefix_;
  base::Status status_;
};

}  // namespace loquat::model
