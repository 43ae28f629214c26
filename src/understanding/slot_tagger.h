// Finds slots in a segmented utterance with a trained conditional random field (slot_trainer.h makes it).
// SlotTagger is immutable after Load: any thread may call Tag, each with a Workspace of its own. It reads the section's
// bytes where they lie, so they outlive it. A Workspace keeps its memory from call to call and serves any tagger: in
// the steady state Tag allocates nothing but what the slots' strings need.
//
// The best labelling is Viterbi's under the BIO constraints; a slot's confidence is the probability that exactly this
// span has exactly this label, by a constrained forward-backward pass (Culotta, McCallum, "Confidence estimation for
// information extraction", HLT-NAACL 2004) at the temperature fitted on held-out examples.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/frame.h"
#include "text/segment.h"

namespace loquat::understanding {

// What a label stands for.
struct SlotType {
  std::string entity, role, group;

  bool operator==(const SlotType&) const = default;
};

class SlotTagger {
 public:
  class Workspace;
  using WorkspacePtr = std::unique_ptr<Workspace, void (*)(Workspace*)>;
  // What is remembered of a text that is arriving: the scores of words that more text does not touch, and the lattice
  // up to the first token whose scores have changed.
  class Memory;
  using MemoryPtr = std::unique_ptr<Memory, void (*)(Memory*)>;

  // kDataLoss if the bytes are no section that TrainSlots made; kFailedPrecondition if a newer version made them.
  // REQUIRES: `section` is aligned to 64 bytes.
  static base::Result<std::shared_ptr<const SlotTagger>> Load(std::span<const std::byte> section);
  ~SlotTagger();
  SlotTagger(const SlotTagger&) = delete;
  SlotTagger& operator=(const SlotTagger&) = delete;

  static WorkspacePtr NewWorkspace();
  static MemoryPtr NewMemory();
  static void Forget(Memory& memory);  // Keeps the buffers.
  static std::size_t BytesOf(const Memory& memory);

  // Replaces `slots` by those found, in order of position. `tokens` are text::Segment's of `text`, or an unbroken part
  // of them. `intent` is the name of the utterance's intent, which tells likely slots from unlikely ones; pass an empty
  // one when it is not known or not trusted. Fills everything but Slot::normalized and Slot::kind; `value` is the
  // canonical one where a synonym says so.
  // With a memory, the first `kept` tokens and their bytes are those of the last call with it, by the same tagger; the
  // result does not depend on it.
  void Tag(std::string_view text, std::span<const text::Token> tokens, std::string_view intent, Workspace& workspace,
           std::vector<domain::Slot>& slots, Memory* memory = nullptr, std::uint32_t kept = 0) const;

  std::span<const SlotType> types() const;

 private:
  struct Parts;
  explicit SlotTagger(std::unique_ptr<Parts> parts);
  const std::unique_ptr<const Parts> parts_;
};

}  // namespace loquat::understanding
