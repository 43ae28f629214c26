// What stands before the weights of a packed file: read from bytes that nobody trusts, and written. Layout:
// docs/packed_format.md. Pure functions and plain values; any thread.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/metadata_entry.h"
#include "model/model_config.h"
#include "model/packed/packed_layout.h"
#include "model/tensor/weights.h"

namespace loquat::model {

// As stored; PackedHead::Tensors makes sense of it.
struct PackedTensor {
  std::string name;
  std::string type;                  // "q8_0"
  std::string order;                 // "panels16"
  std::vector<std::uint64_t> shape;  // Outermost first.
  std::uint64_t offset = 0;          // In the weights.
  std::uint64_t bytes = 0;
};

struct PackedHead {
  std::string tuned_for;                // The least instruction set whose kernels take the panels.
  ModelConfig config;                   // Not checked but for its enumerations.
  std::vector<MetadataEntry> metadata;  // Of the file that was packed.
  std::string chat_template;
  std::span<const std::byte> tokenizer;  // Of the file's bytes, 64-aligned as they are; empty: none.
  std::vector<PackedTensor> tensors;
  std::vector<std::uint64_t> chunk_hashes;
  std::uint64_t weights_offset = 0;
  std::uint64_t weights_bytes = 0;
  std::uint64_t chunk_bytes = 0;
};

bool IsPacked(std::span<const std::byte> beginning);

// `bytes` is the whole file, aligned to 64; `file` is how errors call it. Only the head is read. kInvalidArgument: no
// packed file; kUnimplemented "newer_version" or "foreign_endianness"; kDataLoss "truncated" or "damaged", saying
// where.
base::Result<PackedHead> ReadPackedHead(std::string_view file, std::span<const std::byte> bytes);

// The tensors over the weights. kDataLoss: one that lies outside or over another, whose size is not what its shape
// takes, or that stands there twice; kUnimplemented: of a type or an order that is not known.
base::Result<std::vector<Tensor>> PackedTensors(std::string_view file, const PackedHead& head,
                                                std::span<const std::byte> weights);

// All bytes before the weights, sealed. weights_offset is found here; it depends on no hash. kInvalidArgument:
// something is larger than the form allows.
base::Result<std::string> WritePackedHead(const PackedHead& head);

// Puts the right hashes into a head of so many bytes in front of the weights. REQUIRES: a header is there.
void SealPackedHead(std::span<std::byte> head);

// Hashes of the weights: a block of kPackedBlockBytes or what is left of a chunk, and a chunk from those of its blocks.
std::uint64_t HashPackedBlock(std::span<const std::byte> block, std::uint64_t index_in_chunk);
std::uint64_t HashPackedChunk(std::span<const std::uint64_t> blocks, std::uint64_t index);

}  // namespace loquat::model
