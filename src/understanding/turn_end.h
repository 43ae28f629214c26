// Whether a turn is over, from the end of its text, from what training saw of whole utterances and of their beginnings,
// and from the pause since the last change. A speaker who is not done goes on after a while; a pause that has lasted
// longer makes the end likelier by Bayes' rule, with exponential times of going on. So a complete sentence needs a
// short pause, an unfinished one a long pause, and the longest pause ends any turn. Pure functions; any thread.

#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "config/section.h"
#include "domain/frame.h"
#include "domain/stability.h"

namespace loquat::understanding {

// `understand.end_of_turn` of the configuration.
struct TurnEndOptions {
  std::uint32_t pause_ms_min = 200;   // No turn ends earlier; enough after a complete sentence. Zero: at once.
  std::uint32_t pause_ms_max = 2500;  // Ends any turn that has text.
  std::uint32_t resume_ms = 400;      // Mean time after which a speaker who is not done goes on; above zero.
  float probability_min = 0.9F;       // The turn is over from this probability on; between 0 and 1.
};

void Declare(config::Section<TurnEndOptions>& section);

struct TurnEvidence {
  domain::TextEnding ending = domain::TextEnding::kEmpty;
  bool slot_at_end = false;    // A slot reaches to the last word: it may go on.
  bool learned = false;        // `whole_logit` is there.
  float whole_logit = 0;       // Log odds, learned in training, that the words are a whole utterance.
  std::uint32_t pause_ms = 0;  // Since the text changed last.
};

// How `text` ends; marks of both languages and words that want another one. UTF-8.
domain::TextEnding EndingOf(std::string_view text);

// Fills everything but what training learned and the pause.
TurnEvidence EvidenceOf(std::string_view text, std::span<const domain::Slot> slots);

// REQUIRES: options as described.
domain::TurnEnd JudgeTurnEnd(const TurnEvidence& evidence, const TurnEndOptions& options);

}  // namespace loquat::understanding
