#include "model/packed/packed_weights.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

namespace loquat::model {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

}  // namespace

base::Result<HugeMemory> HugeMemory::Allocate(std::size_t bytes) {
  if (bytes == 0) return HugeMemory();
  void* const start = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) return base::FileError("allocate", fmt::format("{} bytes for weights", bytes), errno);
  // A wish: without it all is as well, a little slower.
  if (bytes >= kHugePage) (void)::madvise(start, bytes, MADV_HUGEPAGE);
  return HugeMemory({static_cast<std::byte*>(start), bytes});
}

HugeMemory::~HugeMemory() {
  if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
}

std::optional<std::size_t> FindDamagedChunk(std::span<const std::byte> weights, const PackedChunks& chunks,
                                            kernels::ThreadTeam& team) {
  // Chunks are whole blocks but for the last one's end, so blocks may be counted through.
  const std::size_t blocks_in_chunk = chunks.chunk_bytes / kPackedBlockBytes;
  std::vector<std::uint64_t> hashes((weights.size() + kPackedBlockBytes - 1) / kPackedBlockBytes);
  team.Run(hashes.size(), [&](std::size_t i) {
    const std::size_t at = i * kPackedBlockBytes;
    const std::size_t bytes = std::min<std::size_t>(kPackedBlockBytes, weights.size() - at);
    hashes[i] = HashPackedBlock(weights.subspan(at, bytes), i % blocks_in_chunk);
  });
  for (std::size_t chunk = 0; chunk < chunks.hashes.size(); ++chunk) {
    const std::span<const std::uint64_t> all(hashes);
    const std::size_t first = chunk * blocks_in_chunk;
    const auto own = all.subspan(first, std::min(blocks_in_chunk, all.size() - first));
    if (HashPackedChunk(own, chunk) != chunks.hashes[chunk]) return chunk;
  }
  return std::nullopt;
}

PackedWeights::PackedWeights(std::string name, std::shared_ptr<const base::MappedFile> file, HugeMemory memory,
                             std::span<const std::byte> weights, std::vector<Tensor> tensors, PackedChunks chunks,
                             bool checked)
    : name_(std::move(name)),
      file_(std::move(file)),
      memory_(std::move(memory)),
      weights_(weights),
      tensors_({}, std::move(tensors)),
      chunks_(std::move(chunks)),
      verdict_(checked ? kSound : kUnknown) {}

void PackedWeights::Forget(std::span<const std::byte> bytes) const {
  if (memory_.bytes().empty()) file_->Forget(bytes);
}

base::Status PackedWeights::Check(kernels::ThreadTeam& team) const {
  // What a verdict is about was written before this object was shared, so its order matters to nobody.
  std::int64_t verdict = verdict_.load(std::memory_order_relaxed);
  if (verdict == kSound) return {};
  if (verdict == kUnknown) {
    const auto damaged = FindDamagedChunk(weights_, chunks_, team);
    verdict = damaged ? static_cast<std::int64_t>(*damaged) : kSound;
    verdict_.store(verdict, std::memory_order_relaxed);
    if (verdict == kSound) return {};
  }
  const std::uint64_t begin = static_cast<std::uint64_t>(verdict) * chunks_.chunk_bytes;
  const std::uint64_t end = std::min<std::uint64_t>(begin + chunks_.chunk_bytes, weights_.size());
  base::Error error = base::DataLoss(fmt::format(
      "{}: chunk {} of {} of its weights (bytes {} to {}) does not have the hash that the file states; copy the file "
      "again from where it came, or pack the model again",
      std::filesystem::path(name_).filename().string(), verdict, chunks_.hashes.size(), chunks_.offset + begin,
      chunks_.offset + end));
  error.reason = "damaged";
  return error;
}

}  // namespace loquat::model
