// What is remembered of an utterance that is arriving, from one update to the next. For incremental_reader.cc and the
// workspace that keeps spare ones. One thread at a time.

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "domain/frame.h"
#include "text/segment.h"
#include "understanding/intent_model.h"
#include "understanding/slot_tagger.h"
#include "understanding/understander.h"

namespace loquat::understanding {

// Texts of more tokens are tagged from scratch: the scores of a token take about 40 bytes a label.
inline constexpr std::size_t kRememberedTokensMax = 256;

// What was promised of one field.
struct Promise {
  bool made = false;
  bool broken = false;      // Taken back once: not to be made again.
  std::uint32_t value = 0;  // Meaning is the field's.

  // The field has this value at this risk. Returns whether it is stable.
  bool Keep(std::uint32_t now, float risk, float risk_max);
};

struct UtteranceMemory {
  std::weak_ptr<const Understander> reader;  // Who read it last: keeps no model alive, and tells a new one from it.
  std::string text;                          // As read last.
  std::vector<text::Token> tokens;           // Of it.
  std::uint32_t kept = 0;                    // Leading tokens that are those of the text before, byte for byte.
  IntentMemory intents;
  SlotTagger::MemoryPtr tagger = SlotTagger::NewMemory();

  Promise intent, out_of_scope, locale;
  std::vector<std::uint64_t> slots;  // Keys of those promised.
  bool slots_broken = false;
  std::uint32_t best = 0;  // The first intent, since `held_from` characters.
  std::uint32_t held_from = 0;
  bool ranked = false;

  // Takes the text in, and finds what it shares with the one before.
  void Read(std::string_view new_text, std::span<const text::Token> new_tokens);
  // Forgets everything but the memory itself.
  void Clear();
  // Forgets what was promised.
  void ClearPromises();
  std::size_t bytes() const;
};

// Of a slot: what it says and where.
std::uint64_t SlotKey(const domain::Slot& slot);

}  // namespace loquat::understanding
