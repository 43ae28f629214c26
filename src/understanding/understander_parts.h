// What an Understander is made of, for those in this folder who look inside: the incremental reader, and the training
// of what it promises. Rules as understander.h.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "text/filters.h"
#include "text/segment.h"
#include "understanding/intent_model.h"
#include "understanding/slot_tagger.h"
#include "understanding/stability_model.h"
#include "understanding/understander.h"
#include "understanding/utterance_memory.h"

namespace loquat::understanding {

class Understander::Workspace {
 public:
  std::vector<text::Token> tokens;
  text::FilteredTokens filtered;  // What the intent is ranked by, under a filter.
  std::size_t gap = 0;  // tokens[gap] is the first after the part that kMiddle cut out; zero: nothing was cut out.
  bool ranked = false;  // The last call ranked intents: `intent` and `order` speak of its text.
  IntentWorkspace intent;
  std::vector<std::uint32_t> order;  // Intents, best first as far as they are listed.
  SlotTagger::WorkspacePtr slots = SlotTagger::NewWorkspace();
  std::vector<domain::Slot> more_slots;
  PrefixWords words;

  // Memory of an utterance that is arriving: a spare one, or a new one. What comes back is kept for others, up to
  // kSpareMemories of at most kSpareMemoryBytes each.
  std::unique_ptr<UtteranceMemory> TakeMemory();
  void GiveMemory(std::unique_ptr<UtteranceMemory> memory);

 private:
  std::vector<std::unique_ptr<UtteranceMemory>> spare_;
};

inline constexpr std::size_t kSpareMemories = 64;
inline constexpr std::size_t kSpareMemoryBytes = 256u << 10;

struct Understander::Parts {
  ModelFolder folder;
  std::optional<IntentModel> intent;
  std::shared_ptr<const SlotTagger> slots;
  std::optional<StabilityModel> stability;

  base::Status Tokenize(std::string_view text, const UnderstandOptions& options, Workspace& workspace,
                        domain::Frame& frame) const;
  // Understander::Understand; with a memory of the texts before, what they share is not computed again.
  base::Status Understand(const domain::Utterance& utterance, const UnderstandOptions& options, Workspace& workspace,
                          domain::Frame& frame, UtteranceMemory* memory) const;
  base::Status RankIntents(std::string_view text, const UnderstandOptions& options, Workspace& workspace,
                           domain::Frame& frame, UtteranceMemory* memory) const;
  void TagSlots(std::string_view text, Workspace& workspace, domain::Frame& frame, UtteranceMemory* memory) const;

  // Of the text that `workspace` understood last; `held` is left at zero.
  IntentSigns SignsOf(const Workspace& workspace) const;
};

}  // namespace loquat::understanding
