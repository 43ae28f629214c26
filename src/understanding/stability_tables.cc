#include "understanding/stability_tables.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <map>
#include <unordered_map>
#include <utility>

#include "text/segment.h"
#include "understanding/deterministic_math.h"
#include "understanding/stability_model.h"

namespace loquat::understanding {
namespace {

constexpr std::uint32_t kSeenMin = 2;  // Beginnings and words seen more rarely say nothing.
constexpr std::size_t kCellsMin = 16;
constexpr double kLoadMax = 0.6;    // Of a table; longer runs of full cells would cost look-ups.
constexpr float kOddsPrior = 0.5F;  // Added to both counts.
constexpr float kOddsScale = 256;

struct PrefixCount {
  std::uint32_t total = 0;
  std::map<std::uint32_t, std::uint32_t> intents;
};

struct EndCount {
  std::uint32_t ends = 0, goes_on = 0;
  std::uint32_t total() const { return ends + goes_on; }
};

// Walks the words of one text: word(hash, prefix hash, is the last).
template <typename Visit>
void WalkWords(const std::string& text, std::vector<text::Token>& tokens, PrefixWords& words, Visit&& visit) {
  text::Segment(text, tokens);
  std::uint64_t before = 0;
  std::uint64_t prefix = kPrefixSeed;
  std::vector<std::uint64_t> hashes;
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    words.Read(text, std::span(tokens).subspan(t, 1));
    if (words.last != 0) hashes.push_back(words.last);
  }
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    prefix = ExtendPrefix(prefix, hashes[i]);
    visit(hashes[i], ExtendPrefix(before, hashes[i]), i < kPrefixWordsMax ? prefix : 0, i + 1 == hashes.size());
    before = hashes[i];
  }
}

// The keys worth keeping, most frequent first, as many as fit; ties by hash.
template <typename Counts, typename Total>
std::vector<std::uint64_t> Frequent(const Counts& counts, std::size_t cells_max, Total&& total) {
  std::vector<std::pair<std::uint32_t, std::uint64_t>> order;
  for (const auto& [hash, count] : counts) {
    if (total(count) >= kSeenMin) order.emplace_back(total(count), hash);
  }
  std::ranges::sort(
      order, [](const auto& a, const auto& b) { return a.first != b.first ? a.first > b.first : a.second < b.second; });
  const auto most = static_cast<std::size_t>(kLoadMax * static_cast<double>(cells_max));
  if (order.size() > most) order.resize(most);
  std::vector<std::uint64_t> keys;
  for (const auto& [seen, hash] : order) keys.push_back(hash);
  return keys;
}

// Cells for so many keys: a power of two, and no more than fit.
std::size_t CellsFor(std::size_t keys, std::size_t cells_max) {
  const auto wanted = static_cast<std::size_t>(static_cast<double>(keys) / kLoadMax) + 1;
  return std::min(std::bit_floor(cells_max), std::bit_ceil(std::max(wanted, kCellsMin)));
}

// A key whose run of full cells is too long, or whose fingerprint is there, is left out: it counts as never seen.
template <typename Cell>
void Insert(std::vector<Cell>& cells, std::uint64_t hash, Cell cell) {
  cell.fingerprint = static_cast<std::uint32_t>(hash >> 32) | 1U;
  for (std::size_t probe = 0; probe < std::min(kProbesMax, cells.size()); ++probe) {
    Cell& at = cells[(hash + probe) & (cells.size() - 1)];
    if (at.fingerprint == cell.fingerprint) return;
    if (at.fingerprint != 0) continue;
    at = cell;
    return;
  }
}

PrefixCell CellOf(const PrefixCount& count) {
  PrefixCell cell;
  std::uint32_t most = 0;
  for (const auto& [intent, times] : count.intents) {
    if (times <= most) continue;
    most = times;
    cell.intent = static_cast<std::uint16_t>(intent);
  }
  constexpr float kSteps = 11.541560F;  // 8 / ln(2).
  cell.seen = static_cast<std::uint8_t>(std::min(255.0F, kSteps * DeterministicLog(static_cast<float>(count.total))));
  cell.share = static_cast<std::uint8_t>(std::uint64_t{255} * most / count.total);
  return cell;
}

}  // namespace

StabilityTables BuildStabilityTables(const Dataset& dataset, const std::vector<std::string>& intents,
                                     std::size_t prefix_bytes_max, std::size_t word_bytes_max) {
  std::unordered_map<std::uint64_t, PrefixCount> prefixes;
  std::unordered_map<std::uint64_t, EndCount> ends;
  std::vector<text::Token> tokens;
  PrefixWords words;
  for (const Example& example : dataset.examples) {
    const auto intent = std::ranges::lower_bound(intents, example.intent);
    const bool known = intent != intents.end() && *intent == example.intent;
    WalkWords(example.text, tokens, words,
              [&](std::uint64_t word, std::uint64_t pair, std::uint64_t prefix, bool last) {
                for (const std::uint64_t hash : {word, pair}) ++(last ? ends[hash].ends : ends[hash].goes_on);
                if (prefix == 0 || example.intent.empty()) return;
                PrefixCount& count = prefixes[prefix];
                ++count.total;
                if (known) ++count.intents[static_cast<std::uint32_t>(intent - intents.begin())];
              });
  }
  StabilityTables tables;
  const std::size_t prefix_cells = prefix_bytes_max / sizeof(PrefixCell);
  const auto prefix_keys = Frequent(prefixes, prefix_cells, [](const PrefixCount& count) { return count.total; });
  tables.prefixes.resize(CellsFor(prefix_keys.size(), prefix_cells));
  for (const std::uint64_t key : prefix_keys) Insert(tables.prefixes, key, CellOf(prefixes[key]));
  const std::size_t word_cells = word_bytes_max / sizeof(WordEndCell);
  const auto word_keys = Frequent(ends, word_cells, [](const EndCount& count) { return count.total(); });
  tables.words.resize(CellsFor(word_keys.size(), word_cells));
  for (const std::uint64_t key : word_keys) {
    const EndCount& count = ends[key];
    const float odds = DeterministicLog(static_cast<float>(count.ends) + kOddsPrior) -
                       DeterministicLog(static_cast<float>(count.goes_on) + kOddsPrior);
    Insert(tables.words, key, WordEndCell{.odds = static_cast<std::int16_t>(kOddsScale * odds)});
  }
  return tables;
}

}  // namespace loquat::understanding
