// Finds pages of keys and values that were computed before for the same tokens, so that sequences with a common prefix
// share them, live or past. A tree: a node is one page of tokens, its path from the root the whole text before it, for
// keys and values depend on all of that. Leaves may be part filled. Bounded by the pages of the pool, for each node
// holds one. One thread at a time; the pool outlives it.
//
// Zheng et al., "SGLang: efficient execution of structured language model programs", NeurIPS 2024, section 3
// (RadixAttention), at the grain of pages.

#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/kv_pages.h"
#include "engine/sampling_options.h"
#include "model/decoder.h"

namespace loquat::engine {

inline constexpr std::uint32_t kPageTokens = model::kKvPageTokens;
// Siblings that are compared token by token when no whole page matches: the latest ones.
inline constexpr std::uint32_t kSiblingsComparedMax = 32;
// Sessions whose pages are let go last.
inline constexpr std::size_t kKeptSessionsMax = 1024;

class PrefixIndex {
 public:
  using NodeId = std::uint32_t;
  static constexpr NodeId kRoot = 0;

  explicit PrefixIndex(KvPages& pages);
  ~PrefixIndex();
  PrefixIndex(const PrefixIndex&) = delete;
  PrefixIndex& operator=(const PrefixIndex&) = delete;

  struct Found {
    NodeId node = kRoot;       // Of the last whole page.
    std::uint32_t tokens = 0;  // Found in all, those of a part of the last page included.
  };
  // Goes down from `from` as far as `tokens` lead and appends the pages, held for the caller. Where the last one is
  // used in part (tokens is no multiple of kPageTokens) the caller copies it before writing.
  Found Find(NodeId from, std::span<const TokenId> tokens, std::vector<PageId>& pages);

  // Adds `page`, which holds the keys and values of `run` after the path of `parent`. Where the same is there already,
  // `page` is exchanged for it: the caller's hold moves along. Gives the node of the run.
  // REQUIRES: run of 1 to kPageTokens tokens; the caller holds the parent's page, or the parent is the root.
  NodeId Insert(NodeId parent, std::span<const TokenId> run, PageId& page);

  // Marks the path to `node` as just used, and as this session's (empty: nobody's).
  void Touch(NodeId node, std::string_view session);

  // Frees one page that only this index holds: the longest unused leaf, those of kept sessions last. False: none left.
  bool Evict();

  std::uint32_t size() const { return count_; }  // Nodes, the root not counted.

 private:
  static constexpr NodeId kNone = UINT32_MAX;
  struct Node {
    NodeId parent = kNone, first_child = kNone, previous_sibling = kNone, next_sibling = kNone;
    NodeId newer = kNone, older = kNone;  // In order of last use; a parent is always newer than its children.
    NodeId next_in_bucket = kNone;
    PageId page = 0;
    std::uint32_t length = 0;
    std::uint32_t sessions = 0;  // Kept sessions whose path it is on.
    std::array<TokenId, kPageTokens> tokens{};
  };

  NodeId FindWhole(NodeId parent, std::span<const TokenId> run) const;
  NodeId FindLongestShared(NodeId parent, std::span<const TokenId> run, std::uint32_t& shared) const;
  std::uint32_t BucketOf(NodeId parent, std::span<const TokenId> run) const;
  NodeId Add(NodeId parent, std::span<const TokenId> run, PageId page);
  void Remove(NodeId node);
  void Unlink(NodeId node);  // From the order of last use.
  void LinkAfter(NodeId newer, NodeId node);
  bool EvictOne(bool of_sessions);
  void KeepSession(std::string_view session, NodeId node);
  void CountSession(NodeId node, int by);

  struct Session {
    NodeId node = kRoot;
    std::uint64_t used = 0;
  };

  KvPages& pages_;
  std::vector<Node> nodes_;      // [1 + pages]; nodes_[kRoot] is also the newest end of the order of use.
  std::vector<NodeId> unused_;   // Nodes that hold nothing.
  std::vector<NodeId> buckets_;  // Whole pages by the hash of parent and run.
  NodeId oldest_ = kRoot;
  std::uint32_t count_ = 0;
  std::map<std::string, Session, std::less<>> sessions_;
  std::uint64_t uses_ = 0;
};

}  // namespace loquat::engine
