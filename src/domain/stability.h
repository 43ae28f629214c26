// What may still change in the frame of an utterance that is arriving, and whether the speaker is done. Plain values.

#pragma once

#include <cstdint>
#include <vector>

namespace loquat::domain {

// One mark for each field of a Frame: true is stable, a promise that no continuation takes the field back but for the
// risk that was allowed; false is tentative. All are true for a final utterance.
struct FrameStability {
  bool intent = false;  // The first of the ranking.
  bool out_of_scope = false;
  bool locale = false;
  std::vector<bool> slots;  // By index of Frame::slots.
  float intent_risk = 1;    // Estimated probability that the final first intent is another one; 1: not known.

  void Clear() {
    intent = out_of_scope = locale = false;
    slots.clear();
    intent_risk = 1;
  }
};

// How the text ends, for the end of a turn.
enum class TextEnding : std::uint8_t {
  kEmpty,       // There is no text.
  kPlain,       // A word.
  kUnfinished,  // A word that nothing follows but more words: "and", "the", "给".
  kOpenMark,    // A comma, a colon, an open quote or bracket.
  kEllipsis,    // "...", "……": the speaker trails off.
  kFinalMark,   // A full stop, a question mark, an exclamation mark.
};

// Whether the speaker has finished the turn.
struct TurnEnd {
  bool likely = false;         // Answer now.
  float probability = 0;       // That the turn is over, with the pause so far.
  float text_probability = 0;  // That the text is whole, whatever the pause.
  std::uint32_t wait_ms = 0;   // Pause after which `likely` becomes true if nothing more arrives; 0: now.
};

}  // namespace loquat::domain
