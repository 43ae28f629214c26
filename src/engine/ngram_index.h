// Where a text was before at the words that it ends with: the latest earlier occurrence of its last few tokens. Each
// token costs a constant few steps, however long the text and whatever its tokens; nothing is looked through.
// Owns its memory, which is taken at once and bounded; one thread at a time.
//
// A table of positions by the hash of the run that ends there, one place a hash and the last writer's: what collides is
// forgotten, never confused, for a run that is found is compared. Ziv and Lempel, "A universal algorithm for sequential
// data compression", IEEE Trans. Information Theory 23(3), 1977, predict so; Saxena, "Prompt lookup decoding", 2023,
// does it for drafts.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/sampling_options.h"

namespace loquat::engine {

class NgramIndex {
 public:
  // Lengths of the runs.
  static constexpr std::uint32_t kLengthMin = 2;
  static constexpr std::uint32_t kLengthMax = 4;
  static constexpr std::uint32_t kPlacesMax = 1u << 17;  // 512 KiB.
  // So many tokens are taken in at once: some tens of microseconds.
  static constexpr std::uint32_t kTakenInMax = 4096;

  // For a text of at most so many tokens; a longer one, or one with more than kPlacesMax runs, forgets more.
  explicit NgramIndex(std::uint32_t tokens_max);

  // Takes in the next kTakenInMax tokens at most. True: all but the last one are in, and Find may be asked.
  // REQUIRES: `text` begins with that of the last call, and is not empty.
  bool TakeIn(std::span<const TokenId> text);

  struct Found {
    std::uint32_t length = 0;  // Of the run; zero: none occurs earlier.
    std::uint32_t next = 0;    // Position of the token that followed it there.
  };
  // The longest run that `text` ends with and that occurs earlier, where it does so for the last time.
  // REQUIRES: TakeIn(text) gave true.
  Found Find(std::span<const TokenId> text) const;

 private:
  std::size_t PlaceOf(std::uint64_t hash) const { return hash >> shift_; }

  std::vector<std::uint32_t> places_;  // [hash]: position after the run, a power of two of them. Zero: none.
  std::uint32_t shift_;
  std::uint32_t taken_in_ = 0;  // Tokens.
};

}  // namespace loquat::engine
