// How much of a frame still changes while its text arrives: signs read from the frame so far, and the risk that
// training counted on utterances it had not learnt from. Immutable after Load: any thread. The ModelFolder's bytes
// outlive it.

#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/frame.h"
#include "text/segment.h"
#include "understanding/model_folder.h"
#include "understanding/stability_format.h"

namespace loquat::understanding {

// The words of a text that is arriving. A buffer: one thread.
struct PrefixWords {
  std::uint64_t prefix = 0;     // Hash of all words that are finished; zero: none, or too many.
  std::uint64_t last = 0;       // Hash of the last word, finished or not; zero: none.
  std::uint64_t last_pair = 0;  // With the one before it.
  std::uint32_t words = 0;      // Finished or not.
  bool in_word = false;         // The last one may go on.
  float locale_margin = 0;      // See Sign::kLocaleMargin, before the logarithm.
  std::string scratch;

  // `tokens` are text::Segment's of `text`.
  void Read(std::string_view text, std::span<const text::Token> tokens);
};

// Hash of the beginning with one word more; begin with kPrefixSeed.
inline constexpr std::uint64_t kPrefixSeed = 0x50F1;
std::uint64_t ExtendPrefix(std::uint64_t prefix, std::uint64_t word);

// What an utterance's signs are read from, besides its words.
struct IntentSigns {
  bool known = false;      // An intent was ranked.
  std::uint32_t best = 0;  // Class.
  float best_share = 0;    // Probabilities before the verdict.
  float second_share = 0;
  float out_of_scope = 0;  // Probability.
  float threshold = 0.5F;  // Of the verdict.
  std::uint32_t held = 0;  // Characters since `best` changed.
};

class StabilityModel {
 public:
  StabilityModel() = default;
  // For training: over tables in memory, which outlive it.
  StabilityModel(const StabilityHeader& header, std::span<const PrefixCell> prefixes,
                 std::span<const WordEndCell> words)
      : header_(header), prefixes_(prefixes), words_(words) {}

  // kDataLoss where the sections contradict each other or the manifest; kFailedPrecondition: a newer version's.
  static base::Result<StabilityModel> Load(const ModelFolder& folder);

  // Signs of the fields but for those of a slot.
  void ReadSigns(const PrefixWords& words, const IntentSigns& intent, Signs& signs) const;
  // Sets the signs of one slot. `tokens` as above.
  static void ReadSlotSigns(const domain::Slot& slot, std::span<const text::Token> tokens, Signs& signs);
  void ReadTurnSigns(const PrefixWords& words, const IntentSigns& intent, std::string_view text,
                     std::span<const domain::Slot> slots, TurnSigns& signs) const;

  float Score(StableField field, const Signs& signs) const;
  // The least of kRiskLevels that the score reaches; 1: none.
  float Risk(StableField field, float score) const;
  // Log odds that the text is a whole utterance.
  float WholeLogit(const TurnSigns& signs) const;

  const StabilityHeader& header() const { return header_; }

 private:
  StabilityHeader header_;
  std::span<const PrefixCell> prefixes_;
  std::span<const WordEndCell> words_;
};

// The cell of `hash`, or null. `Cell` has a fingerprint; cells.size() is a power of two or zero.
template <typename Cell>
const Cell* FindCell(std::span<const Cell> cells, std::uint64_t hash) {
  const auto fingerprint = static_cast<std::uint32_t>(hash >> 32) | 1U;
  const std::size_t mask = cells.size() - 1;
  for (std::size_t probe = 0; probe < std::min(kProbesMax, cells.size()); ++probe) {
    const Cell& cell = cells[(hash + probe) & mask];
    if (cell.fingerprint == 0) return nullptr;
    if (cell.fingerprint == fingerprint) return &cell;
  }
  return nullptr;
}

}  // namespace loquat::understanding
