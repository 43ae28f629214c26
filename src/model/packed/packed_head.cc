#include "model/packed/packed_head.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <unordered_set>

#include "base/flat.h"
#include "base/hash.h"
#include "model/packed/packed_fields.h"
#include "model/tensor/layout.h"

namespace loquat::model {
namespace {

constexpr std::uint64_t kHeaderBytes = sizeof(PackedHeader);
constexpr std::string_view kSectionNames[] = {"",       "config",    "metadata",     "tensors",
                                              "chunks", "tokenizer", "chat template"};

base::Error Damaged(std::string_view file, std::string_view what) {
  base::Error error = base::DataLoss(
      fmt::format("{}: {}; copy the file again from where it came, or pack the model again", file, what));
  error.reason = "damaged";
  return error;
}

std::uint64_t AlignUp(std::uint64_t offset, std::uint64_t alignment) {
  return (offset + alignment - 1) / alignment * alignment;
}

std::uint64_t ChunksOf(std::uint64_t bytes, std::uint64_t chunk_bytes) {
  return bytes / chunk_bytes + (bytes % chunk_bytes != 0 ? 1 : 0);
}

// REQUIRES: the table of sections fits the bytes.
std::uint64_t HashHeader(std::span<const std::byte> bytes, std::uint32_t sections) {
  std::string copy(reinterpret_cast<const char*>(bytes.data()), kHeaderBytes + sections * sizeof(PackedSection));
  std::memset(copy.data() + offsetof(PackedHeader, header_hash), 0, sizeof(std::uint64_t));
  return base::Hash64(copy);
}

std::uint64_t HashHead(std::span<const std::byte> head, std::uint32_t sections) {
  return base::Hash64(head.subspan(kHeaderBytes + sections * sizeof(PackedSection)));
}

base::Status CheckSizes(std::string_view file, const PackedHeader& header, std::uint64_t bytes) {
  const bool chunk_fits = std::has_single_bit(header.chunk_bytes) && header.chunk_bytes >= kPackedBlockBytes &&
                          header.chunk_bytes <= kPackedChunkBytesMax;
  if (!chunk_fits) return Damaged(file, fmt::format("its header says chunks of {} bytes", header.chunk_bytes));
  const bool head_fits = header.weights_offset % kPackedPage == 0 && header.weights_offset <= kPackedHeadBytesMax &&
                         header.weights_offset >= kHeaderBytes + header.sections * sizeof(PackedSection);
  if (!head_fits || header.file_bytes < header.weights_offset ||
      header.file_bytes - header.weights_offset != header.weights_bytes) {
    return Damaged(file, "the sizes in its header contradict each other");
  }
  if (bytes < header.file_bytes) {
    const std::uint64_t chunks = ChunksOf(header.weights_bytes, header.chunk_bytes);
    const std::uint64_t whole =
        bytes < header.weights_offset ? 0 : (bytes - header.weights_offset) / header.chunk_bytes;
    base::Error error = Damaged(file, fmt::format("it ends after {} of {} bytes: of {} chunks of weights, those from "
                                                  "number {} on are missing or cut",
                                                  bytes, header.file_bytes, chunks, whole));
    error.reason = "truncated";
    return error;
  }
  if (bytes == header.file_bytes) return {};
  return Damaged(file, fmt::format("it has {} bytes, its header says {}", bytes, header.file_bytes));
}

base::Result<PackedHeader> ReadHeader(std::string_view file, std::span<const std::byte> bytes) {
  if (!IsPacked(bytes)) {
    return base::InvalidArgument(fmt::format("{}: this is no packed model file (its first bytes differ)", file));
  }
  PackedHeader header;
  if (bytes.size() < kHeaderBytes) {
    return Damaged(file, fmt::format("it ends after {} bytes, within its header", bytes.size()));
  }
  std::memcpy(&header, bytes.data(), kHeaderBytes);
  if (header.byte_order == __builtin_bswap32(kPackedByteOrder)) {
    return base::Error{.code = base::Code::kUnimplemented,
                       .message = fmt::format("{}: it was packed for machines of the other byte order (big-endian); "
                                              "pack the model again on this kind of machine",
                                              file),
                       .reason = "foreign_endianness"};
  }
  if (header.byte_order != kPackedByteOrder) return Damaged(file, "its mark of the byte order is neither");
  if (header.version > kPackedVersion) {
    return base::Error{
        .code = base::Code::kUnimplemented,
        .message = fmt::format("{}: it is of version {} of the packed form; this program reads up to {}: use a newer "
                               "Loquat, or pack the model again with this one",
                               file, header.version, kPackedVersion),
        .reason = "newer_version"};
  }
  if (header.version == 0) return Damaged(file, "its version is 0");
  if (header.sections > kPackedSectionKinds) return Damaged(file, fmt::format("it has {} sections", header.sections));
  if (bytes.size() < kHeaderBytes + header.sections * sizeof(PackedSection)) {
    return Damaged(file, fmt::format("it ends after {} bytes, within its header", bytes.size()));
  }
  if (HashHeader(bytes, header.sections) != header.header_hash) {
    return Damaged(file, "its header (from byte 0 on) does not have the hash that it states");
  }
  LOQUAT_TRY(CheckSizes(file, header, bytes.size()));
  if (HashHead(bytes.first(header.weights_offset), header.sections) != header.head_hash) {
    return Damaged(file, fmt::format("what lies before its weights (bytes {} to {}) does not have the hash that its "
                                     "header states",
                                     kHeaderBytes + header.sections * sizeof(PackedSection), header.weights_offset));
  }
  return header;
}

// The sections by kind; empty: not there.
class Sections {
 public:
  base::Status Read(std::string_view file, const PackedHeader& header, std::span<const std::byte> bytes) {
    std::uint64_t at = kHeaderBytes + header.sections * sizeof(PackedSection);
    for (std::uint32_t i = 0; i < header.sections; ++i) {
      PackedSection section;
      std::memcpy(&section, bytes.data() + kHeaderBytes + i * sizeof section, sizeof section);
      if (section.kind == 0 || section.kind > kPackedSectionKinds) {
        return Damaged(file, fmt::format("its section {} is of the kind {}, which is not known", i, section.kind));
      }
      if (there_[section.kind]) return Damaged(file, fmt::format("it has two {} sections", NameOf(section.kind)));
      if (section.offset % kPackedTensorAlignment != 0 || section.offset < at ||
          section.offset > header.weights_offset || section.bytes > header.weights_offset - section.offset) {
        return Damaged(file, fmt::format("its {} section lies outside its place", NameOf(section.kind)));
      }
      at = section.offset + section.bytes;
      there_[section.kind] = true;
      bytes_[section.kind] = bytes.subspan(section.offset, section.bytes);
    }
    for (const auto kind : {PackedSectionKind::kConfig, PackedSectionKind::kMetadata, PackedSectionKind::kTensors,
                            PackedSectionKind::kChunks}) {
      if (!there_[Index(kind)]) return Damaged(file, fmt::format("it has no {} section", NameOf(Index(kind))));
    }
    return {};
  }

  std::span<const std::byte> operator[](PackedSectionKind kind) const { return bytes_[Index(kind)]; }

  // Calls read(reader) with what the section holds, all of which is to be read.
  template <typename Read>
  base::Status Parse(std::string_view file, PackedSectionKind kind, Read&& read) const {
    if (!there_[Index(kind)]) return {};
    base::FlatReader reader(bytes_[Index(kind)]);
    read(reader);
    if (reader.ok() && reader.left() > 0) reader.Fail("more bytes than belong there");
    if (reader.ok()) return {};
    return Damaged(file, fmt::format("its {} section, {}", NameOf(Index(kind)), reader.fault()));
  }

 private:
  static std::size_t Index(PackedSectionKind kind) { return static_cast<std::size_t>(kind); }
  static std::string_view NameOf(std::size_t kind) { return kSectionNames[kind]; }

  bool there_[kPackedSectionKinds + 1] = {};
  std::span<const std::byte> bytes_[kPackedSectionKinds + 1];
};

std::optional<kernels::WeightType> TypeOf(std::string_view name) {
  for (std::size_t i = 0; i < kernels::kWeightTypes; ++i) {
    if (kernels::kWeightLayouts[i].name == name) return static_cast<kernels::WeightType>(i);
  }
  return std::nullopt;
}

base::Error Unknown(std::string_view file, std::string_view tensor, std::string_view what, std::string_view value) {
  return {.code = base::Code::kUnimplemented,
          .message = fmt::format("{}: the tensor '{}' has the {} '{}', which this program does not know: use a newer "
                                 "Loquat, or pack the model again with this one",
                                 file, tensor, what, value),
          .reason = "newer_version"};
}

}  // namespace

bool IsPacked(std::span<const std::byte> beginning) {
  return beginning.size() >= kPackedMagic.size() &&
         std::memcmp(beginning.data(), kPackedMagic.data(), kPackedMagic.size()) == 0;
}

std::uint64_t HashPackedBlock(std::span<const std::byte> block, std::uint64_t index_in_chunk) {
  return base::Hash64(block, index_in_chunk);
}

std::uint64_t HashPackedChunk(std::span<const std::uint64_t> blocks, std::uint64_t index) {
  return base::Hash64(std::as_bytes(blocks), index);
}

base::Result<PackedHead> ReadPackedHead(std::string_view file, std::span<const std::byte> bytes) {
  LOQUAT_ASSIGN(const PackedHeader header, ReadHeader(file, bytes));
  Sections sections;
  LOQUAT_TRY(sections.Read(file, header, bytes));
  PackedHead head{.tokenizer = sections[PackedSectionKind::kTokenizer],
                  .weights_offset = header.weights_offset,
                  .weights_bytes = header.weights_bytes,
                  .chunk_bytes = header.chunk_bytes};
  const std::string_view isa(header.tuned_for.data(), header.tuned_for.size());
  head.tuned_for = isa.substr(0, isa.find('\0'));
  using enum PackedSectionKind;
  LOQUAT_TRY(sections.Parse(file, kConfig, [&](auto& reader) { ConfigFields(reader, head.config); }));
  LOQUAT_TRY(sections.Parse(file, kMetadata, [&](auto& reader) { MetadataFields(reader, head.metadata); }));
  LOQUAT_TRY(sections.Parse(file, kTensors, [&](auto& reader) { TensorFields(reader, head.tensors); }));
  LOQUAT_TRY(
      sections.Parse(file, kChatTemplate, [&](auto& reader) { reader.Text(head.chat_template, kPackedTextBytesMax); }));
  const std::uint64_t chunks = ChunksOf(header.weights_bytes, header.chunk_bytes);
  LOQUAT_TRY(sections.Parse(file, kChunks, [&](auto& reader) {
    reader.Items(head.chunk_hashes, chunks, [&](auto& hash) { reader.Number(hash); });
  }));
  if (head.chunk_hashes.size() == chunks) return head;
  return Damaged(file, fmt::format("it has {} hashes for {} chunks", head.chunk_hashes.size(), chunks));
}

base::Result<std::vector<Tensor>> PackedTensors(std::string_view file, const PackedHead& head,
                                                std::span<const std::byte> weights) {
  std::vector<Tensor> tensors;
  std::vector<Extent> extents;
  std::unordered_set<std::string_view, base::StringHash> names;
  for (const PackedTensor& stored : head.tensors) {
    const auto fault = [&](std::string_view what) {
      return Damaged(file, fmt::format("the tensor '{}' {}", stored.name, what));
    };
    const auto type = TypeOf(stored.type);
    if (!type) return Unknown(file, stored.name, "type", stored.type);
    const auto* const order = std::ranges::find(kPackedOrders, std::string_view(stored.order), &PackedOrder::name);
    if (order == std::end(kPackedOrders)) return Unknown(file, stored.name, "order of rows", stored.order);
    if (!names.insert(stored.name).second) return fault("stands there twice");
    if (stored.shape.empty() || std::ranges::find(stored.shape, 0U) != stored.shape.end()) {
      return fault("has a shape without weights");
    }
    Tensor tensor{.name = stored.name, .type = *type, .shape = stored.shape, .bytes = {}, .order = order->order};
    const auto expected = tensor.bytes_expected();
    if (!expected.has_value()) return fault(expected.error().message);
    if (stored.bytes != *expected) return fault(fmt::format("has {} bytes; it takes {}", stored.bytes, *expected));
    if (stored.offset % kPackedTensorAlignment != 0 || stored.offset > weights.size() ||
        stored.bytes > weights.size() - stored.offset) {
      return fault("lies outside the weights");
    }
    tensor.bytes = weights.subspan(stored.offset, stored.bytes);
    extents.push_back({.begin = stored.offset, .end = stored.offset + stored.bytes});
    tensors.push_back(std::move(tensor));
  }
  if (const auto overlap = FindOverlap(extents)) {
    return Damaged(file, fmt::format("the tensors '{}' and '{}' lie on the same bytes", tensors[overlap->first].name,
                                     tensors[overlap->second].name));
  }
  return tensors;
}

base::Result<std::string> WritePackedHead(const PackedHead& head) {
  base::FlatWriter config, metadata, tensors, chunks, chat_template;
  ConfigFields(config, head.config);
  MetadataFields(metadata, head.metadata);
  TensorFields(tensors, head.tensors);
  chunks.Items(head.chunk_hashes, head.chunk_hashes.size(), [&](auto hash) { chunks.Number(hash); });
  chat_template.Text(head.chat_template, kPackedTextBytesMax);
  for (const base::FlatWriter* writer : {&config, &metadata, &tensors, &chunks, &chat_template}) {
    if (!writer->ok()) return base::InvalidArgument(fmt::format("the model cannot be packed: {}", writer->fault()));
  }
  if (head.tokenizer.size() > kPackedHeadBytesMax / 2) {
    return base::InvalidArgument(
        fmt::format("the model cannot be packed: its tokenizer takes {} bytes; at most {} are allowed",
                    head.tokenizer.size(), kPackedHeadBytesMax / 2));
  }
  const std::string_view tokenizer(reinterpret_cast<const char*>(head.tokenizer.data()), head.tokenizer.size());
  struct Part {
    PackedSectionKind kind;
    std::string_view bytes;
  };
  using enum PackedSectionKind;
  std::vector<Part> parts = {
      {kConfig, config.bytes()}, {kMetadata, metadata.bytes()}, {kTensors, tensors.bytes()}, {kChunks, chunks.bytes()}};
  if (!tokenizer.empty()) parts.push_back({kTokenizer, tokenizer});
  if (!head.chat_template.empty()) parts.push_back({kChatTemplate, chat_template.bytes()});

  PackedHeader header{.weights_bytes = head.weights_bytes,
                      .chunk_bytes = head.chunk_bytes,
                      .sections = static_cast<std::uint32_t>(parts.size())};
  head.tuned_for.copy(header.tuned_for.data(), header.tuned_for.size());
  std::string out(kHeaderBytes + parts.size() * sizeof(PackedSection), '\0');
  for (std::size_t i = 0; i < parts.size(); ++i) {
    out.resize(AlignUp(out.size(), kPackedTensorAlignment));
    const PackedSection section{
        .kind = static_cast<std::uint32_t>(parts[i].kind), .offset = out.size(), .bytes = parts[i].bytes.size()};
    std::memcpy(out.data() + kHeaderBytes + i * sizeof section, &section, sizeof section);
    out += parts[i].bytes;
  }
  out.resize(AlignUp(out.size(), kPackedPage));
  header.weights_offset = out.size();
  header.file_bytes = out.size() + head.weights_bytes;
  std::memcpy(out.data(), &header, sizeof header);
  SealPackedHead(std::as_writable_bytes(std::span(out)));
  return out;
}

void SealPackedHead(std::span<std::byte> head) {
  PackedHeader header;
  std::memcpy(&header, head.data(), sizeof header);
  header.head_hash = HashHead(head, header.sections);
  std::memcpy(head.data(), &header, sizeof header);
  header.header_hash = HashHeader(head, header.sections);
  std::memcpy(head.data(), &header, sizeof header);
}

}  // namespace loquat::model
