// The sections of a model that tell how much of a frame still changes while text arrives; docs/model_format.md draws
// them. A model may lack them all: then nothing is stable before the utterance is final.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace loquat::understanding {

inline constexpr std::uint32_t kStabilityVersion = 1;

inline constexpr std::string_view kStabilityHeaderSection = "stability.header";
inline constexpr std::string_view kStabilityPrefixesSection = "stability.prefixes";  // PrefixCell [power of two]
inline constexpr std::string_view kStabilityWordsSection = "stability.words";        // WordEndCell [power of two]

inline constexpr std::uint32_t kPrefixWordsMax = 12;         // Longer beginnings are not kept.
inline constexpr std::size_t kStabilityCellsMax = 1u << 22;  // Of one table.
inline constexpr std::size_t kProbesMax = 32;                // Cells looked at for one key.

// What of a frame gets a mark of its own; the order is part of the format.
enum class StableField : std::uint8_t { kIntent, kOutOfScope, kLocale, kSlot };
inline constexpr std::size_t kStableFields = 4;

// What the risk is estimated from; the order is part of the format.
enum class Sign : std::uint8_t {
  kBias,          // 1.
  kBestOdds,      // Log odds of the first intent.
  kMargin,        // Log of how much likelier it is than the second.
  kVerdict,       // Log odds of "out of scope", counted from the threshold.
  kVerdictSide,   // How far the verdict is from the threshold, either way.
  kLength,        // log(1 + words).
  kFirstWord,     // 1 if there is one word at most.
  kInWord,        // 1 if the last word may go on.
  kHeld,          // log(1 + characters since the first intent changed).
  kSeen,          // log(1 + training utterances that begin with these words).
  kSeenAgree,     // Log odds that such an utterance has the first intent, if they mostly do.
  kSeenDisagree,  // 1 if most such utterances have another intent.
  kLocaleMargin,  // log(1 + how much more the text is of its locale than of the other).
  kSlotOdds,      // Log odds of the slot; zero for the other fields, as the next two.
  kSlotAtEnd,     // 1 if no token follows the slot.
  kSlotNearEnd,   // 1 if one token follows it.
};
inline constexpr std::size_t kSigns = static_cast<std::size_t>(Sign::kSlotNearEnd) + 1;
using Signs = std::array<float, kSigns>;

// What tells a whole utterance from its beginning; the order is part of the format.
enum class TurnSign : std::uint8_t {
  kBias,         // 1.
  kLastWord,     // Log odds that the last word ends an utterance.
  kLastPair,     // The same of the last two words; of the last alone where the pair is not known.
  kLength,       // log(1 + words).
  kFirstWord,    // 1 if there is one word.
  kBestOdds,     // Log odds of the first intent.
  kSlotAtEnd,    // 1 if a slot reaches to the end.
  kSlotEndOdds,  // Log odds of that slot.
  kSlots,        // log(1 + slots).
  kUnfinished,   // 1 if the last word wants another one (turn_end.h).
};
inline constexpr std::size_t kTurnSigns = static_cast<std::size_t>(TurnSign::kUnfinished) + 1;
using TurnSigns = std::array<float, kTurnSigns>;

// Risks that a score is looked up for, greatest first; kScoreNever: no score reaches it.
inline constexpr std::array<float, 24> kRiskLevels = {0.5F,   0.4F,  0.3F,   0.25F,  0.2F,   0.15F,  0.12F,  0.1F,
                                                      0.08F,  0.06F, 0.05F,  0.04F,  0.03F,  0.025F, 0.02F,  0.015F,
                                                      0.012F, 0.01F, 0.008F, 0.006F, 0.005F, 0.004F, 0.002F, 0.001F};
inline constexpr float kScoreNever = 1e30F;

// How one field is judged.
struct FieldRisk {
  std::array<float, kSigns> weights = {};             // Of the score: the greater, the safer.
  std::array<float, kRiskLevels.size()> scores = {};  // [level]: least score at which the risk is no greater.
};

struct StabilityHeader {
  std::uint32_t version = kStabilityVersion;
  std::uint32_t intents = 0;   // As in the manifest.
  std::uint32_t held_out = 0;  // Utterances that the risks were counted on.
  std::uint32_t reserved = 0;
  std::array<FieldRisk, kStableFields> fields = {};
  std::array<float, kTurnSigns> turn = {};
  std::array<float, 6> unused = {};  // Zero.
};
static_assert(std::is_trivially_copyable_v<StabilityHeader> && sizeof(StabilityHeader) == 720);

// Training utterances that begin with the same words.
struct PrefixCell {
  std::uint32_t fingerprint = 0;  // Zero: empty.
  std::uint16_t intent = 0;       // The most frequent one.
  std::uint8_t seen = 0;          // 8 * log2 of their number, rounded down.
  std::uint8_t share = 0;         // Of that intent, in 255ths, rounded down.
};
static_assert(sizeof(PrefixCell) == 8);

// How often a word, or a pair of words, ended an utterance.
struct WordEndCell {
  std::uint32_t fingerprint = 0;  // Zero: empty.
  std::int16_t odds = 0;          // Log odds, in 256ths.
  std::uint16_t unused = 0;
};
static_assert(sizeof(WordEndCell) == 8);

}  // namespace loquat::understanding
