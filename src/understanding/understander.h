// From text to meaning with one loaded model: intent ranking, out-of-scope verdict, slots.
// Understander is immutable after Load: any thread may call Understand, each with a Workspace of its own. A Workspace
// keeps its memory from call to call; in the steady state a call allocates nothing but what the Frame's strings need.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "domain/frame.h"
#include "domain/utterance.h"
#include "text/filters.h"
#include "understanding/model_folder.h"

namespace loquat::understanding {

// What to do with text of more tokens than `tokens_max`. What is not looked at is counted in Frame::truncated_tokens.
enum class Truncation : std::uint8_t {
  kError,   // Refuse: kInvalidArgument with the reason "text_too_long".
  kHead,    // Keep the first tokens.
  kTail,    // Keep the last tokens.
  kMiddle,  // Keep the first and last halves.
};

struct UnderstandOptions {
  bool want_intent = true;
  bool want_slots = true;
  std::uint32_t ranking_max = 5;   // Intents listed at most; zero: all of them.
  std::uint32_t tokens_max = 512;  // Zero is refused.
  Truncation truncation = Truncation::kHead;
  // What the intent is ranked without: stop words of the text's locale. Slots are read from the whole text. Null:
  // nothing. Lives as long as the call.
  const text::FilterChain* intent_filter = nullptr;
  base::WallTime reference_time =
      {};  // What "tomorrow" counts from; the epoch: slots get no normal form for relative times.
  // Of a text that is arriving: intent and slots are stable up to this risk, the rest at two fifths; zero: never.
  float early_risk_max = 0.01F;
  std::int32_t utc_offset_minutes = 0;  // Of the user's time zone at `reference_time`, east positive.
};

// Which instructions the arithmetic uses; the results are the same to the bit. kernels/isa.h says which the machine
// has.
struct UnderstanderOptions {
  bool verify_hashes = true;  // Check the SHA-256 of the weights while loading.
  std::string force_isa;      // A name of kernels/isa.h; empty: the best this machine has.
};

class Understander : public std::enable_shared_from_this<Understander> {
 public:
  class Workspace;  // See workspace() below.

  // Errors as ModelFolder::Open, and kDataLoss where sections contradict each other.
  static base::Result<std::shared_ptr<const Understander>> Load(const std::string& path,
                                                                const UnderstanderOptions& options = {});
  static base::Result<std::shared_ptr<const Understander>> FromFolder(ModelFolder folder,
                                                                      const UnderstanderOptions& options = {});
  ~Understander();
  Understander(const Understander&) = delete;
  Understander& operator=(const Understander&) = delete;

  // Memory for calls: one a thread at a time, usable with any Understander, also after a reload.
  static std::unique_ptr<Workspace, void (*)(Workspace*)> NewWorkspace();

  // Fills `frame` (cleared first). `utterance.text` may be any bytes: what is no valid UTF-8 is read as U+FFFD. Text
  // without any token gives an empty ranking and out_of_scope. Errors: kInvalidArgument (options out of range, text too
  // long under kError); `frame` is then unspecified.
  base::Status Understand(const domain::Utterance& utterance, const UnderstandOptions& options, Workspace& workspace,
                          domain::Frame& frame) const;

  const ModelManifest& manifest() const;
  const std::vector<std::string>& intents() const { return manifest().intents; }
  // Whether the model knows what is stable in a text that is still arriving (incremental_reader.h).
  bool knows_stability() const;

  struct Parts;  // understander_parts.h; for this folder alone.
  const Parts& parts() const { return *parts_; }

 private:
  explicit Understander(std::unique_ptr<Parts> parts);
  const std::unique_ptr<const Parts> parts_;
};

using WorkspacePtr = std::unique_ptr<Understander::Workspace, void (*)(Understander::Workspace*)>;

}  // namespace loquat::understanding
