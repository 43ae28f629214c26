// What an utterance means: intent ranking, slots with exact spans, embedding, and how long each stage took. A plain
// value.
// A Frame is reused from call to call: Clear() keeps the memory.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "domain/utterance.h"

namespace loquat::domain {

// Half-open [begin, end) in three units over the utterance's text; all three slice to the same characters.
struct Span {
  std::uint32_t byte_begin = 0, byte_end = 0;
  std::uint32_t codepoint_begin = 0, codepoint_end = 0;
  std::uint32_t utf16_begin = 0, utf16_end = 0;

  bool operator==(const Span&) const = default;
};

struct IntentScore {
  std::string name;
  float confidence = 0;  // Calibrated probability in [0, 1].
};

struct Slot {
  std::string entity;      // What the text says: "city".
  std::string role;        // What it is for: "from"; may be empty.
  std::string group;       // Which of several it belongs to; may be empty.
  std::string value;       // The text of the span, or its synonym's canonical value.
  std::string normalized;  // ISO 8601 date or time, digits, ...; empty: no normal form.
  std::string kind;        // Of the normal form: "date", "money"; empty with an empty `normalized`.
  float confidence = 0;    // Calibrated probability in [0, 1].
  Span span;

  // The name under which a dialogue keeps it.
  const std::string& name() const { return role.empty() ? entity : role; }
};

struct StageTimings {  // Microseconds; zero: the stage did not run.
  float queue = 0, tokenize = 0, intent = 0, slots = 0, embedding = 0, context = 0, response = 0, total = 0;
};

// What an encoder was to add to the frame and could not: the frame stands without it.
struct FrameNote {
  std::string feature;  // "intent", "slots", "embedding".
  std::string model;
  base::Error error;
};

struct Frame {
  Locale locale = Locale::kAuto;            // Of the text, after detection; never kAuto in a finished frame.
  std::vector<IntentScore> intent_ranking;  // Best first; empty only for text without any token.
  bool out_of_scope = false;
  std::vector<Slot> slots;             // By position.
  std::uint32_t truncated_tokens = 0;  // Tokens past the model's limit that were not looked at.
  std::vector<float> embedding;        // [width], of length one; empty: none was made.
  std::vector<FrameNote> notes;
  StageTimings timings;

  void Clear() {
    locale = Locale::kAuto;
    intent_ranking.clear();
    out_of_scope = false;
    slots.clear();
    truncated_tokens = 0;
    embedding.clear();
    notes.clear();
    timings = {};
  }
};

}  // namespace loquat::domain
