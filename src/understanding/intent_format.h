// The sections of the intent half of a model, and its header as it lies in the file. docs/model_format.md draws them.

#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace loquat::understanding {

inline constexpr std::uint32_t kIntentVersion = 1;

inline constexpr std::string_view kIntentHeaderSection = "intent.header";
inline constexpr std::string_view kIntentBucketsSection = "intent.buckets";            // uint32, feature_index.h
inline constexpr std::string_view kIntentFingerprintsSection = "intent.fingerprints";  // uint32 [feature]
inline constexpr std::string_view kIntentRaritySection = "intent.rarity";              // float [feature]
inline constexpr std::string_view kIntentLinearSection = "intent.linear";              // int8 [feature, class_width]
inline constexpr std::string_view kIntentLinearScaleSection = "intent.linear_scale";   // float [feature]
inline constexpr std::string_view kIntentLinearBiasSection = "intent.linear_bias";     // float [class_width]
inline constexpr std::string_view kIntentHiddenSection = "intent.hidden";              // int8 [feature, hidden_width]
inline constexpr std::string_view kIntentHiddenScaleSection = "intent.hidden_scale";   // float [feature]
inline constexpr std::string_view kIntentHiddenBiasSection = "intent.hidden_bias";     // float [hidden_width]
inline constexpr std::string_view kIntentOutputSection = "intent.output";           // float [hidden_width, class_width]
inline constexpr std::string_view kIntentOutputBiasSection = "intent.output_bias";  // float [class_width]
inline constexpr std::string_view kSlotSection = "slots.crf";                       // slot_tagger.h

// What the out-of-scope verdict weighs; the order is part of the format.
enum class VerdictInput : std::uint8_t {
  kBias,          // 1.
  kBestLog,       // log of the best intent's probability.
  kMargin,        // By how much that log is above the second's.
  kEntropy,       // Of the distribution over intents, in nats.
  kLinearEnergy,  // log of the sum of exp of the linear scores.
  kLinearBest,    // Greatest linear score.
  kHiddenBest,    // Greatest score of the hidden layer's output.
  kAgreement,     // 1 if both agree on the best intent.
  kOutOfScope,    // Log odds of the out-of-scope class, where there is one.
  kUnseenWords,   // Share of the words that training never saw.
  kUnseenPairs,
  kUnseenSkips,
  kUnseenGrams,  // Of character n-grams.
  kLength,       // log(1 + words).
};
inline constexpr std::size_t kVerdictInputs = static_cast<std::size_t>(VerdictInput::kLength) + 1;
inline constexpr std::size_t kVerdictSlots = 16;  // In the file; the rest is zero.

// How raw scores become probabilities and a verdict.
struct IntentCalibration {
  float linear_factor = 1;  // Scores are linear_factor * linear + hidden_factor * hidden before the softmax.
  float hidden_factor = 1;
  float threshold = 0.5F;  // Out of scope from this probability on.
  float reserved = 0;
  std::array<float, kVerdictSlots> verdict = {};  // Logistic weights by VerdictInput.
};

struct IntentHeader {
  std::uint32_t version = kIntentVersion;
  std::uint32_t intents = 0;       // Classes 0 .. intents - 1 are the manifest's.
  std::uint32_t out_of_scope = 0;  // 1: class `intents` is the out-of-scope class.
  std::uint32_t class_width = 0;   // Classes, rounded up to whole vectors.
  std::uint32_t hidden_width = 0;
  std::uint32_t features = 0;
  std::uint32_t reserved[2] = {};
  IntentCalibration calibration;

  std::uint32_t classes() const { return intents + out_of_scope; }
};
static_assert(std::is_trivially_copyable_v<IntentHeader> && sizeof(IntentHeader) == 112);

}  // namespace loquat::understanding
