#include "engine/drafter.h"

#include <algorithm>

namespace loquat::engine {

std::uint32_t Drafter::LengthWorth(double chance, double token_share, std::uint32_t most) {
  const double threshold = std::max(token_share * kMargin, kChanceMin);
  std::uint32_t length = 0;
  // The chance of a token is that of all before it and its own.
  for (double reached = chance; length < most && reached > threshold; reached *= chance) ++length;
  if (length > 0) {
    unprobed_ = 0;
    return length;
  }
  if (token_share > kProbeShareMax || ++unprobed_ < kProbeEvery) return 0;
  unprobed_ = 0;
  return 1;
}

void Drafter::Draft(std::span<const TokenId> text, std::uint32_t most, double token_share,
                    std::vector<TokenId>& draft) {
  // Where no chance could pay, not even the index is worth its time.
  if (most == 0 || token_share * kMargin >= 1 || !index_.TakeIn(text)) return;
  const NgramIndex::Found found = index_.Find(text);
  if (found.length == 0) return;
  run_ = found.length - NgramIndex::kLengthMin;
  const std::uint32_t length = LengthWorth(chance_[run_], token_share, most);
  const std::size_t first = draft.size();
  for (std::size_t i = 0; i < length; ++i) {
    const std::size_t at = found.next + i;
    // A text that repeats a short run goes on into its own guess.
    draft.push_back(at < text.size() ? text[at] : draft[first + at - text.size()]);
  }
}

void Drafter::OnVerified(std::uint32_t verified, std::uint32_t accepted) {
  double& chance = chance_[run_];
  for (std::uint32_t i = 0; i < verified; ++i) chance += kWeight * ((i < accepted ? 1.0 : 0.0) - chance);
}

}  // namespace loquat::engine
