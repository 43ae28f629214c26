// The strings of a vocabulary by id, in one block of memory, and the way back from a string to its id.
// Immutable once filled; safe from any thread.

#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/hash.h"
#include "text/tokenizer/table.h"
#include "text/tokenizer/tokenizer_spec.h"

namespace loquat::text {

class StringPool {
 public:
  static constexpr std::size_t kBytesMax = std::size_t{1} << 31;

  // REQUIRES: all strings together have less than 2^32 bytes.
  void Add(std::string_view text) {
    bytes_.Append(text);
    ends_.Add(static_cast<std::uint32_t>(bytes_.size()));
  }
  void Reserve(std::size_t count, std::size_t bytes) {
    ends_.Reserve(count);
    bytes_.Reserve(bytes);
  }
  std::size_t size() const { return ends_.size(); }
  std::size_t bytes() const { return bytes_.size(); }

  // REQUIRES: 0 <= id < size().
  std::string_view operator[](TokenId id) const {
    const auto i = static_cast<std::size_t>(id);
    const std::uint32_t begin = i == 0 ? 0 : ends_[i - 1];
    return {bytes_.view().data() + begin, ends_[i] - begin};
  }

  // Its binary form; the pool that is read is a view of the bytes.
  template <typename Flat, typename Pool>
  static void Fields(Flat& flat, Pool& pool, std::size_t count_max) {
    TableField(flat, pool.ends_, count_max);
    TableField(flat, pool.bytes_, kBytesMax);
  }
  // That every string lies within the bytes: asked of what was read.
  bool Sound() const {
    return std::ranges::is_sorted(ends_.view()) && (ends_.empty() ? 0 : ends_.back()) == bytes_.size();
  }

 private:
  Table<char> bytes_;
  Table<std::uint32_t> ends_;  // [id] -> one past its last byte.
};

// Open addressing over the ids of a pool. The pool outlives the index.
class TokenIndex {
 public:
  static constexpr TokenId kNone = -1;

  TokenIndex() = default;
  // For up to `count` ids.
  explicit TokenIndex(std::size_t count) {
    std::size_t slots = 16;
    while (slots < 2 * count) slots *= 2;
    slots_.Resize(slots);
  }

  // Of equal strings the first stays.
  void Add(const StringPool& pool, TokenId id) {
    const std::string_view text = pool[id];
    const std::uint64_t hash = base::Hash64(text);
    std::size_t at = hash & mask();
    for (; slots_[at].id != kNone; at = (at + 1) & mask()) {
      if (slots_[at].tag == Tag(hash) && pool[slots_[at].id] == text) return;
    }
    slots_.At(at) = {id, Tag(hash)};
    if (text.size() > longest_) longest_ = text.size();
  }

  TokenId Find(const StringPool& pool, std::string_view text) const {
    if (slots_.empty() || text.size() > longest_) return kNone;
    const std::uint64_t hash = base::Hash64(text);
    for (std::size_t at = hash & mask(); slots_[at].id != kNone; at = (at + 1) & mask()) {
      if (slots_[at].tag == Tag(hash) && pool[slots_[at].id] == text) return slots_[at].id;
    }
    return kNone;
  }

  std::size_t longest() const { return longest_; }

  // Its binary form; the index that is read is a view of the bytes.
  template <typename Flat, typename Index>
  static void Fields(Flat& flat, Index& index, std::size_t count_max) {
    flat.Number(index.longest_);
    TableField(flat, index.slots_, 4 * count_max + 16);
  }
  // That every search ends and finds ids below `count`: asked of what was read.
  bool Sound(std::size_t count) const {
    const auto inside = [count](const Slot& slot) { return slot.id >= kNone && slot.id < static_cast<TokenId>(count); };
    return std::has_single_bit(slots_.size()) && std::ranges::all_of(slots_.view(), inside) &&
           std::ranges::any_of(slots_.view(), [](const Slot& slot) { return slot.id == kNone; });
  }

 private:
  struct Slot {
    TokenId id = kNone;
    std::uint32_t tag = 0;
  };
  static std::uint32_t Tag(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32); }

  // There are a power of two of them.
  std::size_t mask() const { return slots_.size() - 1; }

  Table<Slot> slots_;
  std::uint64_t longest_ = 0;
};

}  // namespace loquat::text
