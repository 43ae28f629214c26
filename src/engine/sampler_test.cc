#include "engine/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include "base/random.h"
#include "engine/philox.h"

namespace loquat::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

// Probabilities 0.5, 0.25, 0.125, 0.0625, 0.0625 in another order.
const std::vector<float> kLogits = {std::log(0.125F), std::log(0.5F), std::log(0.0625F), std::log(0.25F),
                                    std::log(0.0625F)};

std::map<TokenId, double> DistributionOf(const SamplingOptions& options, const std::vector<float>& logits = kLogits,
                                         const std::vector<TokenId>& history = {}, std::uint32_t prompt = 0) {
  Sampler sampler(static_cast<std::uint32_t>(logits.size()));
  const auto candidates =
      sampler.Distribution(options, {.logits = logits, .history = history, .prompt_tokens = prompt});
  std::map<TokenId, double> result;
  for (const Candidate& candidate : *candidates) result[candidate.token] = candidate.probability;
  return result;
}

void ExpectNear(const std::map<TokenId, double>& got, const std::map<TokenId, double>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (const auto& [token, probability] : want) {
    ASSERT_TRUE(got.contains(token)) << token;
    EXPECT_NEAR(got.at(token), probability, 1e-6) << token;
  }
}

// Known answers of Random123 1.14 (kat_vectors, philox4x32 10).
TEST(Philox, GivesTheKnownAnswers) {
  EXPECT_THAT(Philox4x32({0, 0, 0, 0}, {0, 0}), ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  constexpr std::uint32_t kOnes = 0xffffffff;
  EXPECT_THAT(Philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
              ElementsAre(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  EXPECT_THAT(Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
              ElementsAre(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

TEST(Sampler, TakesTheSoftmaxWithoutFilters) {
  ExpectNear(DistributionOf({}), {{0, 0.125}, {1, 0.5}, {2, 0.0625}, {3, 0.25}, {4, 0.0625}});
}

TEST(Sampler, TemperatureSharpensAndFlattens) {
  // p^2 / sum of p^2.
  const double sum = 0.25 + 0.0625 + 0.015625 + 2 * 0.00390625;
  ExpectNear(DistributionOf({.temperature = 0.5F}),
             {{0, 0.015625 / sum}, {1, 0.25 / sum}, {2, 0.00390625 / sum}, {3, 0.0625 / sum}, {4, 0.00390625 / sum}});
}

TEST(Sampler, GreedyTakesTheLikeliestAndOfEqualsTheLowestId) {
  Sampler sampler(4);
  const std::vector<float> logits = {1, 3, 3, 2};
  EXPECT_EQ(*sampler.Sample({.temperature = 0}, {.logits = logits}), 1);
  ExpectNear(DistributionOf({.temperature = 0}, logits), {{1, 1.0}});
}

TEST(Sampler, TopKKeepsTheLikeliest) {
  ExpectNear(DistributionOf({.top_k = 2}), {{1, 2.0 / 3}, {3, 1.0 / 3}});
  // Of the equal ones the lower id stays.
  EXPECT_TRUE(DistributionOf({.top_k = 4}).contains(2));
  EXPECT_FALSE(DistributionOf({.top_k = 4}).contains(4));
  EXPECT_EQ(DistributionOf({.top_k = 500}).size(), 5U);
}

TEST(Sampler, TopPKeepsTheFewestThatReachTheMass) {
  ExpectNear(DistributionOf({.top_p = 0.5F}), {{1, 1.0}});
  ExpectNear(DistributionOf({.top_p = 0.51F}), {{1, 2.0 / 3}, {3, 1.0 / 3}});
  ExpectNear(DistributionOf({.top_p = 0.01F}), {{1, 1.0}});
}

TEST(Sampler, MinPKeepsThoseNearTheLikeliest) {
  ExpectNear(DistributionOf({.min_p = 0.2F}), {{0, 0.125 / 0.875}, {1, 0.5 / 0.875}, {3, 0.25 / 0.875}});
  ExpectNear(DistributionOf({.min_p = 1.0F}), {{1, 1.0}});
}

TEST(Sampler, TypicalKeepsThoseNearestToTheEntropy) {
  // Entropy 1.875 bits; surprises 1, 2, 3, 4, 4 bits: the distance orders them 3 (0.125), 1 (0.875), 0 (1.125) ….
  ExpectNear(DistributionOf({.typical_p = 0.2F}), {{3, 1.0}});
  ExpectNear(DistributionOf({.typical_p = 0.3F}), {{3, 1.0 / 3}, {1, 2.0 / 3}});
  ExpectNear(DistributionOf({.typical_p = 0.8F}), {{0, 0.125 / 0.875}, {1, 0.5 / 0.875}, {3, 0.25 / 0.875}});
}

TEST(Sampler, FiltersFollowEachOtherRenormalised) {
  // top_k 3 leaves 4/7, 2/7, 1/7; of which 0.8 is reached by two.
  ExpectNear(DistributionOf({.top_k = 3, .top_p = 0.8F}), {{1, 2.0 / 3}, {3, 1.0 / 3}});
}

TEST(Sampler, BiasAddsToTheLogitAndForbids) {
  ExpectNear(DistributionOf({.logit_bias = {{0, std::log(2.0F)}, {1, -kBiasMax}}}),
             {{0, 0.25 / 0.625}, {2, 0.0625 / 0.625}, {3, 0.25 / 0.625}, {4, 0.0625 / 0.625}});
}

TEST(Sampler, PenaltiesFollowTheirFormulas) {
  const std::vector<float> logits = {2, -1, 0.5F, 1};
  // Prompt 0, 1; answer 2, 2. Repetition counts all, presence and frequency the answer alone.
  const std::vector<TokenId> history = {0, 1, 2, 2};
  SamplingOptions options{.repetition_penalty = 2, .presence_penalty = 0.5F, .frequency_penalty = 0.25F};
  const std::vector<float> want = {1, -2, 0.25F - 0.5F - 2 * 0.25F, 1};
  ExpectNear(DistributionOf(options, logits, history, 2), DistributionOf({}, want));
  // Nothing is left over for the next call.
  Sampler sampler(4);
  for (int i = 0; i < 2; ++i) {
    const auto got = sampler.Distribution(options, {.logits = logits, .history = history, .prompt_tokens = 2});
    EXPECT_NEAR((*got)[0].probability, DistributionOf({}, want)[0], 1e-6);
  }
}

TEST(Sampler, NoNgramRepeats) {
  const std::vector<TokenId> history = {1, 2, 3, 1, 2};
  EXPECT_FALSE(DistributionOf({.no_repeat_ngram = 3}, kLogits, history).contains(3));
  EXPECT_TRUE(DistributionOf({.no_repeat_ngram = 4}, kLogits, history).contains(3));
  EXPECT_THAT(DistributionOf({.no_repeat_ngram = 1}, kLogits, history), ::testing::SizeIs(2));
  EXPECT_THAT(DistributionOf({.no_repeat_ngram = 3}, kLogits, {1}), ::testing::SizeIs(5));
}

TEST(Sampler, SaysWhenNothingMayFollow) {
  Sampler sampler(2);
  const std::vector<float> logits = {1, 2};
  const SamplingOptions none{.logit_bias = {{0, -kBiasMax}, {1, -kBiasMax}}};
  EXPECT_EQ(sampler.Sample(none, {.logits = logits}).error().code, base::Code::kFailedPrecondition);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const std::vector<float> broken = {1, bad};
    EXPECT_EQ(sampler.Sample({}, {.logits = broken}).error().code, base::Code::kInternal);
    EXPECT_EQ(sampler.Sample({.temperature = 0}, {.logits = broken}).error().code, base::Code::kInternal);
  }
  const float low = -std::numeric_limits<float>::infinity();
  EXPECT_EQ(sampler.Sample({}, {.logits = std::vector<float>{low, low}}).error().code, base::Code::kInternal);
  EXPECT_EQ(*sampler.Sample({}, {.logits = std::vector<float>{low, 0}}), 1);
}

// Pearson's test: the statistic of n - 1 degrees of freedom stays below its 99.9 % quantile, for many seeds and
// filters.
TEST(Sampler, DrawsByTheDistribution) {
  const SamplingOptions cases[] = {{},
                                   {.temperature = 1.7F},
                                   {.temperature = 0.6F, .top_k = 4},
                                   {.top_p = 0.9F},
                                   {.min_p = 0.2F},
                                   {.typical_p = 0.9F},
                                   {.repetition_penalty = 1.3F}};
  constexpr double kQuantile[] = {0, 10.83, 13.82, 16.27, 18.47};  // By degrees of freedom, at 0.999.
  constexpr std::uint32_t kDraws = 20000;
  Sampler sampler(5);
  std::uint64_t seed = 12345;
  for (const SamplingOptions& options : cases) {
    const auto want = DistributionOf(options);
    std::map<TokenId, double> count;
    for (std::uint32_t i = 0; i < kDraws; ++i) {
      // A seed each, as requests have.
      count[*sampler.Sample(options, {.logits = kLogits, .seed = seed++})] += 1;
    }
    double chi = 0;
    for (const auto& [token, p] : want) chi += std::pow(count[token] - kDraws * p, 2) / (kDraws * p);
    EXPECT_LT(chi, kQuantile[want.size() - 1]);
    EXPECT_EQ(count.size(), want.size());
  }
}

TEST(Sampler, DrawsOfOneSeedAreUniformOverStepsAndChoices) {
  constexpr int kBins = 64;
  for (const bool by_choice : {false, true}) {
    std::array<double, kBins> count{};
    constexpr std::uint32_t kDraws = 64000;
    double serial = 0;
    double before = 0.5;
    for (std::uint32_t i = 0; i < kDraws; ++i) {
      const double u = by_choice ? UniformAt(42, i, 0) : UniformAt(42, 0, i);
      ++count[static_cast<std::size_t>(u * kBins)];
      serial += (u - 0.5) * (before - 0.5);
      before = u;
    }
    double chi = 0;
    for (const double n : count) chi += std::pow(n - kDraws / kBins, 2) / (kDraws / kBins);
    EXPECT_LT(chi, 103.4);                           // 63 degrees of freedom, 99.9 %.
    EXPECT_LT(std::fabs(serial / kDraws), 0.00115);  // 3.5 deviations of 1/12/sqrt(n).
  }
}

TEST(Sampler, TheSameSeedAndStepGiveTheSameToken) {
  base::Random random(7);
  std::vector<float> logits(1000);
  for (float& logit : logits) logit = random.Float() * 10;
  const std::vector<TokenId> history = {1, 2, 3};
  const SamplingOptions options{.temperature = 1.2F, .top_k = 50, .top_p = 0.95F};
  Sampler first(1000);
  Sampler second(1000);
  std::set<TokenId> seen;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const SampleInput input{.logits = logits, .history = history, .prompt_tokens = 1, .seed = seed};
    const TokenId token = *first.Sample(options, input);
    EXPECT_EQ(*second.Sample(options, input), token);
    seen.insert(token);
    // The prompt's length does not shift the draws: steps count from the answer's start.
    const std::vector<TokenId> longer = {9, 9, 1, 2, 3};
    EXPECT_EQ(*second.Sample(options, {.logits = logits, .history = longer, .prompt_tokens = 3, .seed = seed}), token);
  }
  EXPECT_GT(seen.size(), 5U);
}

TEST(Sampler, FiltersOnALargeVocabularyAgreeWithSortingIt) {
  base::Random random(3);
  constexpr std::uint32_t kVocabulary = 5000;
  std::vector<float> logits(kVocabulary);
  for (float& logit : logits) logit = static_cast<float>(random.Below(2000)) / 150.0F;  // With ties.
  std::vector<std::uint32_t> order(kVocabulary);
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(),
            [&](auto a, auto b) { return std::pair(-logits[a], a) < std::pair(-logits[b], b); });
  double total = 0;
  for (const float logit : logits) total += std::exp(static_cast<double>(logit));
  for (const float top_p : {0.1F, 0.5F, 0.9F, 0.99F}) {
    double sum = 0;
    std::size_t kept = 0;
    while (sum < top_p) sum += std::exp(static_cast<double>(logits[order[kept++]])) / total;
    const auto got = DistributionOf({.top_p = top_p}, logits);
    EXPECT_EQ(got.size(), kept);
    for (std::size_t i = 0; i < kept; ++i) EXPECT_TRUE(got.contains(static_cast<TokenId>(order[i])));
  }
}

TEST(Sampler, ReportsTheModelsOwnLogProbabilities) {
  Sampler sampler(5);
  std::vector<TokenLogprob> out;
  sampler.Logprobs(kLogits, 2, 3, out);
  ASSERT_EQ(out.size(), 4U);
  EXPECT_EQ(out[0].token, 2);
  EXPECT_NEAR(out[0].logprob, std::log(0.0625), 1e-6);
  EXPECT_EQ(out[1].token, 1);
  EXPECT_NEAR(out[1].logprob, std::log(0.5), 1e-6);
  EXPECT_EQ(out[2].token, 3);
  EXPECT_EQ(out[3].token, 0);
  sampler.Logprobs(kLogits, 4, 5, out);
  EXPECT_EQ(out[8].token, 2);  // Of equals the lower id first.
  EXPECT_EQ(out[9].token, 4);
}

struct BadOptions {
  SamplingOptions options;
  std::string_view param;
};

TEST(SamplingOptions, AreHeldAgainstTheirBounds) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  const BadOptions bad[] = {
      {{.temperature = -0.1F}, "/temperature"},
      {{.temperature = kTemperatureMax + 0.1F}, "/temperature"},
      {{.temperature = kNan}, "/temperature"},
      {{.typical_p = 0}, "/typical_p"},
      {{.typical_p = 1.1F}, "/typical_p"},
      {{.top_p = 0}, "/top_p"},
      {{.top_p = kNan}, "/top_p"},
      {{.min_p = -0.1F}, "/min_p"},
      {{.min_p = 1.01F}, "/min_p"},
      {{.repetition_penalty = 0}, "/repetition_penalty"},
      {{.repetition_penalty = 10.5F}, "/repetition_penalty"},
      {{.presence_penalty = 2.5F}, "/presence_penalty"},
      {{.frequency_penalty = -2.5F}, "/frequency_penalty"},
      {{.no_repeat_ngram = kNoRepeatNgramMax + 1}, "/no_repeat_ngram_size"},
      {{.logit_bias = {{100, 1}}}, "/logit_bias/100"},
      {{.logit_bias = {{-1, 1}}}, "/logit_bias/-1"},
      {{.logit_bias = {{5, 101}}}, "/logit_bias/5"},
      {{.logit_bias = {{5, 1}, {6, 1}, {5, 2}}}, "/logit_bias/5"},
      {{.logit_bias = std::vector<LogitBias>(kLogitBiasMax + 1)}, "/logit_bias"},
      {{.temperature = 0, .top_k = 40}, "/top_k"},
      {{.temperature = 0, .typical_p = 0.9F}, "/typical_p"},
      {{.temperature = 0, .min_p = 0.1F}, "/min_p"},
  };
  for (const BadOptions& each : bad) {
    const base::Status status = ValidateSampling(each.options, 100);
    ASSERT_FALSE(status.has_value()) << each.param;
    EXPECT_EQ(status.error().param, each.param);
    EXPECT_EQ(status.error().code, base::Code::kInvalidArgument);
    EXPECT_FALSE(status.error().message.empty());
  }
  const SamplingOptions good[] = {{},
                                  {.temperature = 0},
                                  {.temperature = 0, .top_p = 0.9F},
                                  {.temperature = 0, .top_k = 1},
                                  {.temperature = kTemperatureMax, .top_k = 1000000, .min_p = 1},
                                  {.repetition_penalty = kRepetitionPenaltyMax, .no_repeat_ngram = kNoRepeatNgramMax},
                                  {.logit_bias = {{99, kBiasMax}, {0, -kBiasMax}}}};
  for (const SamplingOptions& options : good) EXPECT_TRUE(ValidateSampling(options, 100).has_value());
}

}  // namespace
}  // namespace loquat::engine
