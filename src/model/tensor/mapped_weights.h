// Weights whose bytes lie in memory-mapped files. Pages are read from disk as a forward pass first touches them, and
// the system may drop and read them again: the files must not change while the object lives (base::MappedFile).
// Constant after construction; any thread.

#pragma once

#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/file.h"
#include "base/hash.h"
#include "model/tensor/weights.h"

namespace loquat::model {

class MappedWeights final : public Weights {
 public:
  // Takes the files in which the tensors' bytes lie; with no files, the caller keeps the bytes.
  // REQUIRES: the tensors' names are unique, and their bytes as many as shape and type say.
  MappedWeights(std::vector<base::MappedFile> files, std::vector<Tensor> tensors);

  std::span<const Tensor> tensors() const override { return tensors_; }
  const Tensor* Find(std::string_view name) const override;
  void Forget(std::span<const std::byte> bytes) const override;

 private:
  const std::vector<base::MappedFile> files_;
  const std::vector<Tensor> tensors_;
  std::unordered_map<std::string_view, const Tensor*, base::StringHash> by_name_;  // Constant after construction.
};

}  // namespace loquat::model
