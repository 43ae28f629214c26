#include "engine/cost_model.h"

#include <algorithm>
#include <cmath>

namespace loquat::engine {

void CostModel::OnStep(std::uint32_t prefilled, std::uint32_t decoded, base::Duration took) {
  const double seconds = std::max(0.0, std::chrono::duration<double>(took).count());
  if (decoded > 0) Blend(decode_step_, seconds);
  if (prefilled == 0) {
    if (decoded > 0) Blend(pure_decode_step_, seconds);
    return;
  }
  // What decoding alone would have taken is not the prompts' doing; some of it always is.
  const double decoding = decoded > 0 ? pure_decode_step_.value_or(0) : 0;
  constexpr double kPromptShareMin = 0.1;
  Blend(prefill_token_, std::max(seconds - decoding, kPromptShareMin * seconds) / prefilled);
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
