// How well a model understands text that is still arriving: each example is typed character by character. Reports how
// long an update takes, how early the intent was what it came to be, how early that was promised, how often a promise
// was taken back, and how well the end of a turn is told from its text. Single-threaded, as the times are wall times;
// results are plain values.

#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "understanding/dataset.h"
#include "understanding/evaluation.h"
#include "understanding/turn_end.h"
#include "understanding/understander.h"

namespace loquat::understanding {

// Of one measured call, in microseconds.
struct CallTimes {
  double p50 = 0, p99 = 0;
};

// Promises about one field. An utterance counts once.
struct PromiseScore {
  Share promised;    // Utterances with a promise before their last character.
  Share taken_back;  // Of all utterances: a field marked stable had another value, or was gone, at a later update.
  Share updates;     // Of all updates: those that took something back.
};

struct TurnEndScore {
  std::uint32_t pause_ms = 0;
  ClassScore score;  // Whole utterances among all places where a word ends.
};

inline constexpr std::array<std::uint32_t, 4> kEvaluatedPausesMs = {200, 400, 800, 1600};

struct IncrementalEvaluation {
  std::uint64_t utterances = 0, updates = 0;
  bool knows_stability = false;  // False: the model promises nothing before the end.
  CallTimes update;              // IncrementalReader::Update.
  CallTimes from_scratch;        // Understander::Understand of the same texts, by turns with it.
  double settled_at = 0;         // Mean share of the characters after which the first intent stays what it ends as.
  double stable_at = 0;          // The same until it is marked stable; 1 where that is at the end alone.
  Share stable_right;            // Intents promised before the end that the annotation agrees with.
  Share final_right;             // The same of the intents at the end.
  PromiseScore intent, out_of_scope, locale, slots;
  PromiseScore any;      // Of any field.
  ClassScore turn_text;  // The text alone: a probability of one half and more.
  std::array<TurnEndScore, kEvaluatedPausesMs.size()> turn_pauses;  // With a pause at each place, by TurnEndOptions.
};

struct IncrementalEvaluateOptions {
  UnderstandOptions understand;
  TurnEndOptions turn_end;
  std::function<bool(double)> progress;  // As EvaluateOptions.
};

// kInvalidArgument: the dataset is empty.
base::Result<IncrementalEvaluation> EvaluateIncremental(const Understander& understander, const Dataset& dataset,
                                                        const IncrementalEvaluateOptions& options = {});

// One JSON object; documented in docs/incremental.md.
void WriteIncrementalJson(const IncrementalEvaluation& evaluation, std::string& out);
void WriteIncrementalText(const IncrementalEvaluation& evaluation, std::string& out);

}  // namespace loquat::understanding
