// A set of byte strings, each with a number: a double array (Aoe, "An efficient digital search algorithm by using a
// double-array structure", IEEE TSE 15(9), 1989). One step of a walk is one memory access.
// Immutable after Build; safe from any thread.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/tokenizer/table.h"

namespace loquat::text {

class ByteTrie {
 public:
  struct Entry {
    std::string_view key;  // Not empty; may hold any bytes.
    std::int32_t value = 0;
  };
  static constexpr std::int32_t kNone = -1;
  static constexpr std::uint32_t kRoot = 0;
  static constexpr std::uint32_t kNoNode = ~std::uint32_t{0};

  // Of equal keys the one of the lowest value counts. REQUIRES: values >= 0; all keys together have less than 2^30
  // bytes.
  static ByteTrie Build(std::vector<Entry> entries);

  // The node one byte further, or kNoNode.
  std::uint32_t Next(std::uint32_t node, char byte) const {
    const std::uint32_t next = nodes_[node].base + static_cast<unsigned char>(byte) + 1;
    return nodes_[next].parent == node ? next : kNoNode;
  }
  // The number of the key that ends at the node, or kNone.
  std::int32_t Value(std::uint32_t node) const { return nodes_[node].value; }

  std::int32_t Find(std::string_view key) const;

  struct Match {
    std::size_t length = 0;  // 0: no key begins here.
    std::int32_t value = kNone;
  };
  // The longest key that `text` begins with.
  Match Longest(std::string_view text) const;

  bool empty() const { return empty_; }

  // Its binary form; the trie that is read is a view of the bytes.
  static constexpr std::size_t kNodesMax = std::size_t{1} << 30;
  template <typename Flat, typename Trie>
  static void Fields(Flat& flat, Trie& trie) {
    flat.Flag(trie.empty_);
    TableField(flat, trie.nodes_, kNodesMax);
  }
  // That no walk leaves the nodes, and that values are below `count`: asked of what was read.
  bool Sound(std::size_t count) const {
    const auto inside = [&](const Node& node) {
      return node.base < nodes_.size() && nodes_.size() - node.base >= kFanOut && node.value >= kNone &&
             node.value < static_cast<std::int64_t>(count);
    };
    return !nodes_.empty() && std::ranges::all_of(nodes_.view(), inside);
  }
  std::size_t bytes() const { return nodes_.size() * sizeof(Node); }

 private:
  friend class ByteTrieBuilder;
  struct Node {
    std::uint32_t base = 0;  // Children stand at base + 1 + byte.
    std::uint32_t parent = kNoNode;
    std::int32_t value = kNone;
  };

  static constexpr std::size_t kFanOut = 257;  // What is at base, and its children.

  // Has kFanOut nodes past the last base, so that Next needs no check of bounds.
  Table<Node> nodes_ = Table<Node>(std::vector<Node>(kFanOut));
  bool empty_ = true;
};

}  // namespace loquat::text
