// One step of a dialogue: what the session's state becomes when a frame arrives, and what the reply has to do.
// Pure functions over plain values; safe from any thread.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "context/dialogue_domain.h"
#include "domain/session.h"

namespace loquat::context {

inline constexpr std::size_t kSuspendedTasksMax = 3;
inline constexpr std::size_t kFilledSlotsMax = 64;         // In one task; the oldest go first.
inline constexpr std::size_t kFilledValueBytesMax = 1024;  // A longer value is not taken over into the state.

inline constexpr float kAnswerDoubt = 0.6f;  // Below it a new task in answer to a question for free text is the answer.

enum class DialogueAct : std::uint8_t {
  kFulfil,     // The active task has all it needs.
  kAsk,        // A required slot is missing: state.asked says which.
  kAside,      // Answered without touching the task: a greeting, thanks, a joke.
  kRepeat,     // Say the last reply again.
  kCancelled,  // The task was given up.
  kRestarted,  // Everything was forgotten.
  kFallback,   // Not understood, or out of scope.
};

struct DialogueStep {
  DialogueAct act = DialogueAct::kFallback;
  std::string intent;  // Which the reply answers: the frame's, or the active one that a bare value went to.
};

// Advances `state` by the frame of the turn numbered `turn` (from 1) with the text `text`.
DialogueStep Advance(const DialogueDomain& dialogue_domain, const domain::Frame& frame, std::string_view text,
                     std::uint64_t turn, domain::DialogueState& state);

}  // namespace loquat::context
