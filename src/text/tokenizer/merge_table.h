// Byte pair encoding by ranks (Sennrich, Haddow, Birch, "Neural machine translation of rare words with subword units",
// ACL 2016): which two tokens merge into which, and merging a word until no pair is left.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/hash.h"
#include "text/tokenizer/tokenizer_spec.h"

namespace loquat::text {

// Immutable once filled; safe from any thread.
class MergeTable {
 public:
  static constexpr std::uint32_t kNoRank = ~std::uint32_t{0};
  struct Merge {
    std::uint32_t rank = kNoRank;  // Lower merges first.
    TokenId id = -1;
  };

  MergeTable() : MergeTable(0) {}
  // For up to `count` pairs.
  explicit MergeTable(std::size_t count) {
    std::size_t slots = 16;
    while (slots < 2 * count) slots *= 2;
    slots_.resize(slots);
    mask_ = slots - 1;
  }

  // Of equal pairs the first stays. REQUIRES: ids >= 0.
  void Add(TokenId left, TokenId right, Merge merge) {
    Slot& slot = slots_[Locate(left, right)];
    if (slot.left < 0) slot = {left, right, merge};
  }
  Merge Find(TokenId left, TokenId right) const { return slots_[Locate(left, right)].merge; }

 private:
  struct Slot {
    TokenId left = -1, right = -1;
    Merge merge;
  };

  // Where the pair stands, or an empty slot.
  std::size_t Locate(TokenId left, TokenId right) const {
    const std::uint64_t key =
        static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
    std::size_t at = base::HashMix(key) & mask_;
    while (slots_[at].left >= 0 && (slots_[at].left != left || slots_[at].right != right)) at = (at + 1) & mask_;
    return at;
  }

  std::vector<Slot> slots_;
  std::size_t mask_ = 0;
};

// Reusable memory of MergeByRank. One thread at a time.
struct MergeScratch {
  struct Node {
    TokenId id = -1;  // -1: merged into the one before it.
    std::int32_t previous = -1, next = -1;
  };
  struct Candidate {
    std::uint32_t rank = 0;
    std::int32_t at = 0;
    TokenId left = -1, right = -1, merged = -1;
  };
  std::vector<TokenId> ids;  // In: the smallest tokens of a word. Out: its tokens.
  std::vector<MergeTable::Merge> pairs;
  std::vector<Node> nodes;
  std::vector<Candidate> heap;
};

// Merges scratch.ids: always the pair of lowest rank, of equals the leftmost. Time n log n at most.
// REQUIRES: fewer than 2^31 ids; a negative id merges with nothing.
void MergeByRank(const MergeTable& table, MergeScratch& scratch);

}  // namespace loquat::text
