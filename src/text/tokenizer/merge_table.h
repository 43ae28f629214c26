// Byte pair encoding by ranks (Sennrich, Haddow, Birch, "Neural machine translation of rare words with subword units",
// ACL 2016): which two tokens merge into which, and merging a word until no pair is left.

#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/hash.h"
#include "text/tokenizer/table.h"
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
    slots_.Resize(slots);
  }

  // Of equal pairs the first stays. REQUIRES: ids >= 0.
  void Add(TokenId left, TokenId right, Merge merge) {
    Slot& slot = slots_.At(Locate(left, right));
    if (slot.left < 0) slot = {left, right, merge};
  }
  Merge Find(TokenId left, TokenId right) const { return slots_[Locate(left, right)].merge; }

  // Its binary form; the table that is read is a view of the bytes.
  template <typename Flat, typename Merges>
  static void Fields(Flat& flat, Merges& merges, std::size_t count_max) {
    TableField(flat, merges.slots_, 4 * count_max + 16);
  }
  // That every search ends and gives ids below `count`: asked of what was read.
  bool Sound(std::size_t count) const {
    const auto inside = [count](const Slot& slot) {
      const auto limit = static_cast<TokenId>(count);
      if (slot.left < 0) return slot.merge.rank == kNoRank;
      return slot.left < limit && slot.merge.id >= 0 && slot.merge.id < limit;
    };
    const auto empty = [](const Slot& slot) { return slot.left < 0; };
    return std::has_single_bit(slots_.size()) && std::ranges::all_of(slots_.view(), inside) &&
           std::ranges::any_of(slots_.view(), empty);
  }

 private:
  struct Slot {
    TokenId left = -1, right = -1;
    Merge merge;
  };

  // Where the pair stands, or an empty slot.
  std::size_t Locate(TokenId left, TokenId right) const {
    const std::uint64_t key =
        static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
    std::size_t at = base::HashMix(key) & mask();
    while (slots_[at].left >= 0 && (slots_[at].left != left || slots_[at].right != right)) at = (at + 1) & mask();
    return at;
  }

  // There are a power of two of them.
  std::size_t mask() const { return slots_.size() - 1; }

  Table<Slot> slots_;
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
