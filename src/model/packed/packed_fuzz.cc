// Any bytes as a packed file: refused or read, without a read outside the bytes. With the first byte odd the hashes are
// put right, so that what lies behind them is reached.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/check.h"
#include "model/packed/packed_head.h"
#include "model/packed/packed_weights.h"

namespace {

namespace model = loquat::model;

struct Free {
  void operator()(std::byte* p) const { std::free(p); }
};

void Seal(std::span<std::byte> file) {
  model::PackedHeader header;
  if (file.size() < sizeof header) return;
  std::memcpy(&header, file.data(), sizeof header);
  header.sections = std::min(header.sections, model::kPackedSectionKinds);
  const std::uint64_t head = sizeof header + header.sections * sizeof(model::PackedSection);
  if (header.weights_offset < head || header.weights_offset > file.size()) return;
  header.file_bytes = file.size();
  header.weights_bytes = file.size() - header.weights_offset;
  std::memcpy(file.data(), &header, sizeof header);
  model::SealPackedHead(file.first(header.weights_offset));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const bool seal = (data[0] & 1) != 0;
  --size;
  // Aligned as a mapping is, and nothing readable behind it.
  const std::size_t shift = (64 - size % 64) % 64;
  const std::unique_ptr<std::byte, Free> memory(static_cast<std::byte*>(std::aligned_alloc(64, size + shift + 64)));
  const std::span<std::byte> bytes(memory.get(), size);
  std::memcpy(bytes.data(), data + 1, size);
  if (seal) Seal(bytes);

  const auto head = model::ReadPackedHead("fuzz.packed", bytes);
  if (!head.has_value()) {
    LOQUAT_CHECK(!head.error().message.empty(), "a refusal says why");
    return 0;
  }
  LOQUAT_CHECK(head->weights_offset + head->weights_bytes == size, "the sizes are those of the file");
  const std::span<const std::byte> weights = bytes.subspan(head->weights_offset);
  const auto tensors = model::PackedTensors("fuzz.packed", *head, weights);
  if (tensors.has_value()) {
    for (const model::Tensor& tensor : *tensors) {
      LOQUAT_CHECK(tensor.bytes.data() >= weights.data() &&
                       tensor.bytes.data() + tensor.bytes.size() <= weights.data() + weights.size(),
                   "a tensor lies within the weights");
    }
  }
  loquat::kernels::ThreadTeam team({.threads = 1});
  (void)model::FindDamagedChunk(weights, {.hashes = head->chunk_hashes, .chunk_bytes = head->chunk_bytes}, team);
  const auto again = model::WritePackedHead(*head);
  LOQUAT_CHECK(again.has_value() && again->size() % model::kPackedPage == 0, "what can be read can be written");
  return 0;
}
