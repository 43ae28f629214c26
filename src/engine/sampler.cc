#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/check.h"
#include "engine/exponentials.h"
#include "engine/logit_scan.h"
#include "engine/philox.h"

namespace loquat::engine {
namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

bool Likelier(const Candidate& a, const Candidate& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
}

bool NeedsAdjusting(const SamplingOptions& options) {
  return !options.logit_bias.empty() || options.repetition_penalty != 1 || options.presence_penalty != 0 ||
         options.frequency_penalty != 0 || options.no_repeat_ngram > 0;
}

}  // namespace

Sampler::Sampler(std::uint32_t vocabulary) : adjusted_(vocabulary), seen_(vocabulary), in_text_(vocabulary) {
  candidates_.reserve(vocabulary);
  typicality_.reserve(vocabulary);
  exponentials_.resize(vocabulary);
  order_.resize(vocabulary);
}

void Sampler::Penalize(const SamplingOptions& options, const SampleInput& input) {
  const std::span<const TokenId> answer = input.history.subspan(input.prompt_tokens);
  for (const TokenId token : answer) ++seen_[static_cast<std::size_t>(token)];
  for (const TokenId token : input.history) {
    const auto id = static_cast<std::size_t>(token);
    if (in_text_[id] != 0) continue;
    in_text_[id] = 1;
    float& logit = adjusted_[id];
    // CTRL divides; a negative logit is multiplied, lest the penalty become a reward.
    logit = logit > 0 ? logit / options.repetition_penalty : logit * options.repetition_penalty;
    if (seen_[id] > 0) {
      logit -= options.presence_penalty + options.frequency_penalty * static_cast<float>(seen_[id]);
    }
  }
  for (const TokenId token : input.history) {
    seen_[static_cast<std::size_t>(token)] = 0;
    in_text_[static_cast<std::size_t>(token)] = 0;
  }
}

void Sampler::ForbidRepeatedNgrams(std::uint32_t size, std::span<const TokenId> history) {
  if (history.size() < size) return;
  const std::span<const TokenId> last = history.last(size - 1);
  for (std::size_t i = 0; i + size <= history.size(); ++i) {
    if (std::equal(last.begin(), last.end(), history.begin() + static_cast<std::ptrdiff_t>(i))) {
      adjusted_[static_cast<std::size_t>(history[i + size - 1])] = kForbidden;
    }
  }
}

std::span<const float> Sampler::Adjust(const SamplingOptions& options, const SampleInput& input) {
  if (!NeedsAdjusting(options)) return input.logits;
  std::copy(input.logits.begin(), input.logits.end(), adjusted_.begin());
  for (const LogitBias& bias : options.logit_bias) {
    float& logit = adjusted_[static_cast<std::size_t>(bias.token)];
    logit = bias.bias == -kBiasMax ? kForbidden : logit + bias.bias;
  }
  if (options.repetition_penalty != 1 || options.presence_penalty != 0 || options.frequency_penalty != 0) {
    Penalize(options, input);
  }
  if (options.no_repeat_ngram > 0) ForbidRepeatedNgrams(options.no_repeat_ngram, input.history);
  return adjusted_;
}

base::Status Sampler::Prepare(const SamplingOptions& options, const SampleInput& input,
                              std::span<const float>& logits) {
  LOQUAT_CHECK(input.logits.size() == adjusted_.size(), "one logit a token of the vocabulary");
  const LogitScan scan = ScanLogits(input.logits);
  if (!scan.sound) {
    return base::Internal("the model gave logits that are not numbers; check its file with: loquat model verify");
  }
  if (scan.greatest == kForbidden) {
    return base::Internal("the model gave no finite logit; check its file with: loquat model verify");
  }
  logits = Adjust(options, input);
  if (logits.data() != input.logits.data() && ScanLogits(logits).greatest == kForbidden) {
    return base::FailedPrecondition("logit_bias and no_repeat_ngram_size together forbid every token");
  }
  return {};
}

void Sampler::Normalize() {
  double sum = 0;
  for (const Candidate& candidate : candidates_) sum += candidate.probability;
  for (Candidate& candidate : candidates_) candidate.probability /= sum;
}

// All tokens that are not forbidden, or the likeliest, with softmax(logit / temperature).
void Sampler::FillCandidates(std::span<const float> logits, const SamplingOptions& options) {
  const std::size_t kept = options.greedy() ? 1 : options.top_k > 0 ? options.top_k : logits.size();
  const float max = ScanLogits(logits).greatest;
  const double scale = options.greedy() ? 1 : 1.0 / options.temperature;
  if (kept < logits.size()) {
    KeepLikeliest(logits, kept);
    for (Candidate& candidate : candidates_) {
      candidate.probability = ExpOfNegative((static_cast<double>(candidate.logit) - max) * scale);
    }
    // A heap has an order that the library decides; what is drawn must not depend on it.
    std::sort(candidates_.begin(), candidates_.end(), Likelier);
  } else {
    Exponentials(logits, max, scale, exponentials_);
    candidates_.clear();
    for (std::size_t i = 0; i < logits.size(); ++i) {
      if (logits[i] > kForbidden) candidates_.push_back({logits[i], static_cast<TokenId>(i), exponentials_[i]});
    }
    if (options.top_k > 0) std::sort(candidates_.begin(), candidates_.end(), Likelier);
  }
  Normalize();
}

// In any order.
void Sampler::KeepLikeliest(std::span<const float> logits, std::size_t count) {
  candidates_.clear();
  std::size_t i = 0;
  for (; i < logits.size() && candidates_.size() < count; ++i) {
    if (logits[i] > kForbidden) candidates_.push_back({logits[i], static_cast<TokenId>(i), 0});
  }
  // The least likely is on top of the heap. Of equals the lower id is likelier, and came first.
  std::make_heap(candidates_.begin(), candidates_.end(), Likelier);
  for (; i < logits.size(); ++i) {
    if (logits[i] <= candidates_.front().logit) continue;
    std::pop_heap(candidates_.begin(), candidates_.end(), Likelier);
    candidates_.back() = {logits[i], static_cast<TokenId>(i), 0};
    std::push_heap(candidates_.begin(), candidates_.end(), Likelier);
  }
}

// Those whose surprise -log p is nearest to the entropy, until they hold the mass.
void Sampler::KeepTypical(float mass) {
  double entropy = 0;
  for (const Candidate& c : candidates_) {
    if (c.probability > 0) entropy -= c.probability * std::log(c.probability);
  }
  typicality_.clear();
  for (const Candidate& c : candidates_) {
    typicality_.push_back(c.probability > 0 ? std::fabs(-std::log(c.probability) - entropy)
                                            : std::numeric_limits<double>::infinity());
  }
  const auto order = std::span(order_).first(candidates_.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [this](std::uint32_t a, std::uint32_t b) {
    if (typicality_[a] != typicality_[b]) return typicality_[a] < typicality_[b];
    return Likelier(candidates_[a], candidates_[b]);
  });
  double sum = 0;
  std::size_t kept = 0;
  while (kept < order.size() && sum < mass) sum += candidates_[order[kept++]].probability;
  // Marked, then taken out in place.
  for (std::size_t i = kept; i < order.size(); ++i) candidates_[order[i]].probability = -1;
  std::erase_if(candidates_, [](const Candidate& c) { return c.probability < 0; });
  Normalize();
}

// A heap gives the likeliest one by one: the tail of a large vocabulary is never sorted.
void Sampler::KeepTop(float mass) {
  const auto less = [](const Candidate& a, const Candidate& b) { return Likelier(b, a); };
  std::make_heap(candidates_.begin(), candidates_.end(), less);
  auto end = candidates_.end();
  double sum = 0;
  while (end != candidates_.begin() && sum < mass) {
    std::pop_heap(candidates_.begin(), end, less);
    --end;
    sum += end->probability;
  }
  candidates_.erase(candidates_.begin(), end);
  std::reverse(candidates_.begin(), candidates_.end());
  Normalize();
}

void Sampler::KeepAbove(float fraction) {
  double max = 0;
  for (const Candidate& c : candidates_) max = std::max(max, c.probability);
  std::erase_if(candidates_, [&](const Candidate& c) { return c.probability < fraction * max; });
  Normalize();
}

base::Result<std::span<const Candidate>> Sampler::Distribution(const SamplingOptions& options,
                                                               const SampleInput& input) {
  std::span<const float> logits;
  LOQUAT_TRY(Prepare(options, input, logits));
  FillCandidates(logits, options);
  if (!options.greedy()) {
    if (options.typical_p < 1) KeepTypical(options.typical_p);
    if (options.top_p < 1) KeepTop(options.top_p);
    if (options.min_p > 0) KeepAbove(options.min_p);
  }
  return std::span<const Candidate>(candidates_);
}

base::Result<TokenId> Sampler::Sample(const SamplingOptions& options, const SampleInput& input) {
  if (options.greedy()) {
    std::span<const float> logits;
    LOQUAT_TRY(Prepare(options, input, logits));
    return static_cast<TokenId>(ArgMax(logits));
  }
  LOQUAT_ASSIGN(const std::span<const Candidate> candidates, Distribution(options, input));
  // The inverse of the cumulative distribution, in the order of the candidates.
  const double drawn = UniformAt(input.seed, input.choice, input.history.size() - input.prompt_tokens);
  double sum = 0;
  for (const Candidate& candidate : candidates) {
    sum += candidate.probability;
    if (drawn < sum) return candidate.token;
  }
  // Rounding left the sum a little below one: the last that has any probability.
  const auto last = std::find_if(candidates.rbegin(), candidates.rend(),
                                 [](const Candidate& candidate) { return candidate.probability > 0; });
  return last->token;
}

void Sampler::Logprobs(std::span<const float> logits, TokenId token, std::uint32_t top,
                       std::vector<TokenLogprob>& out) {
  const float max = ScanLogits(logits).greatest;
  Exponentials(logits, max, 1, exponentials_);
  const double total = max + std::log(std::accumulate(exponentials_.begin(), exponentials_.end(), 0.0));
  const auto add = [&](std::size_t id) {
    out.push_back({static_cast<TokenId>(id), static_cast<float>(static_cast<double>(logits[id]) - total)});
  };
  add(static_cast<std::size_t>(token));
  if (top == 0) return;
  const std::size_t count = std::min<std::size_t>(top, logits.size());
  std::iota(order_.begin(), order_.end(), 0U);
  std::partial_sort(
      order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(count), order_.end(),
      [&](std::uint32_t a, std::uint32_t b) { return logits[a] > logits[b] || (logits[a] == logits[b] && a < b); });
  for (std::size_t i = 0; i < count; ++i) add(order_[i]);
}

}  // namespace loquat::engine
