// The bytes of a slot tagger: one section of a model folder. SlotModelData is what training fills in; SlotModelView
// reads the bytes where they lie, after checking every offset and index in them, and lives as long as they do.
// Immutable.
//
// Layout, little-endian: SlotModelHeader, then each array at its offset (64-byte aligned), in the order of SlotArray.
// A block of weights, in 16-bit units: [rows present: a bit each; bit 15: context word] then for each row present, in
// order: [n] and n cells, each [label << 8 | weight as a byte] or, when there are more than 256 labels,
// [label][weight].

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "understanding/dataset.h"
#include "understanding/gazetteer.h"
#include "understanding/slot_lattice.h"
#include "understanding/slot_tagger.h"

namespace loquat::understanding {

inline constexpr std::uint32_t kSlotModelMagic = 0x544F4C53;  // "SLOT"
inline constexpr std::uint32_t kSlotModelVersion = 1;
inline constexpr std::uint32_t kNarrowLabelsMax = 256;  // With more labels a cell takes two units.
inline constexpr std::uint16_t kContextWordBit = 1u << 15;

enum class SlotArray : std::uint8_t {
  kStringEnds,      // u32 [string]
  kStringBytes,     // char
  kTypes,           // u32 [type, 3]: strings of entity, role, group
  kEntities,        // u32 [entity]: strings
  kEnter,           // f32 [types + 1, type_stride]
  kContinueBegin,   // f32 [type]
  kContinueInside,  // f32 [type]
  kFeatures,        // FeatureCell [power of two]
  kBlocks,          // u16
  kGazetteer,       // GazetteerCell [power of two]
  kClassEnds,       // u32 [class]
  kClassEntities,   // u32
  kRegexes,         // u32 [regex, 2]: strings of name, pattern
  kSynonyms,        // SynonymCell [power of two]
};
inline constexpr std::size_t kSlotArrays = static_cast<std::size_t>(SlotArray::kSynonyms) + 1;

struct SlotModelHeader {
  std::uint32_t magic = kSlotModelMagic;
  std::uint32_t version = kSlotModelVersion;
  std::uint32_t types = 0;
  float step = 1;         // What a weight of 1 adds to a score.
  float temperature = 1;  // Of confidences.
  std::uint32_t arrays = kSlotArrays;
  struct Extent {
    std::uint64_t offset = 0, size = 0;  // Bytes.
  };
  std::array<Extent, kSlotArrays> extents{};
};

struct FeatureCell {
  std::uint32_t fingerprint = 0;  // Zero: empty.
  std::uint32_t block = 0;        // Where it starts in kBlocks, in units.
};

struct SynonymCell {
  std::uint64_t hash = 0;  // Of the folded surface; zero: empty.
  std::uint32_t canonical = 0;
  std::uint32_t unused = 0;
};

// Finds a feature's block; 0xFFFFFFFF: not there.
std::uint32_t FindFeature(std::span<const FeatureCell> cells, std::uint64_t key);
// Puts one in. REQUIRES: an empty cell, and a key that is not there.
void InsertFeature(std::span<FeatureCell> cells, std::uint64_t key, std::uint32_t block);

struct SlotModelData {
  std::vector<SlotType> types;
  std::vector<std::string> entities;
  TransitionScores transitions;
  std::vector<FeatureCell> features;
  std::vector<std::uint16_t> blocks;
  GazetteerTable gazetteer;
  std::vector<NamedRegex> regexes;
  std::vector<Synonym> synonyms;
  float step = 1, temperature = 1;

  std::vector<std::byte> Serialize() const;
};

struct SlotModelView {
  SlotLabels labels;
  float step = 1, temperature = 1;
  std::vector<SlotType> types;
  std::uint32_t entities = 0;
  TransitionScores transitions;
  std::span<const FeatureCell> features;
  std::span<const std::uint16_t> blocks;
  std::span<const GazetteerCell> gazetteer;
  std::span<const std::uint32_t> class_ends, class_entities;
  std::vector<NamedRegex> regexes;
  std::span<const SynonymCell> synonyms;
  std::span<const std::uint32_t> string_ends;
  std::string_view string_bytes;

  static base::Result<SlotModelView> Parse(std::span<const std::byte> section);

  std::string_view String(std::uint32_t index) const {
    const std::uint32_t begin = index == 0 ? 0 : string_ends[index - 1];
    return string_bytes.substr(begin, string_ends[index] - begin);
  }
  // The canonical value of a surface that a synonym names; else the surface itself.
  std::string_view Canonical(std::string_view surface, std::string& scratch) const;
  // Units of one cell of a block.
  std::uint32_t cell_units() const { return labels.count() > kNarrowLabelsMax ? 2 : 1; }
};

// Hash of a whole value (not of one token) in the form in which synonyms are compared; never zero.
std::uint64_t SynonymHash(std::string_view surface, std::string& scratch);

}  // namespace loquat::understanding
