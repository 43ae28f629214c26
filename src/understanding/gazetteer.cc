#include "understanding/gazetteer.h"

#include <algorithm>
#include <bit>
#include <map>

#include "base/hash.h"

namespace loquat::understanding {
namespace {

constexpr std::size_t kCellsMin = 16;
constexpr double kLoadMax = 0.7;

std::uint32_t Fingerprint(std::uint64_t hash) {
  const auto high = static_cast<std::uint32_t>(hash >> 32);
  return high == 0 ? 1 : high;
}

}  // namespace

std::uint64_t ExtendPhrase(std::uint64_t hash, std::uint64_t word) {
  return base::HashCombine(hash, word);
}

void PhraseCounts::Add(std::span<const TokenForm> words, std::uint32_t entity, std::uint32_t count) {
  if (words.empty() || words.size() > kPhraseTokensMax) return;
  std::uint64_t hash = kPhraseSeed;
  for (std::size_t i = 0; i < words.size(); ++i) {
    hash = ExtendPhrase(hash, words[i].word);
    std::vector<Entry>& entries = phrases_[hash];
    if (i + 1 < words.size()) continue;
    const auto at = std::find_if(entries.begin(), entries.end(), [&](const Entry& e) { return e.entity == entity; });
    if (at != entries.end()) {
      at->count = std::min(at->count + count, kListed);
    } else if (entries.size() < kPhraseEntitiesMax) {
      entries.push_back({entity, count});
    }
  }
}

const std::vector<PhraseCounts::Entry>* PhraseCounts::Find(std::uint64_t hash) const {
  const auto at = phrases_.find(hash);
  return at == phrases_.end() ? nullptr : &at->second;
}

GazetteerTable BuildGazetteer(const PhraseCounts& counts, std::size_t bytes_max) {
  GazetteerTable table;
  if (counts.all().empty()) return table;
  // Sorted, so that the bytes do not depend on the order of a hash map.
  std::vector<std::pair<std::uint64_t, const std::vector<PhraseCounts::Entry>*>> phrases;
  for (const auto& [hash, entries] : counts.all()) phrases.emplace_back(hash, &entries);
  const auto weight = [](const std::vector<PhraseCounts::Entry>& entries) {
    std::uint64_t sum = 0;
    for (const PhraseCounts::Entry& entry : entries) sum += entry.count;
    return sum;
  };
  std::sort(phrases.begin(), phrases.end());
  const std::size_t cells_max = std::bit_floor(std::max(bytes_max / sizeof(GazetteerCell), kCellsMin));
  const auto room = static_cast<std::size_t>(static_cast<double>(cells_max) * kLoadMax);
  if (phrases.size() > room) {
    // A value whose beginning is left out is never found, and does no harm; beginnings have weight zero and go last.
    std::sort(phrases.begin(), phrases.end(), [&](const auto& a, const auto& b) {
      const std::uint64_t left = weight(*a.second);
      const std::uint64_t right = weight(*b.second);
      return left != right ? left > right : a.first < b.first;
    });
    phrases.resize(room);
    std::sort(phrases.begin(), phrases.end());
  }
  std::size_t size = kCellsMin;
  while (static_cast<double>(size) * kLoadMax < static_cast<double>(phrases.size())) size *= 2;
  table.cells.resize(size);
  std::map<std::vector<std::uint32_t>, std::uint32_t> classes;
  for (const auto& [hash, entries] : phrases) {
    std::uint32_t entities = 0;
    if (!entries->empty()) {
      std::vector<std::uint32_t> members;
      for (const PhraseCounts::Entry& entry : *entries) members.push_back(entry.entity);
      std::sort(members.begin(), members.end());
      const auto [at, fresh] = classes.try_emplace(members, static_cast<std::uint32_t>(table.class_ends.size()));
      if (fresh) {
        table.class_entities.insert(table.class_entities.end(), members.begin(), members.end());
        table.class_ends.push_back(static_cast<std::uint32_t>(table.class_entities.size()));
      }
      entities = at->second + 1;
    }
    std::size_t at = hash & (size - 1);
    while (table.cells[at].fingerprint != 0) at = (at + 1) & (size - 1);
    table.cells[at] = {Fingerprint(hash), entities};
  }
  return table;
}

PhraseLook LookUpPhrase(std::span<const GazetteerCell> cells, std::uint64_t hash) {
  if (cells.empty()) return {};
  const std::uint32_t fingerprint = Fingerprint(hash);
  std::size_t at = hash & (cells.size() - 1);
  // A damaged table without an empty cell must not hold us for ever.
  for (std::size_t steps = 0; steps < cells.size(); ++steps) {
    const GazetteerCell& cell = cells[at];
    if (cell.fingerprint == 0) return {};
    if (cell.fingerprint == fingerprint) return {true, cell.entities};
    at = (at + 1) & (cells.size() - 1);
  }
  return {};
}

}  // namespace loquat::understanding
