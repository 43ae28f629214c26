#include "engine/cost_model.h"

#include <algorithm>
#include <cmath>

namespace loquat::engine {

void CostModel::Line::Add(double tokens, double seconds) {
  const double weight = empty ? 1 : kLineWeight;
  empty = false;
  n += weight * (tokens - n);
  t += weight * (seconds - t);
  nn += weight * (tokens * tokens - nn);
  nt += weight * (tokens * seconds - nt);
  // Steps that differ by less than half a token in the mean say nothing about a token.
  constexpr double kVarianceMin = 0.25;
  const double variance = nn - n * n;
  if (variance > kVarianceMin) {
    // Noise gives slopes that cannot be: no token saves time, and together they take no more than there is.
    each = std::clamp((nt - n * t) / variance, 0.0, t / n);
  } else if (const double most = kFirstTokenShare * t / n; each > most) {
    // One slow step must not be believed for ever: where tokens seem dear no drafts come to show that they are not.
    *each += kLineWeight * (most - *each);
  }
}

double CostModel::DecodeToken() const {
  const double most = kFirstTokenShare * line_.t / line_.n;
  return line_.each.value_or(std::min(prefill_token_.value_or(most), most));
}

void CostModel::OnStep(std::uint32_t prefilled, std::uint32_t decoded, base::Duration took, std::uint32_t drafted) {
  const double seconds = std::max(0.0, std::chrono::duration<double>(took).count());
  if (decoded > 0) Blend(decode_step_, seconds);
  if (prefilled == 0) {
    if (decoded == 0) return;
    line_.Add(decoded + drafted, seconds);
    // At least what an even share of the tokens would leave, however wrong the estimate is.
    const double least = seconds * decoded / (decoded + drafted);
    Blend(pure_decode_step_, std::max(seconds - drafted * DecodeToken(), least));
    return;
  }
  // What decoding alone would have taken is not the prompts' doing; some of it always is.
  const double drafts = drafted > 0 && !line_.empty ? drafted * DecodeToken() : 0;
  const double decoding = decoded > 0 ? pure_decode_step_.value_or(0) + drafts : 0;
  constexpr double kPromptShareMin = 0.1;
  Blend(prefill_token_, std::max(seconds - decoding, kPromptShareMin * seconds) / prefilled);
}

void CostModel::OnAccepted(std::uint32_t decoded, std::uint32_t accepted) {
  if (decoded > 0) Blend(step_tokens_, 1 + static_cast<double>(accepted) / decoded);
}

std::optional<double> CostModel::decode_step() const {
  if (!decode_step_.has_value()) return std::nullopt;
  return *decode_step_ / step_tokens_.value_or(1);
}

std::optional<double> CostModel::TokenShare(std::uint32_t sequences) const {
  if (line_.empty) return std::nullopt;
  const double tokens = DecodeToken() * sequences;
  const double step = line_.t + DecodeToken() * (sequences - line_.n);
  // A step of no time at all, as on a clock that stands, costs nothing.
  return step > 0 ? std::clamp(tokens / step, 0.0, 1.0) : 0;
}

void CostModel::OnPrompt(std::uint32_t tokens, std::uint32_t cached) {
  if (tokens > 0) Blend(fresh_share_, 1.0 - static_cast<double>(std::min(cached, tokens)) / tokens);
}

void CostModel::OnAnswer(std::uint32_t tokens) {
  Blend(answer_tokens_, tokens);
}

std::uint32_t CostModel::ChunkWithin(base::Duration stall, std::uint32_t most) const {
  if (!prefill_token_.has_value() || *prefill_token_ <= 0) return most;
  const double left = std::chrono::duration<double>(stall).count() - pure_decode_step_.value_or(0);
  const double tokens = std::max(0.0, left / *prefill_token_);
  const std::uint32_t least = std::min(kChunkTokensMin, most);
  return tokens >= most ? most : std::max(least, static_cast<std::uint32_t>(tokens));
}

}  // namespace loquat::engine
