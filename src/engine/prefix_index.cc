#include "engine/prefix_index.h"

#include <algorithm>
#include <bit>

#include "base/check.h"
#include "base/hash.h"

namespace loquat::engine {
namespace {

std::uint32_t CommonLength(std::span<const TokenId> a, std::span<const TokenId> b) {
  const std::size_t size = std::min(a.size(), b.size());
  const auto ends = std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(size), b.begin());
  return static_cast<std::uint32_t>(ends.first - a.begin());
}

}  // namespace

PrefixIndex::PrefixIndex(KvPages& pages)
    : pages_(pages), nodes_(std::size_t{pages.size()} + 1), buckets_(std::bit_ceil(std::size_t{pages.size()}), kNone) {
  unused_.reserve(pages.size());
  for (NodeId node = pages.size(); node > 0; --node) unused_.push_back(node);
}

PrefixIndex::~PrefixIndex() {
  while (oldest_ != kRoot) Remove(oldest_);
}

std::uint32_t PrefixIndex::BucketOf(NodeId parent, std::span<const TokenId> run) const {
  const std::uint64_t hash = base::Hash64(std::as_bytes(run), parent);
  return static_cast<std::uint32_t>(hash & (buckets_.size() - 1));
}

PrefixIndex::NodeId PrefixIndex::FindWhole(NodeId parent, std::span<const TokenId> run) const {
  NodeId node = buckets_[BucketOf(parent, run)];
  while (node != kNone && (nodes_[node].parent != parent || !std::ranges::equal(nodes_[node].tokens, run))) {
    node = nodes_[node].next_in_bucket;
  }
  return node;
}

PrefixIndex::NodeId PrefixIndex::FindLongestShared(NodeId parent, std::span<const TokenId> run,
                                                   std::uint32_t& shared) const {
  NodeId best = kNone;
  shared = 0;
  std::uint32_t compared = 0;
  for (NodeId child = nodes_[parent].first_child; child != kNone && compared < kSiblingsComparedMax;
       child = nodes_[child].next_sibling, ++compared) {
    const std::uint32_t common = CommonLength(std::span(nodes_[child].tokens).first(nodes_[child].length), run);
    if (common > shared) {
      shared = common;
      best = child;
    }
  }
  return best;
}

PrefixIndex::Found PrefixIndex::Find(NodeId from, std::span<const TokenId> tokens, std::vector<PageId>& pages) {
  Found found{.node = from, .tokens = 0};
  while (tokens.size() >= kPageTokens) {
    const NodeId next = FindWhole(found.node, tokens.first(kPageTokens));
    if (next == kNone) break;
    pages_.Hold(nodes_[next].page);
    pages.push_back(nodes_[next].page);
    found.node = next;
    found.tokens += kPageTokens;
    tokens = tokens.subspan(kPageTokens);
  }
  std::uint32_t shared = 0;
  const NodeId part = tokens.empty() ? kNone : FindLongestShared(found.node, tokens, shared);
  if (part != kNone) {
    pages_.Hold(nodes_[part].page);
    pages.push_back(nodes_[part].page);
    found.tokens += shared;
  }
  Touch(part != kNone ? part : found.node, {});
  return found;
}

PrefixIndex::NodeId PrefixIndex::Insert(NodeId parent, std::span<const TokenId> run, PageId& page) {
  LOQUAT_CHECK(!run.empty() && run.size() <= kPageTokens, "a node is one page");
  std::uint32_t shared = 0;
  NodeId same = run.size() == kPageTokens ? FindWhole(parent, run) : kNone;
  if (same == kNone) {
    const NodeId near = FindLongestShared(parent, run, shared);
    if (near != kNone && shared == run.size()) {
      same = near;  // All of the run is in that page already.
    } else if (near != kNone && shared == nodes_[near].length && nodes_[near].first_child == kNone &&
               pages_.holders(nodes_[near].page) == 1) {
      Remove(near);  // A shorter tail that this run goes on from.
    }
  }
  if (same == kNone) return Add(parent, run, page);
  if (nodes_[same].page != page) {
    pages_.Hold(nodes_[same].page);
    pages_.Drop(page);
    page = nodes_[same].page;
  }
  return same;
}

PrefixIndex::NodeId PrefixIndex::Add(NodeId parent, std::span<const TokenId> run, PageId page) {
  LOQUAT_CHECK(!unused_.empty(), "each node holds a page of its own, and there is a node for each");
  const NodeId id = unused_.back();
  unused_.pop_back();
  ++count_;
  Node& node = nodes_[id];
  node = Node{};
  node.parent = parent;
  node.page = page;
  node.length = static_cast<std::uint32_t>(run.size());
  std::copy(run.begin(), run.end(), node.tokens.begin());
  pages_.Hold(page);
  pages_.SetCached(page, true);

  Node& above = nodes_[parent];
  node.next_sibling = above.first_child;
  if (above.first_child != kNone) nodes_[above.first_child].previous_sibling = id;
  above.first_child = id;
  if (run.size() == kPageTokens) {
    NodeId& bucket = buckets_[BucketOf(parent, run)];
    node.next_in_bucket = bucket;
    bucket = id;
  }
  LinkAfter(parent, id);
  return id;
}

void PrefixIndex::Remove(NodeId id) {
  Node& node = nodes_[id];
  LOQUAT_CHECK(node.first_child == kNone, "leaves go first");
  if (node.sessions > 0) {
    for (auto& [name, session] : sessions_) {
      if (session.node == id) session.node = node.parent;
    }
  }
  if (node.length == kPageTokens) {
    NodeId* link = &buckets_[BucketOf(node.parent, node.tokens)];
    while (*link != id) link = &nodes_[*link].next_in_bucket;
    *link = node.next_in_bucket;
  }
  (node.previous_sibling != kNone ? nodes_[node.previous_sibling].next_sibling : nodes_[node.parent].first_child) =
      node.next_sibling;
  if (node.next_sibling != kNone) nodes_[node.next_sibling].previous_sibling = node.previous_sibling;
  Unlink(id);
  pages_.SetCached(node.page, false);
  pages_.Drop(node.page);
  unused_.push_back(id);
  --count_;
}

void PrefixIndex::Unlink(NodeId id) {
  const Node& node = nodes_[id];
  nodes_[node.newer].older = node.older;
  (node.older != kNone ? nodes_[node.older].newer : oldest_) = node.newer;
}

void PrefixIndex::LinkAfter(NodeId newer, NodeId id) {
  Node& node = nodes_[id];
  node.newer = newer;
  node.older = nodes_[newer].older;
  nodes_[newer].older = id;
  (node.older != kNone ? nodes_[node.older].newer : oldest_) = id;
}

void PrefixIndex::Touch(NodeId node, std::string_view session) {
  if (!session.empty()) KeepSession(session, node);
  // From the leaf upwards, so that each parent ends up newer than its child.
  for (NodeId id = node; id != kRoot; id = nodes_[id].parent) {
    Unlink(id);
    LinkAfter(kRoot, id);
  }
}

void PrefixIndex::CountSession(NodeId node, int by) {
  for (NodeId id = node; id != kRoot; id = nodes_[id].parent) {
    nodes_[id].sessions = static_cast<std::uint32_t>(static_cast<int>(nodes_[id].sessions) + by);
  }
}

void PrefixIndex::KeepSession(std::string_view name, NodeId node) {
  auto found = sessions_.find(name);
  if (found == sessions_.end()) {
    if (sessions_.size() >= kKeptSessionsMax) {
      const auto oldest = std::min_element(sessions_.begin(), sessions_.end(),
                                           [](const auto& a, const auto& b) { return a.second.used < b.second.used; });
      CountSession(oldest->second.node, -1);
      sessions_.erase(oldest);
    }
    found = sessions_.emplace(std::string(name), Session{}).first;
  }
  CountSession(found->second.node, -1);
  CountSession(node, +1);
  found->second = {.node = node, .used = ++uses_};
}

bool PrefixIndex::EvictOne(bool of_sessions) {
  for (NodeId id = oldest_; id != kRoot; id = nodes_[id].newer) {
    const Node& node = nodes_[id];
    // A node whose page somebody holds has ancestors that the same one holds: leaves are found before their parents.
    if (node.first_child != kNone || pages_.holders(node.page) > 1) continue;
    if (!of_sessions && node.sessions > 0) continue;
    Remove(id);
    return true;
  }
  return false;
}

bool PrefixIndex::Evict() {
  if (pages_.idle() == 0) return false;
  return EvictOne(false) || EvictOne(true);
}

}  // namespace loquat::engine
