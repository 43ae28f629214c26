#include "model/packed/packed_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <numeric>
#include <unordered_set>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "kernels/interleave.h"
#include "kernels/isa.h"
#include "kernels/thread_team.h"
#include "model/tensor/layout.h"

namespace loquat::model {
namespace {

constexpr std::size_t kStepBlocks = 32;  // Hashed side by side and written together: 8 MiB.
constexpr std::size_t kPanelsTogether = 64;

// Takes the bytes of all tensors in order; hashes and writes them.
class WeightsWriter {
 public:
  WeightsWriter(base::AtomicFile& file, std::uint64_t offset, std::uint64_t chunk_bytes, kernels::ThreadTeam& team)
      : file_(file), offset_(offset), blocks_in_chunk_(chunk_bytes / kPackedBlockBytes), team_(team) {
    step_.reserve(kStepBlocks * kPackedBlockBytes);
  }

  std::uint64_t written() const { return written_ + step_.size(); }

  base::Status Append(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const std::size_t taken = std::min(bytes.size(), step_.capacity() - step_.size());
      step_.insert(step_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(taken));
      bytes = bytes.subspan(taken);
      if (step_.size() == step_.capacity()) LOQUAT_TRY(Flush());
    }
    return {};
  }
  base::Status AppendZerosTo(std::uint64_t offset) {
    const std::vector<std::byte> zeros(offset - written());
    return Append(zeros);
  }
  // The hashes of all chunks.
  base::Result<std::vector<std::uint64_t>> Finish() {
    LOQUAT_TRY(Flush());
    std::vector<std::uint64_t> chunks;
    for (std::size_t first = 0; first < blocks_.size(); first += blocks_in_chunk_) {
      const std::span<const std::uint64_t> all(blocks_);
      const auto own = all.subspan(first, std::min(blocks_in_chunk_, all.size() - first));
      chunks.push_back(HashPackedChunk(own, chunks.size()));
    }
    return chunks;
  }

 private:
  base::Status Flush() {
    const std::size_t first = blocks_.size();
    const std::span<const std::byte> step(step_);
    blocks_.resize(first + (step.size() + kPackedBlockBytes - 1) / kPackedBlockBytes);
    team_.Run(blocks_.size() - first, [&](std::size_t i) {
      const std::size_t at = i * kPackedBlockBytes;
      const auto block = step.subspan(at, std::min<std::size_t>(kPackedBlockBytes, step.size() - at));
      blocks_[first + i] = HashPackedBlock(block, (first + i) % blocks_in_chunk_);
    });
    LOQUAT_TRY(file_.WriteAt(offset_ + written_, step));
    written_ += step.size();
    step_.clear();
    return {};
  }

  base::AtomicFile& file_;
  const std::uint64_t offset_;  // Of the weights in the file.
  const std::size_t blocks_in_chunk_;
  kernels::ThreadTeam& team_;
  std::vector<std::byte> step_;        // Not written yet; a whole number of blocks when it is full.
  std::vector<std::uint64_t> blocks_;  // Hashes of what is written.
  std::uint64_t written_ = 0;
};

// A tensor, and the order in which it is to lie.
struct Placed {
  const Tensor* tensor = nullptr;
  kernels::RowOrder order = kernels::RowOrder::kRows;
};

std::string_view NameOf(kernels::RowOrder order) {
  return std::ranges::find(kPackedOrders, order, &PackedOrder::order)->name;
}

// Vectors first, which loading reads at once: they lie on few pages. Then matrices as they stood.
std::vector<Placed> Order(const PackSource& source) {
  const std::unordered_set<std::string_view, base::StringHash> linear(source.linear_tensors.begin(),
                                                                      source.linear_tensors.end());
  std::vector<Placed> placed, matrices;
  for (const Tensor& tensor : source.weights.tensors()) {
    LOQUAT_CHECK(tensor.order == kernels::RowOrder::kRows, "models are packed from files in rows");
    const bool matrix = tensor.shape.size() == 2;
    const bool panels = matrix && linear.contains(tensor.name);
    (matrix ? matrices : placed)
        .push_back({&tensor, panels ? kernels::RowOrder::kInterleaved : kernels::RowOrder::kRows});
  }
  placed.insert(placed.end(), matrices.begin(), matrices.end());
  return placed;
}

base::Status WritePanels(const Tensor& tensor, WeightsWriter& writer, kernels::ThreadTeam& team) {
  const kernels::Matrix all = tensor.matrix();
  const std::size_t panel_bytes = kernels::PanelBytes(all.type, all.cols);
  constexpr std::size_t kRowsTogether = kPanelsTogether * kernels::kInterleavedRows;
  std::vector<std::byte> panels(kPanelsTogether * panel_bytes);
  for (std::size_t row = 0; row < all.rows; row += kRowsTogether) {
    kernels::Matrix part = all;
    part.data = all.row(row);
    part.rows = std::min(kRowsTogether, all.rows - row);
    const std::size_t count = (part.rows + kernels::kInterleavedRows - 1) / kernels::kInterleavedRows;
    team.Run(count, [&](std::size_t i) { kernels::InterleavePanels(part, i, i + 1, panels.data()); });
    LOQUAT_TRY(writer.Append(std::span<const std::byte>(panels).first(count * panel_bytes)));
  }
  return {};
}

// The head with the places of all tensors, and hashes of zero in place of those to come.
PackedHead Plan(const PackSource& source, const PackOptions& options, std::span<const Placed> order) {
  const bool panels = std::ranges::find(order, kernels::RowOrder::kInterleaved, &Placed::order) != order.end();
  PackedHead head{.tuned_for = std::string(panels ? kernels::IsaName(kernels::Isa::kAvx2) : ""),
                  .config = source.config,
                  .metadata = source.metadata,
                  .chat_template = source.chat_template,
                  .tokenizer = std::as_bytes(std::span(source.tokenizer)),
                  .chunk_bytes = options.chunk_bytes};
  constexpr std::uint64_t kAlignment = kPackedTensorAlignment;
  for (const Placed& placed : order) {
    Tensor as_packed{.name = placed.tensor->name,
                     .type = placed.tensor->type,
                     .shape = placed.tensor->shape,
                     .bytes = {},
                     .order = placed.order};
    const std::uint64_t bytes = as_packed.bytes_expected().value();
    head.weights_bytes = (head.weights_bytes + kAlignment - 1) / kAlignment * kAlignment;
    head.tensors.push_back({.name = as_packed.name,
                            .type = std::string(kernels::LayoutOf(as_packed.type).name),
                            .order = std::string(NameOf(placed.order)),
                            .shape = as_packed.shape,
                            .offset = head.weights_bytes,
                            .bytes = bytes});
    head.weights_bytes += bytes;
  }
  head.chunk_hashes.resize((head.weights_bytes + options.chunk_bytes - 1) / options.chunk_bytes);
  return head;
}

}  // namespace

base::Result<PackReport> WritePacked(const std::string& path, const PackSource& source, const PackOptions& options,
                                     const PackProgress& progress) {
  LOQUAT_TRY(base::AtomicFile::Check(path, options.existing));
  LOQUAT_CHECK(std::has_single_bit(options.chunk_bytes) && options.chunk_bytes >= kPackedBlockBytes &&
                   options.chunk_bytes <= kPackedChunkBytesMax,
               "chunks are a power of two of bytes, and whole blocks");
  const std::vector<Placed> order = Order(source);
  PackedHead head = Plan(source, options, order);
  LOQUAT_ASSIGN(const std::string draft, WritePackedHead(head));
  const std::size_t head_bytes = draft.size();

  LOQUAT_ASSIGN(base::AtomicFile file, base::AtomicFile::Create(path, options.existing));
  LOQUAT_TRY(file.Reserve(head_bytes + head.weights_bytes));
  kernels::ThreadTeam team;
  WeightsWriter writer(file, head_bytes, options.chunk_bytes, team);
  PackReport report{.file_bytes = head_bytes + head.weights_bytes,
                    .weights_bytes = head.weights_bytes,
                    .chunks = head.chunk_hashes.size(),
                    .tensors = order.size()};
  for (std::size_t i = 0; i < order.size(); ++i) {
    const Tensor& tensor = *order[i].tensor;
    LOQUAT_TRY(writer.AppendZerosTo(head.tensors[i].offset));
    if (order[i].order == kernels::RowOrder::kInterleaved) {
      LOQUAT_TRY(WritePanels(tensor, writer, team));
      ++report.tensors_in_panels;
    } else {
      LOQUAT_TRY(writer.Append(tensor.bytes));
    }
    source.weights.Forget(tensor.bytes);
    if (progress) progress(writer.written(), head.weights_bytes);
  }
  LOQUAT_ASSIGN(head.chunk_hashes, writer.Finish());
  LOQUAT_ASSIGN(const std::string sealed, WritePackedHead(head));
  LOQUAT_CHECK(sealed.size() == head_bytes, "a head's size depends on no hash");
  LOQUAT_TRY(file.WriteAt(0, std::as_bytes(std::span(sealed))));
  LOQUAT_TRY(file.Commit());
  return report;
}

}  // namespace loquat::model
