#include "understanding/intent_corpus.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>

#include "text/segment.h"
#include "understanding/deterministic_math.h"

namespace loquat::understanding {
namespace {

constexpr std::size_t kFewExamples = 2000;  // Up to here a feature of one example is kept.

void ReadLabels(const Dataset& dataset, std::vector<const Example*>& examples, IntentCorpus& corpus) {
  std::map<std::string_view, std::uint32_t> counts;
  for (const Example& example : dataset.examples) {
    if (example.intent.empty()) continue;
    examples.push_back(&example);
    ++counts[example.intent];
  }
  std::map<std::string_view, std::uint32_t> classes;
  for (const auto& [intent, count] : counts) {
    if (intent == kOutOfScopeIntent) {
      corpus.out_of_scope_examples = count;
      corpus.out_of_scope_class = count >= kOutOfScopeClassMin;
      continue;
    }
    classes.emplace(intent, static_cast<std::uint32_t>(corpus.intents.size()));
    corpus.intents.emplace_back(intent);
  }
  std::map<std::string_view, std::uint32_t> seen;
  for (const Example* example : examples) {
    const auto found = classes.find(example->intent);
    const auto other =
        corpus.out_of_scope_class ? static_cast<std::uint32_t>(corpus.intents.size()) : IntentCorpus::kOutOfScopeLabel;
    corpus.labels.push_back(found == classes.end() ? other : found->second);
    const std::uint64_t position = seen[example->intent]++;
    corpus.folds.push_back(static_cast<std::uint8_t>(position * kFolds / counts[example->intent]));
  }
}

// Leaves in `chosen` those that tell most about the class, by the likelihood ratio G2 of feature and class: the sum
// over classes of n(f, c) log(n(f, c) N / (n(f) n(c))). Dunning, "Accurate methods for the statistics of surprise and
// coincidence", Computational Linguistics 19(1), 1993.
void KeepTelling(const IntentCorpus& corpus, std::span<const std::uint32_t> members,
                 const std::vector<std::uint32_t>& documents, std::size_t features_max,
                 std::vector<std::uint32_t>& chosen) {
  std::vector<std::uint64_t> pairs;  // Feature and class of each occurrence.
  std::vector<float> class_sizes(corpus.classes(), 0);
  for (const std::uint32_t e : members) {
    class_sizes[corpus.labels[e]] += 1;
    for (std::uint64_t j = corpus.begin[e * kFeatureGroups]; j < corpus.begin[(e + 1) * kFeatureGroups]; ++j) {
      pairs.push_back(std::uint64_t{corpus.occurrences[j]} << 32 | corpus.labels[e]);
    }
  }
  std::ranges::sort(pairs);
  const auto total = static_cast<float>(members.size());
  std::vector<float> score(documents.size(), 0);
  for (std::size_t begin = 0, end = 0; begin < pairs.size(); begin = end) {
    while (end < pairs.size() && pairs[end] == pairs[begin]) ++end;
    const auto together = static_cast<float>(end - begin);
    const auto feature = static_cast<std::uint32_t>(pairs[begin] >> 32);
    const float expected =
        static_cast<float>(documents[feature]) * class_sizes[static_cast<std::uint32_t>(pairs[begin])] / total;
    score[feature] += together * DeterministicLog(together / expected);
  }
  const auto last = chosen.begin() + static_cast<std::ptrdiff_t>(features_max);
  std::ranges::nth_element(chosen, last, [&](std::uint32_t a, std::uint32_t b) {
    return score[a] != score[b] ? score[a] > score[b] : a < b;
  });
  chosen.erase(last, chosen.end());
  std::ranges::sort(chosen);
}

}  // namespace

IntentCorpus BuildIntentCorpus(const Dataset& dataset) {
  IntentCorpus corpus;
  std::vector<const Example*> examples;
  ReadLabels(dataset, examples, corpus);

  std::vector<std::uint64_t> keys;  // By occurrence.
  std::vector<text::Token> tokens;
  IntentFeatures features;
  corpus.begin.push_back(0);
  for (const Example* example : examples) {
    text::Segment(example->text, tokens);
    ExtractIntentFeatures(example->text, tokens, features);
    for (std::size_t g = 0; g < kFeatureGroups; ++g) corpus.begin.push_back(keys.size() + features.begin[g + 1]);
    keys.insert(keys.end(), features.keys.begin(), features.keys.end());
  }
  corpus.keys = keys;
  std::ranges::sort(corpus.keys);
  corpus.keys.erase(std::unique(corpus.keys.begin(), corpus.keys.end()), corpus.keys.end());
  corpus.keys.shrink_to_fit();
  corpus.occurrences.reserve(keys.size());
  for (const std::uint64_t key : keys) {
    corpus.occurrences.push_back(
        static_cast<std::uint32_t>(std::ranges::lower_bound(corpus.keys, key) - corpus.keys.begin()));
  }
  return corpus;
}

Vocabulary BuildVocabulary(const IntentCorpus& corpus, std::span<const std::uint32_t> members,
                           std::size_t features_max) {
  std::vector<std::uint32_t> documents(corpus.keys.size(), 0);
  std::vector<std::uint32_t> last(corpus.keys.size(), 0xFFFFFFFF);
  for (const std::uint32_t e : members) {
    for (std::uint64_t j = corpus.begin[e * kFeatureGroups]; j < corpus.begin[(e + 1) * kFeatureGroups]; ++j) {
      const std::uint32_t feature = corpus.occurrences[j];
      if (last[feature] == e) continue;
      last[feature] = e;
      ++documents[feature];
    }
  }
  const std::uint32_t least = members.size() > kFewExamples ? 2 : 1;
  std::vector<std::uint32_t> chosen;
  for (std::uint32_t feature = 0; feature < documents.size(); ++feature) {
    if (documents[feature] >= least) chosen.push_back(feature);
  }
  if (chosen.size() > features_max) KeepTelling(corpus, members, documents, features_max, chosen);
  Vocabulary vocabulary;
  vocabulary.row.assign(corpus.keys.size(), Vocabulary::kNone);
  const auto total = static_cast<float>(members.size() + 1);
  for (const std::uint32_t feature : chosen) {
    vocabulary.row[feature] = static_cast<std::uint32_t>(vocabulary.features.size());
    vocabulary.features.push_back(feature);
    const float idf = DeterministicLog(total / static_cast<float>(documents[feature] + 1)) + 1.0F;
    vocabulary.rarity.push_back(std::sqrt(std::max(idf, 0.0F)));
  }
  return vocabulary;
}

float GroupFactor(float squares, std::uint32_t groups) {
  constexpr float kTiny = 1e-9F;
  return 1.0F / std::sqrt((squares + kTiny) * static_cast<float>(groups));
}

EncodedExamples Encode(const IntentCorpus& corpus, const Vocabulary& vocabulary,
                       std::span<const std::uint32_t> members) {
  EncodedExamples encoded;
  for (const std::uint32_t e : members) {
    std::array<float, kFeatureGroups> squares = {};
    std::uint32_t groups = 0;
    for (std::size_t g = 0; g < kFeatureGroups; ++g) {
      for (const std::uint32_t feature : corpus.Group(e, g)) {
        const std::uint32_t row = vocabulary.row[feature];
        if (row != Vocabulary::kNone) squares[g] += vocabulary.rarity[row] * vocabulary.rarity[row];
      }
      if (squares[g] > 0) ++groups;
    }
    for (std::size_t g = 0; g < kFeatureGroups; ++g) {
      const float factor = GroupFactor(squares[g], groups);
      for (const std::uint32_t feature : corpus.Group(e, g)) {
        const std::uint32_t row = vocabulary.row[feature];
        if (row == Vocabulary::kNone) continue;
        encoded.ids.push_back(row);
        encoded.values.push_back(vocabulary.rarity[row] * factor);
      }
    }
    encoded.begin.push_back(encoded.ids.size());
    encoded.labels.push_back(corpus.labels[e]);
  }
  return encoded;
}

FeatureCoverage CoverageOf(const IntentCorpus& corpus, const Vocabulary& vocabulary, std::uint32_t example) {
  FeatureCoverage coverage;
  for (std::size_t g = 0; g < kFeatureGroups; ++g) {
    const auto group = corpus.Group(example, g);
    coverage.total[g] = static_cast<std::uint32_t>(group.size());
    coverage.known[g] = static_cast<std::uint32_t>(std::ranges::count_if(
        group, [&](std::uint32_t feature) { return vocabulary.row[feature] != Vocabulary::kNone; }));
  }
  return coverage;
}

}  // namespace loquat::understanding
