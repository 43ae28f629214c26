// Random options on random logits and histories against a second, naive writing of every rule: the same tokens with the
// same probabilities, and draws that follow them.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <tuple>

#include "base/random.h"
#include "engine/sampler.h"

namespace loquat::engine {
namespace {

constexpr std::uint32_t kVocabulary = 24;
constexpr float kNever = -std::numeric_limits<float>::infinity();

struct Case {
  SamplingOptions options;
  std::vector<float> logits;
  std::vector<TokenId> history;
  std::uint32_t prompt_tokens = 0;
  SampleInput Input(std::uint64_t seed) const {
    return {.logits = logits, .history = history, .prompt_tokens = prompt_tokens, .seed = seed};
  }
};

using Weighed = std::vector<std::pair<TokenId, double>>;  // In falling order of probability, of equals by id.

bool Likelier(const Weighed::value_type& a, const Weighed::value_type& b) {
  return std::pair(-a.second, a.first) < std::pair(-b.second, b.first);
}

void Renormalise(Weighed& all) {
  double sum = 0;
  for (const auto& [token, p] : all) sum += p;
  for (auto& [token, p] : all) p /= sum;
}

// The shortest leading part that reaches the mass.
void KeepMass(Weighed& all, double mass) {
  double sum = 0;
  std::size_t kept = 0;
  while (kept < all.size() && sum < mass) sum += all[kept++].second;
  all.resize(kept);
  Renormalise(all);
}

std::vector<float> Adjusted(const Case& c) {
  std::vector<float> logits = c.logits;
  const SamplingOptions& o = c.options;
  for (const LogitBias& bias : o.logit_bias) {
    float& logit = logits[static_cast<std::size_t>(bias.token)];
    logit = bias.bias <= -kBiasMax ? kNever : logit + bias.bias;
  }
  for (TokenId id = 0; id < static_cast<TokenId>(kVocabulary); ++id) {
    float& logit = logits[static_cast<std::size_t>(id)];
    const auto answer_begin = c.history.begin() + c.prompt_tokens;
    const auto in_answer = std::count(answer_begin, c.history.end(), id);
    if (std::count(c.history.begin(), c.history.end(), id) > 0) {
      logit = logit > 0 ? logit / o.repetition_penalty : logit * o.repetition_penalty;
    }
    if (in_answer > 0) logit -= o.presence_penalty + o.frequency_penalty * static_cast<float>(in_answer);
    // Would the n-gram that ends with this token be the second of its kind?
    std::vector<TokenId> with = c.history;
    with.push_back(id);
    const std::size_t n = o.no_repeat_ngram;
    for (std::size_t i = 0; n > 0 && i + n < with.size(); ++i) {
      if (std::equal(with.end() - static_cast<std::ptrdiff_t>(n), with.end(),
                     with.begin() + static_cast<std::ptrdiff_t>(i))) {
        logit = kNever;
      }
    }
  }
  return logits;
}

Weighed Expected(const Case& c) {
  const std::vector<float> logits = Adjusted(c);
  const SamplingOptions& o = c.options;
  Weighed all;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] != kNever) all.emplace_back(static_cast<TokenId>(i), logits[i]);
  }
  std::sort(all.begin(), all.end(), Likelier);
  if (all.empty()) return all;
  if (o.greedy()) return {{all.front().first, 1.0}};
  const double top = all.front().second;
  for (auto& [token, value] : all) value = std::exp((value - top) / static_cast<double>(o.temperature));
  if (o.top_k > 0 && o.top_k < all.size()) all.resize(o.top_k);
  Renormalise(all);
  if (o.typical_p < 1) {
    double entropy = 0;
    for (const auto& [token, p] : all) entropy -= p > 0 ? p * std::log(p) : 0;
    const auto surprise = [&](const auto& each) {
      return std::tuple(std::fabs(-std::log(each.second) - entropy), -each.second, each.first);
    };
    std::sort(all.begin(), all.end(), [&](const auto& a, const auto& b) { return surprise(a) < surprise(b); });
    KeepMass(all, o.typical_p);
    std::sort(all.begin(), all.end(), Likelier);
  }
  if (o.top_p < 1) KeepMass(all, o.top_p);
  if (o.min_p > 0) {
    const double least = static_cast<double>(o.min_p) * all.front().second;
    std::erase_if(all, [&](const auto& each) { return each.second < least; });
    Renormalise(all);
  }
  return all;
}

Case RandomCase(base::Random& random) {
  Case c;
  for (std::uint32_t i = 0; i < kVocabulary; ++i) c.logits.push_back(random.Float() * 8 - 4);
  c.prompt_tokens = static_cast<std::uint32_t>(random.Below(20));
  const std::size_t length = c.prompt_tokens + random.Below(30);
  for (std::size_t i = 0; i < length; ++i) c.history.push_back(static_cast<TokenId>(random.Below(kVocabulary / 2)));
  SamplingOptions& o = c.options;
  o.temperature = random.Chance(0.1) ? 0.0F : 0.2F + random.Float() * 2;
  if (random.Chance(0.4)) o.top_k = static_cast<std::uint32_t>(1 + random.Below(kVocabulary + 5));
  if (random.Chance(0.3)) o.typical_p = 0.1F + random.Float() * 0.9F;
  if (random.Chance(0.4)) o.top_p = 0.1F + random.Float() * 0.9F;
  if (random.Chance(0.3)) o.min_p = random.Float();
  if (random.Chance(0.4)) o.repetition_penalty = 0.5F + random.Float() * 2;
  if (random.Chance(0.4)) o.presence_penalty = random.Float() * 4 - 2;
  if (random.Chance(0.4)) o.frequency_penalty = random.Float() * 4 - 2;
  if (random.Chance(0.3)) o.no_repeat_ngram = static_cast<std::uint32_t>(1 + random.Below(3));
  for (TokenId id = 0; id < static_cast<TokenId>(kVocabulary); ++id) {
    if (random.Chance(0.1)) o.logit_bias.push_back({id, random.Chance(0.3) ? -kBiasMax : random.Float() * 6 - 3});
  }
  return c;
}

TEST(SamplerProperty, EveryRuleIsItsFormulaAloneAndWithTheOthers) {
  constexpr std::uint64_t kSeed = 77;
  SCOPED_TRACE(kSeed);
  base::Random random(kSeed);
  Sampler sampler(kVocabulary);
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    const Case c = RandomCase(random);
    const Weighed want = Expected(c);
    const auto got = sampler.Distribution(c.options, c.Input(0));
    if (want.empty()) {
      ++refused;
      ASSERT_EQ(got.error().code, base::Code::kFailedPrecondition) << round;
      continue;
    }
    ASSERT_TRUE(got.has_value()) << got.error().message;
    std::map<TokenId, double> by_token;
    for (const Candidate& candidate : *got) by_token[candidate.token] = candidate.probability;
    ASSERT_EQ(by_token.size(), want.size()) << "round " << round;
    for (const auto& [token, p] : want) ASSERT_NEAR(by_token.at(token), p, 1e-9) << "round " << round;
  }
  EXPECT_LT(refused, 2000);
}

// Pearson's test at 99.99 %, by the approximation of Wilson and Hilferty, 1931.
TEST(SamplerProperty, DrawsFollowTheFormula) {
  constexpr std::uint64_t kSeed = 78;
  SCOPED_TRACE(kSeed);
  base::Random random(kSeed);
  Sampler sampler(kVocabulary);
  constexpr int kDraws = 10'000;
  int tested = 0;
  while (tested < 40) {
    const Case c = RandomCase(random);
    const Weighed want = Expected(c);
    if (want.size() < 2) continue;
    ++tested;
    std::map<TokenId, int> count;
    for (int i = 0; i < kDraws; ++i) ++count[*sampler.Sample(c.options, c.Input(random.Next()))];
    // Cells with too few expected draws are one.
    double chi = 0, rare_want = 0, rare_got = 0, cells = 0;
    for (const auto& [token, p] : want) {
      const double expected = kDraws * p;
      if (expected < 8) {
        rare_want += expected;
        rare_got += count[token];
        continue;
      }
      chi += std::pow(count[token] - expected, 2) / expected;
      ++cells;
    }
    if (rare_want >= 1) {
      chi += std::pow(rare_got - rare_want, 2) / rare_want;
      ++cells;
    }
    for (const auto& [token, n] : count) {
      EXPECT_TRUE(std::any_of(want.begin(), want.end(), [&, id = token](const auto& w) { return w.first == id; }));
    }
    const double freedom = std::max(1.0, cells - 1);
    const double cube = 1 - 2 / (9 * freedom) + 3.72 * std::sqrt(2 / (9 * freedom));
    EXPECT_LT(chi, freedom * cube * cube * cube) << "case " << tested;
  }
}

}  // namespace
}  // namespace loquat::engine
