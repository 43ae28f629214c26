// One utterance that is still arriving: each update gives the frame of the text so far and says what of it still
// changes. The text may be revised in any way: longer, shorter, another word in the middle, wholly new.
//
// The frame is the one that Understander::Understand gives for the same text, bit for bit. What is promised depends on
// the updates before: a field is stable from the update at which its risk (stability_model.h) is at most
// UnderstandOptions::early_risk_max, until its value changes; a field that was taken back so is promised no more before
// the utterance is final. A model without a stability part (one of an older version) promises nothing before the end.
//
// Not thread-safe; any thread may go on where another stopped. A reader that no utterance is using holds no buffers
// (kIdleReaderBytes); Update takes them from the workspace, and Reset with a workspace puts them back for others, so
// that the steady state allocates nothing.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "domain/frame.h"
#include "domain/stability.h"
#include "domain/utterance.h"
#include "understanding/turn_end.h"
#include "understanding/understander.h"

namespace loquat::understanding {

struct UtteranceMemory;

class IncrementalReader {
 public:
  IncrementalReader();
  ~IncrementalReader();
  IncrementalReader(IncrementalReader&&) noexcept;
  IncrementalReader& operator=(IncrementalReader&&) noexcept;

  // Replaces `frame` and `stability`. `utterance.text` is the whole text so far; `utterance.final` makes every field
  // stable. Another Understander than last time starts afresh. Errors: as Understander::Understand; what was promised
  // is then forgotten.
  base::Status Update(const Understander& understander, const domain::Utterance& utterance,
                      const UnderstandOptions& options, Understander::Workspace& workspace, domain::Frame& frame,
                      domain::FrameStability& stability);

  // Whether the turn is over `pause_ms` after the text of the last Update came.
  domain::TurnEnd JudgeEnd(std::uint32_t pause_ms, const TurnEndOptions& options) const;

  // Forgets the utterance. With a workspace, buffers go back to it; without one they stay for the next utterance.
  void Reset();
  void Reset(Understander::Workspace& workspace);

  // Memory held now, the object itself included.
  std::size_t bytes() const;

 private:
  std::unique_ptr<UtteranceMemory> memory_;  // Null: idle.
  TurnEvidence evidence_;                    // Of the last text.
};

inline constexpr std::size_t kIdleReaderBytes = 64;  // At most.
static_assert(sizeof(IncrementalReader) <= kIdleReaderBytes);

}  // namespace loquat::understanding
