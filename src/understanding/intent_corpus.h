// Training examples as feature numbers, split for cross-validation. Plain values once made; any thread may read them.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "understanding/dataset.h"
#include "understanding/intent_features.h"
#include "understanding/intent_learner.h"
#include "understanding/intent_verdict.h"

namespace loquat::understanding {

inline constexpr std::uint32_t kFolds = 5;
// With fewer out-of-scope examples there is no class for them: they serve for the verdict alone.
inline constexpr std::uint32_t kOutOfScopeClassMin = 10;

struct IntentCorpus {
  std::vector<std::string> intents;  // Sorted; class indices.
  bool out_of_scope_class = false;   // Class intents.size().
  std::uint32_t out_of_scope_examples = 0;

  std::vector<std::uint32_t> labels;  // [example]: a class, or kOutOfScopeLabel.
  std::vector<std::uint8_t> folds;    // [example], below kFolds.
  std::vector<std::uint64_t> keys;    // [feature], sorted: all features of all examples.

  // Occurrences as feature numbers. [begin[e * kFeatureGroups + g] .. next) are those of example e, group g.
  std::vector<std::uint64_t> begin;
  std::vector<std::uint32_t> occurrences;

  static constexpr std::uint32_t kOutOfScopeLabel = 0xFFFFFFFF;

  std::size_t size() const { return labels.size(); }
  std::uint32_t classes() const { return static_cast<std::uint32_t>(intents.size()) + (out_of_scope_class ? 1U : 0U); }
  std::span<const std::uint32_t> Group(std::size_t example, std::size_t group) const {
    const std::size_t at = example * kFeatureGroups + group;
    return std::span(occurrences).subspan(begin[at], begin[at + 1] - begin[at]);
  }
};

// Examples without an intent are left out. Folds are cut in file order, intent by intent: neighbours in a file are
// often paraphrases of each other, and a model judged on near copies of what it saw looks better than it is.
IntentCorpus BuildIntentCorpus(const Dataset& dataset);

// The features that one training run keeps, and how much each weighs.
struct Vocabulary {
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;
  std::vector<std::uint32_t> row;       // [corpus feature] -> row, or kNone.
  std::vector<std::uint32_t> features;  // [row] -> corpus feature; ascending.
  std::vector<float> rarity;            // [row]: the square root of the smoothed inverse document frequency.
};

// Keeps features of at least two of the `members` (one, where there are few); of more than `features_max`, those that
// tell most about the class.
Vocabulary BuildVocabulary(const IntentCorpus& corpus, std::span<const std::uint32_t> members,
                           std::size_t features_max);

// The `members` in the vocabulary's rows; labels where the label is a class.
EncodedExamples Encode(const IntentCorpus& corpus, const Vocabulary& vocabulary,
                       std::span<const std::uint32_t> members);

FeatureCoverage CoverageOf(const IntentCorpus& corpus, const Vocabulary& vocabulary, std::uint32_t example);

// What each known occurrence of a group weighs: its rarity times this. `squares` is the sum of squared rarities of the
// group's known occurrences, `groups` how many groups have any.
float GroupFactor(float squares, std::uint32_t groups);

}  // namespace loquat::understanding
