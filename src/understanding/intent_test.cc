// Features, index, calibration and the trained intent classifier.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/random.h"
#include "text/segment.h"
#include "understanding/feature_index.h"
#include "understanding/intent_calibration.h"
#include "understanding/intent_corpus.h"
#include "understanding/intent_features.h"
#include "understanding/intent_learner.h"
#include "understanding/intent_trainer.h"
#include "understanding/understander_test_data.h"

namespace loquat::understanding {
namespace {

IntentFeatures FeaturesOf(std::string_view text) {
  std::vector<text::Token> tokens;
  text::Segment(text, tokens);
  IntentFeatures features;
  ExtractIntentFeatures(text, tokens, features);
  return features;
}

TEST(IntentFeatures, CaseWidthAndSentenceMarksDoNotMatter) {
  const auto plain = FeaturesOf("what's the weather in paris");
  EXPECT_EQ(plain.keys, FeaturesOf("What’s the WEATHER in Paris?").keys);
  EXPECT_EQ(FeaturesOf("今天天气怎么样").keys, FeaturesOf("今天天气怎么样？").keys);
  EXPECT_NE(plain.keys, FeaturesOf("what's the weather in london").keys);
}

TEST(IntentFeatures, NumbersOfOneShapeAreAlikeAndOperatorsStay) {
  EXPECT_EQ(FeaturesOf("set a timer for 15 minutes").keys, FeaturesOf("set a timer for 40 minutes").keys);
  EXPECT_NE(FeaturesOf("set a timer for 15 minutes").keys, FeaturesOf("set a timer for 5 minutes").keys);
  EXPECT_NE(FeaturesOf("3 + 4").keys, FeaturesOf("3 4").keys);
}

TEST(IntentFeatures, CountsOfEachGroupFollowTheText) {
  const auto features = FeaturesOf("ab cde");
  EXPECT_EQ(features.Group(0).size(), 2U);  // ab, cde
  EXPECT_EQ(features.Group(1).size(), 3U);  // ^ab, ab cde, cde$
  EXPECT_EQ(features.Group(2).size(), 0U);
  // "_ab_": 3 + 2 + 1 of lengths 2 to 4; "_cde_": 4 + 3 + 2 + 1 of lengths 2 to 5.
  EXPECT_EQ(features.Group(3).size(), 16U);
  EXPECT_EQ(FeaturesOf("你好吗").Group(3).size(), 9U);  // One run of five with its ends: 4 + 3 + 2.
  EXPECT_TRUE(FeaturesOf("").keys.empty());
  EXPECT_TRUE(FeaturesOf("?!").keys.empty());
}

TEST(FeatureIndex, FindsEveryKeyAndNoOther) {
  base::Random random(7);
  for (const std::size_t count : {0UL, 1UL, 2UL, 1000UL, 50000UL}) {
    std::set<std::uint64_t> distinct;
    while (distinct.size() < count) distinct.insert(random.Next());
    const std::vector<std::uint64_t> keys(distinct.begin(), distinct.end());
    const auto buckets = FeatureIndex::Buckets(keys);
    const auto fingerprints = FeatureIndex::Fingerprints(keys);
    const FeatureIndex index(buckets, fingerprints);
    ASSERT_TRUE(index.Valid());
    for (std::uint32_t i = 0; i < keys.size(); ++i) EXPECT_EQ(index.Find(keys[i]), i);
    for (int i = 0; i < 1000; ++i) EXPECT_EQ(index.Find(random.Next()), FeatureIndex::kNone);
  }
}

TEST(FeatureIndex, RefusesBucketsThatDoNotFit) {
  const std::vector<std::uint64_t> keys = {1, 5ULL << 60, 9ULL << 60};
  const auto fingerprints = FeatureIndex::Fingerprints(keys);
  auto buckets = FeatureIndex::Buckets(keys);
  std::swap(buckets[0], buckets.back());
  EXPECT_FALSE(FeatureIndex(buckets, fingerprints).Valid());
  buckets = FeatureIndex::Buckets(keys);
  buckets.push_back(3);
  EXPECT_FALSE(FeatureIndex(buckets, fingerprints).Valid());
  EXPECT_FALSE(FeatureIndex({}, fingerprints).Valid());
}

TEST(IntentCorpus, FoldsAreBlocksOfEachIntent) {
  const Dataset dataset = SmallAssistant();
  const IntentCorpus corpus = BuildIntentCorpus(dataset);
  EXPECT_TRUE(std::ranges::is_sorted(corpus.intents));
  std::map<std::uint32_t, std::uint8_t> last;
  std::map<std::uint32_t, std::set<std::uint8_t>> folds;
  for (std::size_t e = 0; e < corpus.size(); ++e) {
    EXPECT_GE(corpus.folds[e], last[corpus.labels[e]]);
    EXPECT_LT(corpus.folds[e], kFolds);
    last[corpus.labels[e]] = corpus.folds[e];
    folds[corpus.labels[e]].insert(corpus.folds[e]);
  }
  for (const auto& [label, seen] : folds) EXPECT_EQ(seen.size(), kFolds) << label;
}

TEST(IntentCorpus, EncodedGroupsWeighTheSame) {
  const IntentCorpus corpus = BuildIntentCorpus(SmallAssistant());
  const std::vector<std::uint32_t> members = {0, 1, 2, 3, 4};
  const Vocabulary vocabulary = BuildVocabulary(corpus, members, 100000);
  const EncodedExamples encoded = Encode(corpus, vocabulary, members);
  ASSERT_EQ(encoded.size(), members.size());
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    double squares = 0;
    for (std::uint64_t j = encoded.begin[i]; j < encoded.begin[i + 1]; ++j)
      squares += encoded.values[j] * encoded.values[j];
    EXPECT_NEAR(squares, 1.0, 1e-4);
  }
  EXPECT_LE(BuildVocabulary(corpus, members, 10).features.size(), 10U);
}

TEST(IntentLearner, SeparatesWhatIsSeparable) {
  // Feature k alone means class k.
  EncodedExamples examples;
  for (std::uint32_t i = 0; i < 60; ++i) {
    examples.ids.push_back(i % 3);
    examples.values.push_back(1);
    examples.labels.push_back(i % 3);
    examples.begin.push_back(examples.ids.size());
  }
  LearnOptions options{.classes = 3,
                       .class_width = 16,
                       .hidden_width = 16,
                       .features = 3,
                       .epochs = 40,
                       .feature_dropout = 0.1F,
                       .kernels = &kernels::RowKernelsFor(kernels::Isa::kScalar),
                       .epoch_done = {}};
  const LinearLayer linear = LearnLinear(examples, options);
  options.rate = 0.1F;
  const HiddenLayer hidden = LearnHidden(examples, options);
  std::vector<float> scores(16);
  for (std::size_t i = 0; i < 3; ++i) {
    ScoreLinear(linear, examples, i, *options.kernels, scores);
    EXPECT_EQ(std::max_element(scores.begin(), scores.begin() + 3) - scores.begin(), static_cast<std::ptrdiff_t>(i));
    ScoreHidden(hidden, examples, i, *options.kernels, scores);
    EXPECT_EQ(std::max_element(scores.begin(), scores.begin() + 3) - scores.begin(), static_cast<std::ptrdiff_t>(i));
  }
}

// Held-out scores whose true distribution is known: label k with the probability softmax(scale * score).
TEST(IntentCalibration, FindsTheTemperatureThatMadeTheLabels) {
  base::Random random(20240701);
  constexpr double kScale = 2.5;
  HeldOut held_out{.intents = 4, .class_width = 16, .linear = {}, .hidden = {}, .coverage = {}, .labels = {}};
  for (int i = 0; i < 6000; ++i) {
    std::array<double, 4> weight{};
    double sum = 0;
    for (std::size_t k = 0; k < 16; ++k) {
      const float score = k < 4 ? random.Float() * 2 : 0;
      held_out.linear.push_back(score);
      held_out.hidden.push_back(score);
      if (k < 4) sum += weight[k] = std::exp(kScale * score);
    }
    double draw = random.Double() * sum;
    std::uint32_t label = 0;
    while (label < 3 && draw >= weight[label]) draw -= weight[label++];
    held_out.labels.push_back(label);
    held_out.coverage.emplace_back();
  }
  const IntentCalibration calibration = FitCalibration(held_out, {});
  EXPECT_NEAR(calibration.linear_factor + calibration.hidden_factor, kScale, 0.15);
  std::map<std::string, double> metrics;
  for (const auto& [name, value] : MeasureCalibration(held_out, calibration)) metrics[name] = value;
  EXPECT_LT(metrics.at("intent_ece"), 0.03);
}

TEST(IntentTrainer, MayRejectMoreToCatchMoreForeignText) {
  const auto metric = [](double rejected_max, std::string_view name) {
    const auto training = TrainIntents(SmallAssistant(), {.threads = 2, .rejected_max = rejected_max, .progress = {}});
    EXPECT_TRUE(training.has_value());
    const auto found = std::ranges::find(training->metrics, name, [](const auto& entry) { return entry.first; });
    EXPECT_NE(found, training->metrics.end());
    return found->second;
  };
  EXPECT_GE(metric(0.2, "out_of_scope_recall"), metric(0, "out_of_scope_recall"));
  EXPECT_LT(metric(0.2, "out_of_scope_threshold"), metric(0, "out_of_scope_threshold"));
}

std::vector<std::byte> AllBytes(const IntentTraining& training) {
  std::vector<std::byte> bytes;
  for (const auto& [name, section] : training.sections) bytes.insert(bytes.end(), section.begin(), section.end());
  return bytes;
}

TEST(IntentTrainer, TheSameBytesForAnyThreadsAndInstructions) {
  const Dataset dataset = SmallAssistant();
  const auto one = TrainIntents(dataset, {.threads = 1, .force_isa = "scalar", .progress = {}});
  const auto two = TrainIntents(dataset, {.threads = 2, .force_isa = {}, .progress = {}});
  const auto other = TrainIntents(dataset, {.threads = 2, .seed = 2, .force_isa = {}, .progress = {}});
  ASSERT_TRUE(one.has_value() && two.has_value() && other.has_value());
  EXPECT_EQ(AllBytes(*one), AllBytes(*two));
  EXPECT_NE(AllBytes(*one), AllBytes(*other));
  EXPECT_EQ(one->metrics, two->metrics);
}

TEST(IntentTrainer, ProgressGrowsToOneAndStopsOnDemand) {
  const Dataset dataset = SmallAssistant();
  double last = 0;
  IntentTrainOptions options;
  options.progress = [&](double done) {
    EXPECT_GE(done, last);
    last = done;
    return true;
  };
  ASSERT_TRUE(TrainIntents(dataset, options).has_value());
  EXPECT_NEAR(last, 1.0, 1e-6);
  options.progress = [](double) { return false; };
  const auto stopped = TrainIntents(dataset, options);
  ASSERT_FALSE(stopped.has_value());
  EXPECT_EQ(stopped.error().code, base::Code::kCancelled);
}

TEST(IntentTrainer, OneIntentIsNothingToLearn) {
  Dataset dataset = SmallAssistant();
  for (Example& example : dataset.examples) example.intent = "only";
  const auto training = TrainIntents(dataset);
  ASSERT_FALSE(training.has_value());
  EXPECT_EQ(training.error().code, base::Code::kInvalidArgument);
}

}  // namespace
}  // namespace loquat::understanding
