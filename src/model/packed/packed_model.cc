#include "model/packed/packed_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>
#include <vector>

#include "model/packed/packed_weights.h"

namespace loquat::model {
namespace {

constexpr std::size_t kCopyBytes = std::size_t{4} << 20;  // One part of a copy: some huge pages.

base::Error OfFile(const std::string& path, base::Error error) {
  error.message = fmt::format("{}: {}", path, error.message);
  return error;
}

base::Result<HugeMemory> CopyWeights(const base::MappedFile& file, std::span<const std::byte> weights,
                                     kernels::ThreadTeam& team) {
  LOQUAT_ASSIGN(HugeMemory memory, HugeMemory::Allocate(weights.size()));
  team.Run((weights.size() + kCopyBytes - 1) / kCopyBytes, [&](std::size_t part) {
    const std::size_t at = part * kCopyBytes;
    const std::size_t bytes = std::min(kCopyBytes, weights.size() - at);
    std::memcpy(memory.bytes().data() + at, weights.data() + at, bytes);
  });
  file.Forget(weights);
  return memory;
}

}  // namespace

bool IsPackedFile(const std::string& path) {
  // Opening a pipe that nobody writes to would wait for ever.
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return false;
  std::array<char, kPackedMagic.size()> beginning{};
  std::ifstream file(path, std::ios::binary);
  file.read(beginning.data(), beginning.size());
  return file.gcount() == static_cast<std::streamsize>(beginning.size()) &&
         IsPacked(std::as_bytes(std::span(beginning)));
}

base::Result<PackedModel> OpenPacked(const std::string& path, const PackedOptions& options) {
  LOQUAT_ASSIGN(base::MappedFile mapped, base::MappedFile::Open(path));
  PackedModel model;
  LOQUAT_ASSIGN(model.head, ReadPackedHead(path, mapped.bytes()));
  model.file = std::make_shared<const base::MappedFile>(std::move(mapped));
  std::span<const std::byte> weights = model.file->bytes().subspan(model.head.weights_offset);
  HugeMemory memory;
  const bool works = options.huge_pages || options.verify == PackedVerify::kFull;
  kernels::ThreadTeam team({.threads = works ? 0U : 1U});
  if (options.huge_pages) {
    LOQUAT_ASSIGN(memory, CopyWeights(*model.file, weights, team));
    weights = memory.bytes();
  } else if (options.populate) {
    if (auto status = model.file->Populate(weights); !status.has_value()) return OfFile(path, status.error());
  }
  if (options.lock) {
    const auto status = options.huge_pages ? memory.Lock() : model.file->Lock(weights);
    if (!status.has_value()) return OfFile(path, status.error());
  }
  LOQUAT_ASSIGN(std::vector<Tensor> tensors, PackedTensors(path, model.head, weights));
  PackedChunks chunks{
      .hashes = model.head.chunk_hashes, .chunk_bytes = model.head.chunk_bytes, .offset = model.head.weights_offset};
  model.weights =
      std::make_unique<const PackedWeights>(path, model.file, std::move(memory), weights, std::move(tensors),
                                            std::move(chunks), options.verify == PackedVerify::kNone);
  if (options.verify == PackedVerify::kFull) LOQUAT_TRY(model.weights->Check(team));
  return model;
}

}  // namespace loquat::model
