// The weights of a packed file: mapped, or held in huge pages of this process, and checked against the hashes of their
// chunks. Any thread; those that check at the same time do the same work twice and agree.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "model/packed/packed_head.h"
#include "model/tensor/mapped_weights.h"
#include "model/tensor/weights.h"

namespace loquat::model {

// Memory of this process alone, in huge pages where the system has them.
class HugeMemory {
 public:
  static base::Result<HugeMemory> Allocate(std::size_t bytes);
  HugeMemory() = default;
  HugeMemory(HugeMemory&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  HugeMemory& operator=(HugeMemory&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~HugeMemory();

  std::span<std::byte> bytes() const { return bytes_; }
  // As base::MappedFile::Lock.
  base::Status Lock() const { return base::LockMemory(bytes_); }

 private:
  explicit HugeMemory(std::span<std::byte> bytes) : bytes_(bytes) {}

  std::span<std::byte> bytes_;
};

struct PackedChunks {
  std::vector<std::uint64_t> hashes;
  std::uint64_t chunk_bytes = 0;
  std::uint64_t offset = 0;  // Of the weights in the file, for messages.
};

// The first chunk whose bytes do not have its hash; nothing: all have.
std::optional<std::size_t> FindDamagedChunk(std::span<const std::byte> weights, const PackedChunks& chunks,
                                            kernels::ThreadTeam& team);

class PackedWeights final : public Weights {
 public:
  // `weights` lie in `file`, or in `memory`. `checked`: they count as sound.
  PackedWeights(std::string name, std::shared_ptr<const base::MappedFile> file, HugeMemory memory,
                std::span<const std::byte> weights, std::vector<Tensor> tensors, PackedChunks chunks, bool checked);

  std::span<const Tensor> tensors() const override { return tensors_.tensors(); }
  const Tensor* Find(std::string_view name) const override { return tensors_.Find(name); }
  void Forget(std::span<const std::byte> bytes) const override;
  base::Status Check(kernels::ThreadTeam& team) const override;

 private:
  static constexpr std::int64_t kUnknown = -2, kSound = -1;  // Or the number of the damaged chunk.

  const std::string name_;
  const std::shared_ptr<const base::MappedFile> file_;
  const HugeMemory memory_;  // Empty: the weights lie in the file.
  const std::span<const std::byte> weights_;
  const MappedWeights tensors_;  // Views of weights_.
  const PackedChunks chunks_;
  mutable std::atomic<std::int64_t> verdict_;
};

}  // namespace loquat::model
