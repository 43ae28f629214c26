// The byte layout of packed model files: constants, the header, the kinds of sections. Drawn and explained in
// docs/packed_format.md. Constants and plain values; any thread.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "kernels/weight_type.h"

namespace loquat::model {

// The first byte is no letter and the last ends a line, so that a transfer as text shows.
inline constexpr std::array<unsigned char, 8> kPackedMagic = {0x8A, 'L', 'o', 'q', 'u', 'a', 't', '\n'};
inline constexpr std::uint32_t kPackedByteOrder = 0x0A0B0C0D;
inline constexpr std::uint32_t kPackedVersion = 1;

inline constexpr std::uint64_t kPackedBlockBytes = std::uint64_t{256} << 10;  // Under one hash; many make a chunk.
inline constexpr std::uint64_t kPackedChunkBytes = std::uint64_t{128} << 20;
inline constexpr std::uint64_t kPackedChunkBytesMax = std::uint64_t{1} << 30;
inline constexpr std::uint64_t kPackedPage = 4096;           // The weights begin one.
inline constexpr std::uint64_t kPackedTensorAlignment = 64;  // Within the weights.

inline constexpr std::uint64_t kPackedHeadBytesMax = std::uint64_t{1} << 30;
inline constexpr std::size_t kPackedTensorsMax = 65536;
inline constexpr std::size_t kPackedNameBytesMax = 256;
inline constexpr std::size_t kPackedMetadataMax = 65536;
inline constexpr std::size_t kPackedTextBytesMax = std::size_t{1} << 20;  // A metadata value; the chat template.
inline constexpr std::size_t kPackedIsaBytesMax = 16;

struct PackedHeader {
  std::array<unsigned char, 8> magic = kPackedMagic;
  std::uint32_t byte_order = kPackedByteOrder;
  std::uint32_t version = kPackedVersion;
  std::uint64_t header_hash = 0;  // Of the header, this field zero, and the table of sections behind it.
  std::uint64_t head_hash = 0;    // Of what lies between those and the weights.
  std::uint64_t file_bytes = 0;
  std::uint64_t weights_offset = 0;  // A multiple of kPackedPage.
  std::uint64_t weights_bytes = 0;
  std::uint64_t chunk_bytes = kPackedChunkBytes;
  std::array<char, kPackedIsaBytesMax> tuned_for{};  // A name of kernels/isa.h, zeros behind it.
  std::uint32_t sections = 0;
  std::uint32_t unused[11] = {};  // Zero.
};
static_assert(sizeof(PackedHeader) == 128);

enum class PackedSectionKind : std::uint32_t {
  kConfig = 1,
  kMetadata = 2,
  kTensors = 3,
  kChunks = 4,
  kTokenizer = 5,     // Optional.
  kChatTemplate = 6,  // Optional.
};
inline constexpr std::uint32_t kPackedSectionKinds = 6;

struct PackedSection {
  std::uint32_t kind = 0;
  std::uint32_t unused = 0;  // Zero.
  std::uint64_t offset = 0;  // In the file; a multiple of kPackedTensorAlignment.
  std::uint64_t bytes = 0;
};
static_assert(sizeof(PackedSection) == 24);

// In which order the rows of a tensor lie. A changed layout of panels gets a name of its own: readers that do not know
// it refuse the file.
struct PackedOrder {
  std::string_view name;
  kernels::RowOrder order;
};
inline constexpr PackedOrder kPackedOrders[] = {{"rows", kernels::RowOrder::kRows},
                                                {"panels16", kernels::RowOrder::kInterleaved}};

}  // namespace loquat::model
