#include "understanding/slot_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <map>

#include "base/hash.h"

namespace loquat::understanding {
namespace {

static_assert(std::endian::native == std::endian::little, "the layout is little-endian and read in place");

constexpr std::size_t kAlignment = 64;
constexpr double kSynonymLoadMax = 0.5;

std::uint32_t Fingerprint(std::uint64_t key) {
  const auto high = static_cast<std::uint32_t>(key >> 32);
  return high == 0 ? 1 : high;
}

base::Error Broken(std::string_view why) {
  return base::DataLoss(
      fmt::format("the slot tagger's section is damaged: {}. Train the model again, or restore the file.", why));
}

// Strings, each stored once.
class StringTable {
 public:
  std::uint32_t Add(const std::string& text) {
    const auto [at, fresh] = index_.try_emplace(text, static_cast<std::uint32_t>(ends_.size()));
    if (fresh) {
      bytes_ += text;
      ends_.push_back(static_cast<std::uint32_t>(bytes_.size()));
    }
    return at->second;
  }
  const std::vector<std::uint32_t>& ends() const { return ends_; }
  const std::string& bytes() const { return bytes_; }

 private:
  std::map<std::string, std::uint32_t> index_;
  std::vector<std::uint32_t> ends_;
  std::string bytes_;
};

std::vector<SynonymCell> BuildSynonyms(const std::vector<Synonym>& synonyms, StringTable& strings) {
  std::vector<SynonymCell> cells;
  if (synonyms.empty()) return cells;
  cells.resize(std::bit_ceil(static_cast<std::size_t>(static_cast<double>(synonyms.size()) / kSynonymLoadMax) + 1));
  std::string scratch;
  for (const Synonym& synonym : synonyms) {
    const std::uint64_t hash = SynonymHash(synonym.surface, scratch);
    std::size_t at = hash & (cells.size() - 1);
    while (cells[at].hash != 0 && cells[at].hash != hash) at = (at + 1) & (cells.size() - 1);
    cells[at] = {hash, strings.Add(synonym.canonical), 0};
  }
  return cells;
}

// Reads arrays out of a section and remembers the first thing that is wrong.
class Reader {
 public:
  Reader(std::span<const std::byte> section, const SlotModelHeader& header) : section_(section), header_(header) {}

  template <typename T>
  std::span<const T> Array(SlotArray which) {
    const auto& extent = header_.extents[static_cast<std::size_t>(which)];
    if (extent.offset % kAlignment != 0 || extent.offset > section_.size() ||
        extent.size > section_.size() - extent.offset || extent.size % sizeof(T) != 0) {
      Fail("an array lies outside of it");
      return {};
    }
    return {reinterpret_cast<const T*>(section_.data() + extent.offset), extent.size / sizeof(T)};
  }
  void Check(bool ok, std::string_view why) {
    if (!ok) Fail(why);
  }
  void Fail(std::string_view why) {
    if (why_.empty()) why_ = why;
  }
  bool ok() const { return why_.empty(); }
  std::string_view why() const { return why_; }

 private:
  std::span<const std::byte> section_;
  const SlotModelHeader& header_;
  std::string_view why_;
};

bool IsTable(std::size_t cells) {
  return cells == 0 || std::has_single_bit(cells);
}

bool AreFinite(std::span<const float> numbers) {
  return std::ranges::all_of(numbers, [](float x) { return std::isfinite(x) && std::fabs(x) < 1e6F; });
}

// Whether a whole block lies within the stream and names labels that exist.
bool IsBlock(const SlotModelView& view, std::uint32_t at) {
  const auto& units = view.blocks;
  if (at >= units.size()) return false;
  const std::uint32_t rows = units[at] & ~kContextWordBit;
  if (rows >= 1u << kAtomRowsMax) return false;
  std::size_t next = at + std::size_t{1};
  for (int row = 0; row < std::popcount(rows); ++row) {
    if (next >= units.size()) return false;
    const std::size_t cells = units[next++];
    if (cells * view.cell_units() > units.size() - next) return false;
    for (std::size_t c = 0; c < cells; ++c) {
      const std::uint32_t label = view.cell_units() == 2 ? units[next + 2 * c] : units[next + c] >> 8;
      if (label >= view.labels.count()) return false;
    }
    next += cells * view.cell_units();
  }
  return true;
}

bool HasEmptyCell(std::span<const FeatureCell> cells) {
  return cells.empty() || std::ranges::any_of(cells, [](const FeatureCell& cell) { return cell.fingerprint == 0; });
}

void ReadStrings(Reader& reader, SlotModelView& view) {
  view.string_ends = reader.Array<std::uint32_t>(SlotArray::kStringEnds);
  const auto bytes = reader.Array<char>(SlotArray::kStringBytes);
  view.string_bytes = {bytes.data(), bytes.size()};
  std::uint32_t last = 0;
  for (const std::uint32_t end : view.string_ends) {
    reader.Check(end >= last && end <= bytes.size(), "a string lies outside of its array");
    last = end;
  }
}

void ReadNames(Reader& reader, SlotModelView& view) {
  const auto known = [&](std::uint32_t string) { return string < view.string_ends.size(); };
  const auto types = reader.Array<std::uint32_t>(SlotArray::kTypes);
  const auto entities = reader.Array<std::uint32_t>(SlotArray::kEntities);
  const auto regexes = reader.Array<std::uint32_t>(SlotArray::kRegexes);
  reader.Check(types.size() == std::size_t{view.labels.types} * 3, "the number of slot types differs");
  reader.Check(std::ranges::all_of(types, known) && std::ranges::all_of(entities, known) && regexes.size() % 2 == 0 &&
                   std::ranges::all_of(regexes, known),
               "a name is missing");
  if (!reader.ok()) return;
  view.entities = static_cast<std::uint32_t>(entities.size());
  for (std::size_t t = 0; t < types.size(); t += 3) {
    view.types.push_back({std::string(view.String(types[t])), std::string(view.String(types[t + 1])),
                          std::string(view.String(types[t + 2]))});
  }
  for (std::size_t r = 0; r < regexes.size(); r += 2) {
    view.regexes.push_back({std::string(view.String(regexes[r])), std::string(view.String(regexes[r + 1])), 0, 0});
  }
}

void ReadTransitions(Reader& reader, SlotModelView& view) {
  const auto enter = reader.Array<float>(SlotArray::kEnter);
  const auto begin = reader.Array<float>(SlotArray::kContinueBegin);
  const auto inside = reader.Array<float>(SlotArray::kContinueInside);
  view.transitions.Resize(view.labels);
  reader.Check(enter.size() == view.transitions.enter.size() && begin.size() == view.labels.types &&
                   inside.size() == view.labels.types && AreFinite(enter) && AreFinite(begin) && AreFinite(inside),
               "the transitions do not fit the slot types");
  if (!reader.ok()) return;
  std::ranges::copy(enter, view.transitions.enter.begin());
  std::ranges::copy(begin, view.transitions.continue_begin.begin());
  std::ranges::copy(inside, view.transitions.continue_inside.begin());
}

void ReadTables(Reader& reader, SlotModelView& view) {
  view.features = reader.Array<FeatureCell>(SlotArray::kFeatures);
  view.blocks = reader.Array<std::uint16_t>(SlotArray::kBlocks);
  view.gazetteer = reader.Array<GazetteerCell>(SlotArray::kGazetteer);
  view.class_ends = reader.Array<std::uint32_t>(SlotArray::kClassEnds);
  view.class_entities = reader.Array<std::uint32_t>(SlotArray::kClassEntities);
  view.synonyms = reader.Array<SynonymCell>(SlotArray::kSynonyms);
  reader.Check(IsTable(view.features.size()) && IsTable(view.gazetteer.size()) && IsTable(view.synonyms.size()) &&
                   HasEmptyCell(view.features),
               "a hash table has a wrong size");
  if (!reader.ok()) return;
  for (const FeatureCell& cell : view.features) {
    if (cell.fingerprint != 0 && !IsBlock(view, cell.block)) return reader.Fail("a feature's weights make no sense");
  }
  std::uint32_t last = 0;
  for (const std::uint32_t end : view.class_ends) {
    reader.Check(end >= last && end <= view.class_entities.size(), "a class of listed values makes no sense");
    last = end;
  }
  for (const GazetteerCell& cell : view.gazetteer) {
    reader.Check(cell.entities <= view.class_ends.size(), "a listed value has no class");
  }
  for (const SynonymCell& cell : view.synonyms) {
    reader.Check(cell.hash == 0 || cell.canonical < view.string_ends.size(), "a synonym has no value");
  }
}

}  // namespace

std::uint64_t SynonymHash(std::string_view surface, std::string& scratch) {
  const std::uint64_t hash = MatchingHash(surface, scratch);
  return hash == 0 ? 1 : hash;
}

std::string_view SlotModelView::Canonical(std::string_view surface, std::string& scratch) const {
  if (synonyms.empty()) return surface;
  const std::uint64_t hash = SynonymHash(surface, scratch);
  std::size_t at = hash & (synonyms.size() - 1);
  for (std::size_t steps = 0; steps < synonyms.size() && synonyms[at].hash != 0; ++steps) {
    if (synonyms[at].hash == hash) return String(synonyms[at].canonical);
    at = (at + 1) & (synonyms.size() - 1);
  }
  return surface;
}

std::uint32_t FindFeature(std::span<const FeatureCell> cells, std::uint64_t key) {
  if (cells.empty()) return 0xFFFFFFFF;
  const std::uint32_t fingerprint = Fingerprint(key);
  for (std::size_t at = key & (cells.size() - 1);; at = (at + 1) & (cells.size() - 1)) {
    if (cells[at].fingerprint == fingerprint) return cells[at].block;
    if (cells[at].fingerprint == 0) return 0xFFFFFFFF;
  }
}

void InsertFeature(std::span<FeatureCell> cells, std::uint64_t key, std::uint32_t block) {
  std::size_t at = key & (cells.size() - 1);
  while (cells[at].fingerprint != 0) at = (at + 1) & (cells.size() - 1);
  cells[at] = {Fingerprint(key), block};
}

std::vector<std::byte> SlotModelData::Serialize() const {
  StringTable strings;
  std::vector<std::uint32_t> type_names, entity_names, regex_names;
  for (const SlotType& type : types) {
    for (const std::string* name : {&type.entity, &type.role, &type.group}) type_names.push_back(strings.Add(*name));
  }
  for (const std::string& entity : entities) entity_names.push_back(strings.Add(entity));
  for (const NamedRegex& regex : regexes) {
    regex_names.push_back(strings.Add(regex.name));
    regex_names.push_back(strings.Add(regex.pattern));
  }
  const std::vector<SynonymCell> synonym_cells = BuildSynonyms(synonyms, strings);

  SlotModelHeader header;
  header.types = static_cast<std::uint32_t>(types.size());
  header.step = step;
  header.temperature = temperature;
  std::vector<std::byte> out(sizeof header);
  const auto put = [&](SlotArray which, const auto& elements) {
    const auto bytes = std::as_bytes(std::span(elements));
    out.resize((out.size() + kAlignment - 1) / kAlignment * kAlignment);
    header.extents[static_cast<std::size_t>(which)] = {out.size(), bytes.size()};
    out.insert(out.end(), bytes.begin(), bytes.end());
  };
  put(SlotArray::kStringEnds, strings.ends());
  put(SlotArray::kStringBytes, strings.bytes());
  put(SlotArray::kTypes, type_names);
  put(SlotArray::kEntities, entity_names);
  put(SlotArray::kEnter, transitions.enter);
  put(SlotArray::kContinueBegin, transitions.continue_begin);
  put(SlotArray::kContinueInside, transitions.continue_inside);
  put(SlotArray::kFeatures, features);
  put(SlotArray::kBlocks, blocks);
  put(SlotArray::kGazetteer, gazetteer.cells);
  put(SlotArray::kClassEnds, gazetteer.class_ends);
  put(SlotArray::kClassEntities, gazetteer.class_entities);
  put(SlotArray::kRegexes, regex_names);
  put(SlotArray::kSynonyms, synonym_cells);
  std::memcpy(out.data(), &header, sizeof header);
  return out;
}

base::Result<SlotModelView> SlotModelView::Parse(std::span<const std::byte> section) {
  SlotModelHeader header;
  if (section.size() < sizeof header) return Broken("it is too short");
  std::memcpy(&header, section.data(), sizeof header);
  if (header.magic != kSlotModelMagic) return Broken("it does not begin with its mark");
  if (header.version > kSlotModelVersion) {
    return base::FailedPrecondition(
        fmt::format("the slot tagger was written by a newer version (format {}; this program reads up to {}): update "
                    "the program, or "
                    "train the model with this one",
                    header.version, kSlotModelVersion));
  }
  if (header.version != kSlotModelVersion || header.arrays != kSlotArrays || header.types == 0 ||
      header.types > kSlotTypesMax || !(header.step > 0 && header.step < 1e3F) ||
      !(header.temperature > 1e-3F && header.temperature < 1e3F)) {
    return Broken("its header makes no sense");
  }
  SlotModelView view;
  view.labels = {header.types};
  view.step = header.step;
  view.temperature = header.temperature;
  Reader reader(section, header);
  ReadStrings(reader, view);
  if (reader.ok()) ReadNames(reader, view);
  if (reader.ok()) ReadTransitions(reader, view);
  if (reader.ok()) ReadTables(reader, view);
  if (!reader.ok()) return Broken(reader.why());
  return view;
}

}  // namespace loquat::understanding
