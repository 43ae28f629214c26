// Which texts the next pass of an encoder computes: pure policy over the requests that wait. Texts of any lengths lie
// end to end, so a batch is bounded by its tokens alone. Engine thread only; the jobs outlive their stay.
//
// The rules: requests take turns, a text each, so that one with a thousand texts does not keep the next one waiting; a
// text that does not fit any more is the first of the next batch. Interactive requests go first, but every
// kBatchLaneEvery-th batch the batch lane does.

#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "base/call_context.h"
#include "engine/sampling_options.h"

namespace loquat::engine {

inline constexpr std::uint32_t kBatchLaneEvery = 4;

// The texts of one request, and how far they have been given out.
struct EncodeTurns {
  base::Priority lane = base::Priority::kInteractive;
  std::span<const std::vector<TokenId>> texts;
  std::uint32_t next = 0;  // Of texts: not given out yet.
};

struct EncodeItem {
  EncodeTurns* turns = nullptr;
  std::uint32_t text = 0;
};

class EncodeBatcher {
 public:
  // REQUIRES: every text that comes has at most tokens_max tokens.
  EncodeBatcher(std::uint32_t tokens_max, std::uint32_t texts_max) : tokens_max_(tokens_max), texts_max_(texts_max) {}

  // REQUIRES: at least one text.
  void Add(EncodeTurns& turns);
  // Takes out what has not been given out yet.
  void Remove(const EncodeTurns& turns);
  // The next batch; empty when nothing waits. Valid until the next call.
  std::span<const EncodeItem> Next();

 private:
  void TakeFrom(std::deque<EncodeTurns*>& lane, std::uint32_t& tokens_left);

  const std::uint32_t tokens_max_;
  const std::uint32_t texts_max_;
  std::deque<EncodeTurns*> lanes_[2];  // [Priority]: whose turn comes first stands first.
  std::uint64_t batches_ = 0;
  std::vector<EncodeItem> items_;
};

}  // namespace loquat::engine
