#include "engine/encode_batcher.h"

#include "base/check.h"

namespace loquat::engine {

void EncodeBatcher::Add(EncodeTurns& turns) {
  LOQUAT_CHECK(turns.next < turns.texts.size(), "a request that waits has texts");
  lanes_[static_cast<std::size_t>(turns.lane)].push_back(&turns);
}

void EncodeBatcher::Remove(const EncodeTurns& turns) {
  std::erase(lanes_[static_cast<std::size_t>(turns.lane)], &turns);
}

void EncodeBatcher::TakeFrom(std::deque<EncodeTurns*>& lane, std::uint32_t& tokens_left) {
  // Whoever got a turn goes to the end; whose text does not fit stays ahead of all who did.
  std::size_t at = 0;
  while (at < lane.size() && items_.size() < texts_max_) {
    EncodeTurns* turns = lane[at];
    const std::size_t size = turns->texts[turns->next].size();
    if (size > tokens_left) {
      ++at;
      continue;
    }
    tokens_left -= static_cast<std::uint32_t>(size);
    items_.push_back({turns, turns->next++});
    lane.erase(lane.begin() + static_cast<std::ptrdiff_t>(at));
    if (turns->next < turns->texts.size()) lane.push_back(turns);
  }
}

std::span<const EncodeItem> EncodeBatcher::Next() {
  items_.clear();
  std::uint32_t tokens_left = tokens_max_;
  const std::size_t first = ++batches_ % kBatchLaneEvery == 0 ? 1 : 0;
  TakeFrom(lanes_[first], tokens_left);
  TakeFrom(lanes_[1 - first], tokens_left);
  return items_;
}

}  // namespace loquat::engine
