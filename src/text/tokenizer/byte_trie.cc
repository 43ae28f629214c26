#include "text/tokenizer/byte_trie.h"

#include <algorithm>
#include <array>
#include <bit>
#include <tuple>
#include <utility>

#include "base/check.h"

namespace loquat::text {
namespace {

// After so many places that do not fit, what lies before is nearly full for as many children: later searches for them
// begin where this one ends. What they leave free, nodes of one child fill.
constexpr std::size_t kPlacesBeforeMovingOn = 256;

}  // namespace

class ByteTrieBuilder {
 public:
  explicit ByteTrieBuilder(std::vector<ByteTrie::Entry> entries) : entries_(std::move(entries)) {}

  ByteTrie Build() {
    std::ranges::sort(entries_,
                      [](const auto& a, const auto& b) { return std::tie(a.key, a.value) < std::tie(b.key, b.value); });
    const auto same = [](const auto& a, const auto& b) { return a.key == b.key; };
    entries_.erase(std::unique(entries_.begin(), entries_.end(), same), entries_.end());
    Reserve(kFanOut);
    used_[ByteTrie::kRoot] = true;
    std::vector<Work> stack;
    if (!entries_.empty()) stack.push_back({ByteTrie::kRoot, 0, entries_.size(), 0});
    while (!stack.empty()) {
      const Work work = stack.back();
      stack.pop_back();
      Place(work, stack);
    }
    trie_.empty_ = entries_.empty();
    nodes_.resize(last_base_ + kFanOut + 1);
    nodes_.shrink_to_fit();
    trie_.nodes_ = Table<ByteTrie::Node>(std::move(nodes_));
    return std::move(trie_);
  }

 private:
  static constexpr std::size_t kFanOut = ByteTrie::kFanOut;

  // The entries [begin, end) share `depth` bytes, which lead to `node`.
  struct Work {
    std::uint32_t node;
    std::size_t begin, end, depth;
  };
  struct Child {
    unsigned char byte;
    std::size_t begin, end;
  };

  void Reserve(std::size_t size) {
    if (size <= used_.size()) return;
    const std::size_t grown = std::max(size, used_.size() * 3 / 2);
    used_.resize(grown);
    nodes_.resize(grown);
  }

  void Place(const Work& work, std::vector<Work>& stack) {
    std::size_t begin = work.begin;
    if (entries_[begin].key.size() == work.depth) nodes_[work.node].value = entries_[begin++].value;
    children_.clear();
    for (std::size_t i = begin; i < work.end; ++i) {
      const auto byte = static_cast<unsigned char>(entries_[i].key[work.depth]);
      if (children_.empty() || children_.back().byte != byte) children_.push_back({byte, i, i});
      children_.back().end = i + 1;
    }
    if (children_.empty()) return;  // base 0 is the root's neighbourhood: a leaf's children are nobody's.
    const std::uint32_t base = FindBase();
    last_base_ = std::max(last_base_, base);
    nodes_[work.node].base = base;
    for (const Child& child : children_) {
      const std::uint32_t node = base + child.byte + 1;
      used_[node] = true;
      nodes_[node].parent = work.node;
      stack.push_back({node, child.begin, child.end, work.depth + 1});
    }
  }

  // A base where all children find a free place.
  std::uint32_t FindBase() {
    const std::uint32_t first_byte = children_.front().byte + 1U;
    std::size_t& start = starts_[std::bit_width(children_.size() - 1)];
    while (start < used_.size() && used_[start]) ++start;
    const std::size_t begin = std::max<std::size_t>(start, first_byte);
    for (std::size_t place = begin;; ++place) {
      Reserve(place + 2 * kFanOut);
      if (used_[place]) continue;
      const std::size_t base = place - first_byte;
      const bool fits = std::ranges::all_of(children_, [&](const Child& c) { return !used_[base + c.byte + 1]; });
      if (fits) {
        LOQUAT_CHECK(base < ByteTrie::kNoNode - kFanOut, "fewer than 2^30 bytes of keys fit 32-bit nodes");
        if (place - begin > kPlacesBeforeMovingOn) start = place;
        return static_cast<std::uint32_t>(base);
      }
    }
  }

  std::vector<ByteTrie::Entry> entries_;
  ByteTrie trie_;
  std::vector<ByteTrie::Node> nodes_ = std::vector<ByteTrie::Node>(kFanOut);
  std::vector<bool> used_;
  std::vector<Child> children_;
  std::array<std::size_t, 9> starts_ = {1, 1, 1, 1, 1, 1, 1, 1, 1};  // Of the search for 1, 2, 3-4, 5-8, … 256 places.
  std::uint32_t last_base_ = 0;
};

ByteTrie ByteTrie::Build(std::vector<Entry> entries) {
  return ByteTrieBuilder(std::move(entries)).Build();
}

std::int32_t ByteTrie::Find(std::string_view key) const {
  std::uint32_t node = kRoot;
  for (const char byte : key) {
    node = Next(node, byte);
    if (node == kNoNode) return kNone;
  }
  return Value(node);
}

ByteTrie::Match ByteTrie::Longest(std::string_view text) const {
  Match match;
  std::uint32_t node = kRoot;
  for (std::size_t i = 0; i < text.size(); ++i) {
    node = Next(node, text[i]);
    if (node == kNoNode) break;
    if (const std::int32_t value = Value(node); value != kNone) match = {i + 1, value};
  }
  return match;
}

}  // namespace loquat::text
