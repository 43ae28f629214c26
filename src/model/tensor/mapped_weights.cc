#include "model/tensor/mapped_weights.h"

#include <functional>
#include <utility>

#include "base/check.h"

namespace loquat::model {

MappedWeights::MappedWeights(std::vector<base::MappedFile> files, std::vector<Tensor> tensors)
    : files_(std::move(files)), tensors_(std::move(tensors)) {
  by_name_.reserve(tensors_.size());
  for (const Tensor& tensor : tensors_) {
    LOQUAT_CHECK(by_name_.emplace(tensor.name, &tensor).second, "a tensor's name stands here twice");
  }
}

const Tensor* MappedWeights::Find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

void MappedWeights::Forget(std::span<const std::byte> bytes) const {
  for (const base::MappedFile& file : files_) {
    const std::span<const std::byte> all = file.bytes();
    const bool inside = !std::less<>()(bytes.data(), all.data()) &&
                        !std::less<>()(all.data() + all.size(), bytes.data() + bytes.size());
    if (inside) file.Forget(bytes);
  }
}

}  // namespace loquat::model
