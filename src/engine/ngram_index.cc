#include "engine/ngram_index.h"

#include <algorithm>
#include <bit>

#include "base/check.h"
#include "base/hash.h"

namespace loquat::engine {
namespace {

constexpr std::uint32_t kLengths = NgramIndex::kLengthMax - NgramIndex::kLengthMin + 1;
constexpr std::uint32_t kPlacesMin = 64;

// The hash of each run that ends where `text` does, by its length, as far as the text has them.
template <typename Visit>
void ForEachRun(std::span<const TokenId> text, Visit visit) {
  const auto longest = static_cast<std::uint32_t>(std::min<std::size_t>(text.size(), NgramIndex::kLengthMax));
  std::uint64_t hash = 0;
  for (std::uint32_t length = 1; length <= longest; ++length) {
    hash = base::HashCombine(hash, static_cast<std::uint64_t>(text[text.size() - length]));
    if (length >= NgramIndex::kLengthMin) visit(length, hash);
  }
}

}  // namespace

// Twice as many places as runs: of the oldest two fifths are forgotten, of the others fewer.
NgramIndex::NgramIndex(std::uint32_t tokens_max) {
  const std::uint64_t wanted = std::uint64_t{tokens_max} * kLengths * 2;
  const auto places =
      static_cast<std::uint32_t>(std::bit_ceil(std::clamp<std::uint64_t>(wanted, kPlacesMin, kPlacesMax)));
  places_.resize(places);
  shift_ = 64U - static_cast<std::uint32_t>(std::bit_width(places - 1));
}

bool NgramIndex::TakeIn(std::span<const TokenId> text) {
  LOQUAT_CHECK(!text.empty() && text.size() > taken_in_, "a text goes on");
  // What follows the last token is not known: the runs that it ends are of no use yet.
  const std::size_t known = text.size() - 1;
  const std::size_t end = std::min<std::size_t>(known, taken_in_ + kTakenInMax);
  while (taken_in_ < end) {
    ++taken_in_;
    ForEachRun(text.first(taken_in_),
               [this](std::uint32_t, std::uint64_t hash) { places_[PlaceOf(hash)] = taken_in_; });
  }
  return end == known;
}

NgramIndex::Found NgramIndex::Find(std::span<const TokenId> text) const {
  Found found;
  ForEachRun(text, [&](std::uint32_t length, std::uint64_t hash) {
    const std::uint32_t next = places_[PlaceOf(hash)];
    if (next < length) return;
    const std::span<const TokenId> there = text.subspan(next - length, length);
    if (std::ranges::equal(there, text.last(length))) found = {.length = length, .next = next};
  });
  return found;
}

}  // namespace loquat::engine
