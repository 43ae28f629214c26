// Runs a decoder over one window of tokens, a few at a time, and hands out the logits of each. One thread at a time;
// the model and the team outlive it.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "model/decoder.h"
#include "model/quant/text_windows.h"

namespace loquat::model {

inline constexpr std::uint32_t kPassTokens = 64;  // Of one Forward: 32 MiB of logits for a vocabulary of 2^17.

class DecoderPass {
 public:
  DecoderPass(const DecoderModel& model, kernels::ThreadTeam& team)
      : model_(model),
        workspace_(model.NewWorkspace(kPassTokens, team)),
        pages_(kWindowTokensMax / kKvPageTokens, std::vector<std::byte>(model.kv_layout().page_bytes())) {
    for (std::vector<std::byte>& page : pages_) places_.push_back(page.data());
  }

  DecoderModel::Workspace& workspace() { return *workspace_; }

  // The logits of tokens [first, first + count) of the window, [count, vocabulary]; those before were given in calls
  // before. REQUIRES: count is 1 to kPassTokens; the window is no longer than kWindowTokensMax.
  std::span<const float> Next(std::span<const std::int32_t> window, std::size_t first, std::size_t count) {
    const DecoderSlice slice{.tokens = window.subspan(first, count),
                             .position = static_cast<std::uint32_t>(first),
                             .pages = places_,
                             .all_logits = true};
    return model_.Forward({&slice, 1}, *workspace_);
  }

 private:
  const DecoderModel& model_;
  const std::unique_ptr<DecoderModel::Workspace> workspace_;
  std::vector<std::vector<std::byte>> pages_;
  std::vector<std::byte*> places_;
};

static_assert(kWindowTokensMax % kKvPageTokens == 0);

}  // namespace loquat::model
