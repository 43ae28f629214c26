// A dataset as the slot trainer sees it: every utterance as gold spans and as the weight rows it touches.
// Built once, then read by any number of threads.

#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "understanding/dataset.h"
#include "understanding/gazetteer.h"
#include "understanding/regex_set.h"
#include "understanding/slot_features.h"
#include "understanding/slot_labels.h"
#include "understanding/slot_tagger.h"

namespace loquat::understanding {

inline constexpr std::uint32_t kTrainTokensMax = 256;         // Of one example; the rest is cut off, with a warning.
inline constexpr std::uint64_t kCorpusTokensMax = 8'000'000;  // Of all examples; more are left out, with a warning.
inline constexpr std::uint32_t kNoBlock = 0xFFFFFFFF;

// When an atom counts during training; at inference all do.
enum class AtomUse : std::uint8_t {
  kAlways,
  kUnlessDropped,  // Its words must not be dropped.
  kWhenDropped,    // kUnknown of a known word: stands in for it when it is dropped.
  kListed,         // Gazetteer: dropped by the match it belongs to.
  kIntent,         // Dropped for the whole utterance.
};

struct CorpusAtom {
  std::uint32_t block = kNoBlock;  // First row.
  std::int16_t anchor = 0;
  AtomKind kind = AtomKind::kBias;
  AtomUse use = AtomUse::kAlways;
  std::uint8_t match = 0;  // kListed: which match of the utterance.
};

struct CorpusSentence {
  std::uint64_t atoms_begin = 0;
  std::uint32_t atoms = 0;
  std::uint32_t tokens = 0;
  std::uint32_t spans_begin = 0, spans = 0;
  std::uint32_t example = 0;  // Index in the dataset.
};

// A key of the model and its block of rows.
struct BlockInfo {
  std::uint64_t key = 0;
  std::uint32_t first_row = 0;
  std::uint32_t count = 0;  // Atoms in training.
  AtomKind kind = AtomKind::kBias;
  bool context = false;  // kWord: usually stands outside of slots.
};

struct SlotCorpus {
  std::vector<SlotType> types;        // Sorted.
  std::vector<std::string> entities;  // Sorted; gazetteer atoms name them by index.
  std::vector<CorpusSentence> sentences;
  std::vector<CorpusAtom> atoms;
  std::vector<LabelledSpan> spans;
  std::vector<BlockInfo> blocks;                              // By first_row.
  std::unordered_map<std::uint64_t, std::uint32_t> block_of;  // Key to index in `blocks`.
  std::uint64_t rows = 0;
  std::uint64_t tokens = 0;
  PhraseCounts phrases;
  RegexSet regexes;
  std::vector<std::string> warnings;

  SlotLabels labels() const { return {static_cast<std::uint32_t>(types.size())}; }
  std::span<const CorpusAtom> AtomsOf(const CorpusSentence& sentence) const {
    return std::span(atoms).subspan(sentence.atoms_begin, sentence.atoms);
  }
  std::span<const LabelledSpan> SpansOf(const CorpusSentence& sentence) const {
    return std::span(spans).subspan(sentence.spans_begin, sentence.spans);
  }
};

struct CorpusOptions {
  std::uint32_t count_min = 2;  // Atoms seen less often get no weights.
  std::uint32_t many_sentences = 20'000;
  std::uint32_t count_min_of_many = 4;  // The same, from so many sentences on: what is rare there is chance.
  std::uint32_t context_count_min = 5;  // A context word occurs at least so often,
  double context_outside_min = 0.9;     // and at least this share of it outside of slots.
};

// kInvalidArgument: no example has an entity, or there are too many slot types.
base::Result<SlotCorpus> BuildSlotCorpus(const Dataset& dataset, const CorpusOptions& options);

}  // namespace loquat::understanding
