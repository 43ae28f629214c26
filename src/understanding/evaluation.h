// How well something understands a labelled dataset: intents, slots, calibration, the out-of-scope verdict, confusion.
// Evaluate runs its own threads and returns when they are done; the figures do not depend on how many there are.
// Results are plain values. Nothing is printed: the writers append to a string.
//
// Slots are scored as conlleval does (Tjong Kim Sang, Buchholz, "Introduction to the CoNLL-2000 shared task", 2000): a
// slot is right if its span and its label are exactly those of the annotation; the label is entity, role and group
// together. Calibration: expected calibration error over 15 bins of equal width, |mean confidence - share right| of
// each bin weighted by its share of examples (Naeini et al., AAAI 2015; Guo et al., ICML 2017).

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/frame.h"
#include "understanding/dataset.h"
#include "understanding/slot_labels.h"

namespace loquat::understanding {

inline constexpr std::size_t kCalibrationBins = 15;

// Counts of one class, or of all slots together.
struct ClassScore {
  std::string name;
  std::uint64_t gold = 0, found = 0, correct = 0;

  // Zero where nothing was found (or annotated); F1 is zero where nothing is correct, and 1 where there was nothing to
  // find and nothing was found.
  double Precision() const;
  double Recall() const;
  double F1() const;
};

struct CalibrationBin {
  std::uint64_t count = 0, correct = 0;
  double confidence_sum = 0;
};

struct Calibration {
  std::array<CalibrationBin, kCalibrationBins> bins{};

  void Add(double confidence, bool correct);
  double Ece() const;  // Zero when empty.
};

struct Confusion {
  std::string gold, found;
  std::uint64_t count = 0;
  std::string example;  // The first text concerned.
};

// A share of `total`; zero of zero is zero.
struct Share {
  std::uint64_t count = 0, total = 0;
  double value() const { return total == 0 ? 0 : static_cast<double>(count) / static_cast<double>(total); }
};

struct Evaluation {
  std::uint64_t examples = 0;
  // Over examples with an intent that is not kOutOfScopeIntent.
  Share in_scope;                     // Right, where a verdict of "out of scope" counts as wrong.
  Share top_intent;                   // The first of the ranking is right, whatever the verdict.
  Calibration intent_calibration;     // Of the first of the ranking.
  std::vector<ClassScore> intents;    // By name.
  std::vector<Confusion> confusions;  // Most frequent first; includes out-of-scope verdicts.
  ClassScore out_of_scope;            // Meaningful if out_of_scope.gold > 0.
  // Over examples with slots in the annotation or the prediction.
  ClassScore slots;
  std::vector<ClassScore> slot_labels;  // By name.
  Calibration slot_calibration;
  Share frames;  // In-scope examples with the right intent and exactly the right slots.

  double MacroF1() const;  // Mean over the intents that occur.
};

// Understands one text into a cleared frame. An error ends the evaluation.
using UnderstandFunction = std::function<base::Status(std::string_view text, domain::Frame& frame)>;

struct EvaluateOptions {
  unsigned threads = 0;  // Zero: one a core.
  bool intents = true, slots = true;
  std::size_t confusions_max = 20;  // Listed at most.
  // Called from the calling thread with the part done, in [0, 1]. Returning false stops with kCancelled.
  std::function<bool(double)> progress;
};

// `make` gives each thread a function of its own. kInvalidArgument: the dataset is empty; or the first error of a
// function.
base::Result<Evaluation> Evaluate(const std::function<UnderstandFunction()>& make, const Dataset& dataset,
                                  const EvaluateOptions& options = {});

// Chunks of a tag sequence ("B-city", "I-city", "O"), by conlleval's rules: a chunk begins at B-, and also at an I-
// that follows O, another type, or the start.
struct TagChunk {
  std::size_t begin = 0, end = 0;
  std::string type;
  bool operator==(const TagChunk&) const = default;
};
std::vector<TagChunk> ChunksOf(std::span<const std::string> tags);
// The counts of two sequences of the same length, added to `*score`.
void AddChunkCounts(std::span<const std::string> gold, std::span<const std::string> found, ClassScore* score);

// "city", "city:from", "city:from#1".
std::string SlotLabelName(std::string_view entity, std::string_view role, std::string_view group);

// One JSON object; documented in docs/training_data.md.
void WriteEvaluationJson(const Evaluation& evaluation, std::string& out);
// Tables for a terminal, at most 100 columns of ASCII apart from names and examples.
void WriteEvaluationText(const Evaluation& evaluation, std::string& out);

}  // namespace loquat::understanding
