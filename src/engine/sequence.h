// One answer in the making, as scheduler and page keeper see it: its tokens, how far keys and values are computed, and
// the pages that hold them. Prefill and decode are the same: what is not computed yet is pending, and the step that
// computes the last pending token gives the logits for the next one. Engine thread only.

#pragma once

#include <cstdint>
#include <vector>

#include "base/call_context.h"
#include "engine/kv_pages.h"
#include "engine/prefix_index.h"
#include "engine/sampling_options.h"

namespace loquat::engine {

struct Sequence {
  // Constant once queued.
  std::uint64_t arrival = 0;  // Of its request, counted by the engine; the choices of one request share it.
  std::uint32_t choice = 0;
  base::Priority priority = base::Priority::kInteractive;
  std::uint32_t prompt_tokens = 0;

  std::vector<TokenId> tokens;  // Prompt and answer.
  std::uint32_t computed = 0;   // Leading tokens whose keys and values are in the pages.
  std::vector<TokenId> draft;   // A guess at what follows `tokens`, for the step that is computed; empty between steps.
  std::uint32_t slots = 1;      // Sequences that it counts for: a prompt that several choices wait for stands for all.

  std::vector<PageId> pages;                      // [page]: held; the last may be part filled.
  PrefixIndex::NodeId node = PrefixIndex::kRoot;  // Of the last page that the index knows.
  std::uint32_t indexed = 0;                      // Leading tokens that the index knows: whole pages.

  std::uint32_t preemptions = 0;
  std::uint32_t reused = 0;  // Tokens that were found computed on its first way through.

  std::uint32_t length() const { return static_cast<std::uint32_t>(tokens.size()); }
  std::uint32_t pending() const { return length() - computed; }
};

}  // namespace loquat::engine
