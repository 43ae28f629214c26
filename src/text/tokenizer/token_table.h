// The strings of a vocabulary by id, in one block of memory, and the way back from a string to its id.
// Immutable once filled; safe from any thread.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "text/tokenizer/tokenizer_spec.h"

namespace loquat::text {

class StringPool {
 public:
  // REQUIRES: all strings together have less than 2^32 bytes.
  void Add(std::string_view text) {
    bytes_.append(text);
    ends_.push_back(static_cast<std::uint32_t>(bytes_.size()));
  }
  void Reserve(std::size_t count, std::size_t bytes) {
    ends_.reserve(count);
    bytes_.reserve(bytes);
  }
  std::size_t size() const { return ends_.size(); }
  std::size_t bytes() const { return bytes_.size(); }

  // REQUIRES: 0 <= id < size().
  std::string_view operator[](TokenId id) const {
    const auto i = static_cast<std::size_t>(id);
    const std::uint32_t begin = i == 0 ? 0 : ends_[i - 1];
    return std::string_view(bytes_).substr(begin, ends_[i] - begin);
  }

 private:
  std::string bytes_;
  std::vector<std::uint32_t> ends_;  // [id] -> one past its last byte.
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
    slots_.assign(slots, {});
    mask_ = slots - 1;
  }

  // Of equal strings the first stays.
  void Add(const StringPool& pool, TokenId id) {
    const std::string_view text = pool[id];
    const std::uint64_t hash = base::Hash64(text);
    std::size_t at = hash & mask_;
    for (; slots_[at].id != kNone; at = (at + 1) & mask_) {
      if (slots_[at].tag == Tag(hash) && pool[slots_[at].id] == text) return;
    }
    slots_[at] = {id, Tag(hash)};
    if (text.size() > longest_) longest_ = text.size();
  }

  TokenId Find(const StringPool& pool, std::string_view text) const {
    if (slots_.empty() || text.size() > longest_) return kNone;
    const std::uint64_t hash = base::Hash64(text);
    for (std::size_t at = hash & mask_; slots_[at].id != kNone; at = (at + 1) & mask_) {
      if (slots_[at].tag == Tag(hash) && pool[slots_[at].id] == text) return slots_[at].id;
    }
    return kNone;
  }

  std::size_t longest() const { return longest_; }

 private:
  struct Slot {
    TokenId id = kNone;
    std::uint32_t tag = 0;
  };
  static std::uint32_t Tag(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32); }

  std::vector<Slot> slots_;
  std::size_t mask_ = 0;
  std::size_t longest_ = 0;
};

}  // namespace loquat::text
