#include "text/tokenizer/merge_table.h"

#include <algorithm>
#include <utility>

namespace loquat::text {
namespace {

// Up to here scanning all pairs for the best beats a heap.
constexpr std::size_t kShortWord = 40;

MergeTable::Merge FindPair(const MergeTable& table, TokenId left, TokenId right) {
  return left < 0 || right < 0 ? MergeTable::Merge{} : table.Find(left, right);
}

void MergeShort(const MergeTable& table, MergeScratch& scratch) {
  std::vector<TokenId>& ids = scratch.ids;
  std::vector<MergeTable::Merge>& pairs = scratch.pairs;  // [i] -> what ids i and i + 1 merge into
  std::size_t count = ids.size();
  pairs.resize(count);
  for (std::size_t i = 0; i + 1 < count; ++i) pairs[i] = FindPair(table, ids[i], ids[i + 1]);
  while (count > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < count; ++i) {
      if (pairs[i].rank < pairs[best].rank) best = i;
    }
    if (pairs[best].rank == MergeTable::kNoRank) break;
    ids[best] = pairs[best].id;
    std::copy(ids.begin() + best + 2, ids.begin() + count, ids.begin() + best + 1);
    std::copy(pairs.begin() + best + 1, pairs.begin() + count - 1, pairs.begin() + best);
    --count;
    if (best + 1 < count) pairs[best] = FindPair(table, ids[best], ids[best + 1]);
    if (best > 0) pairs[best - 1] = FindPair(table, ids[best - 1], ids[best]);
  }
  ids.resize(count);
}

class LongMerger {
 public:
  LongMerger(const MergeTable& table, MergeScratch& scratch) : table_(table), scratch_(scratch) {}

  void Merge() {
    Link();
    auto& heap = scratch_.heap;
    while (!heap.empty()) {
      std::pop_heap(heap.begin(), heap.end(), Later);
      const MergeScratch::Candidate best = heap.back();
      heap.pop_back();
      Apply(best);
    }
    Collect();
  }

 private:
  static bool Later(const MergeScratch::Candidate& a, const MergeScratch::Candidate& b) {
    return std::pair(a.rank, a.at) > std::pair(b.rank, b.at);
  }
  MergeScratch::Node& NodeAt(std::int32_t at) { return scratch_.nodes[static_cast<std::size_t>(at)]; }

  bool MakeCandidate(std::int32_t at, MergeScratch::Candidate& candidate) {
    const std::int32_t next = at < 0 ? -1 : NodeAt(at).next;
    if (next < 0) return false;
    const TokenId left = NodeAt(at).id, right = NodeAt(next).id;
    const MergeTable::Merge merge = FindPair(table_, left, right);
    candidate = {.rank = merge.rank, .at = at, .left = left, .right = right, .merged = merge.id};
    return merge.rank != MergeTable::kNoRank;
  }

  void Link() {
    const auto count = static_cast<std::int32_t>(scratch_.ids.size());
    scratch_.nodes.resize(scratch_.ids.size());
    scratch_.heap.clear();
    for (std::int32_t i = 0; i < count; ++i) {
      NodeAt(i) = {
          .id = scratch_.ids[static_cast<std::size_t>(i)], .previous = i - 1, .next = i + 1 < count ? i + 1 : -1};
    }
    MergeScratch::Candidate candidate;
    for (std::int32_t i = 0; i < count; ++i) {
      if (MakeCandidate(i, candidate)) scratch_.heap.push_back(candidate);
    }
    std::make_heap(scratch_.heap.begin(), scratch_.heap.end(), Later);
  }

  void Push(std::int32_t at) {
    MergeScratch::Candidate candidate;
    if (!MakeCandidate(at, candidate)) return;
    scratch_.heap.push_back(candidate);
    std::push_heap(scratch_.heap.begin(), scratch_.heap.end(), Later);
  }

  void Apply(const MergeScratch::Candidate& best) {
    MergeScratch::Node& left = NodeAt(best.at);
    // Either side may have merged otherwise since.
    if (left.id != best.left || left.next < 0 || NodeAt(left.next).id != best.right) return;
    MergeScratch::Node& right = NodeAt(left.next);
    left.id = best.merged;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) NodeAt(left.next).previous = best.at;
    Push(left.previous);
    Push(best.at);
  }

  void Collect() {
    scratch_.ids.clear();
    for (std::int32_t at = scratch_.nodes.empty() ? -1 : 0; at >= 0; at = NodeAt(at).next) {
      scratch_.ids.push_back(NodeAt(at).id);
    }
  }

  const MergeTable& table_;
  MergeScratch& scratch_;
};

}  // namespace

void MergeByRank(const MergeTable& table, MergeScratch& scratch) {
  if (scratch.ids.size() < 2) return;
  if (scratch.ids.size() <= kShortWord) return MergeShort(table, scratch);
  LongMerger(table, scratch).Merge();
}

}  // namespace loquat::text
