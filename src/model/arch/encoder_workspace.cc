#include "model/arch/encoder_workspace.h"

#include <algorithm>

#include "base/check.h"

namespace loquat::model {
namespace {

// What the widest rows of a group take at most, so that they stay in the cache of one core (1 MiB and more where this
// matters) beside the weights that stream through it.
constexpr std::size_t kGroupBytes = std::size_t{768} << 10;
// Fewer would read the weights too often, more have nothing to gain.
constexpr std::size_t kGroupTokensMin = 64, kGroupTokensMax = 256;
// Texts longer than this attend for so long that they are better split among all threads.
constexpr std::uint32_t kLaneTokensMax = 256;
constexpr std::size_t kGroupsPerLane = 2;  // With fewer the last ones are waited for.
// A thread's tokens: with fewer, reading all weights takes longer than sharing them would save.
constexpr std::size_t kSegmentTokensMin = 48;
constexpr std::size_t kSegmentTokens[] = {64, 32};  // At a time.
// The others may wait for the busiest thread for so many percent of what an even split takes.
constexpr std::size_t kUnevenMax = 115;

std::size_t GroupTokens(const ModelConfig& config) {
  const std::size_t widest = std::max<std::size_t>(config.ffn_width, std::size_t{3} * config.width);
  return std::clamp(kGroupBytes / (widest * sizeof(float)), kGroupTokensMin, kGroupTokensMax);
}

Rows NewRows(std::size_t width, std::size_t rows, std::vector<FloatBuffer>& buffers) {
  buffers.emplace_back(width * rows);
  return {.data = buffers.back().get(), .stride = width};
}

}  // namespace

EncoderPass::EncoderPass(const ModelConfig& config, std::uint32_t tokens_max,
                         const kernels::TransformerKernels& kernels, kernels::ThreadTeam& team)
    : compute(kernels, team, tokens_max, std::size_t{std::max(config.width, config.ffn_width)} * tokens_max),
      tokens_max_(tokens_max),
      token_(tokens_max),
      position_(tokens_max),
      token_type_(tokens_max),
      blocks_(tokens_max),
      texts_(tokens_max) {
  added = NewRows(config.width, tokens_max, buffers_);
  own_qkv_ = NewRows(std::size_t{3} * config.width, tokens_max, buffers_);
  attended = NewRows(config.width, tokens_max, buffers_);
  up = NewRows(config.ffn_width, tokens_max, buffers_);
}

void EncoderPass::Place(std::span<const EncoderText> texts, const ModelConfig& config, Rows hidden_rows) {
  hidden = hidden_rows;
  keys = qkv = own_qkv_;
  tokens_ = first_row_ = block_count_ = text_count_ = 0;
  for (const EncoderText& text : texts) {
    const std::size_t count = text.tokens.size();
    LOQUAT_CHECK(count > 0 && count <= tokens_max_ - tokens_, "a pass takes 1 to tokens_max tokens");
    LOQUAT_CHECK(count <= config.context, "a text fits the model's context");
    LOQUAT_CHECK(text.token_types.empty() || text.token_types.size() == count, "each token has its type");
    for (std::size_t i = 0; i < count; i += kernels::kAttentionQueriesMax) {
      blocks_[block_count_++] = {.text_first = tokens_,
                                 .text_tokens = count,
                                 .first = tokens_ + i,
                                 .tokens = std::min(kernels::kAttentionQueriesMax, count - i)};
    }
    for (std::size_t i = 0; i < count; ++i) {
      const std::int32_t type = text.token_types.empty() ? 0 : text.token_types[i];
      LOQUAT_CHECK(static_cast<std::uint32_t>(text.tokens[i]) < config.vocabulary, "token ids are checked");
      LOQUAT_CHECK(static_cast<std::uint32_t>(type) < std::max(1U, config.token_types), "token types are checked");
      token_[tokens_ + i] = static_cast<std::uint32_t>(text.tokens[i]);
      token_type_[tokens_ + i] = static_cast<std::uint32_t>(type);
      position_[tokens_ + i] = config.position_offset + static_cast<std::uint32_t>(i);
    }
    texts_[text_count_++] = {.first = tokens_, .tokens = count};
    tokens_ += count;
  }
  LOQUAT_CHECK(tokens_ > 0, "a pass has at least one token");
}

void EncoderPass::PlacePart(const EncoderPass& all, std::size_t first, std::size_t count, Rows keys_of_all,
                            Rows qkv_of_all) {
  const std::span<const TextBlock> blocks = all.blocks().subspan(first, count);
  first_row_ = blocks.front().first;
  tokens_ = blocks.back().first + blocks.back().tokens - first_row_;
  LOQUAT_CHECK(tokens_ <= tokens_max_, "a part fits its pass");
  block_count_ = count;
  text_count_ = 0;
  std::ranges::copy(blocks, blocks_.begin());
  for (std::size_t t = 0; t < tokens_; ++t) {
    token_[t] = all.token(first_row_ + t);
    position_[t] = all.position(first_row_ + t);
    token_type_[t] = all.token_type(first_row_ + t);
  }
  hidden = {.data = all.hidden[first_row_], .stride = all.hidden.stride};
  keys = keys_of_all;
  qkv = {.data = qkv_of_all[first_row_], .stride = qkv_of_all.stride};
}

EncoderWorkspace::EncoderWorkspace(const ModelConfig& config, std::size_t labels, std::uint32_t tokens_max,
                                   const kernels::TransformerKernels& kernels, kernels::ThreadTeam& team)
    : whole(config, tokens_max, kernels, team),
      group_tokens_(GroupTokens(config)),
      lane_tokens_(std::min(tokens_max, kLaneTokensMax)),
      parts_(tokens_max) {
  hidden = NewRows(config.width, tokens_max, buffers_);
  pooled = NewRows(config.width, tokens_max, buffers_);
  dense = NewRows(config.width, tokens_max, buffers_);
  logits = NewRows(labels, tokens_max, buffers_);
  keys_ = NewRows(std::size_t{3} * config.width, tokens_max, buffers_);
  qkv_ = NewRows(std::size_t{3} * config.width, tokens_max, buffers_);
  for (unsigned i = 0; i < team.size(); ++i) lanes_.push_back(std::make_unique<Lane>(config, lane_tokens_, kernels));
}

void EncoderWorkspace::Observe(LinearObserver* observer) {
  observed_ = observer != nullptr;
  whole.compute.Observe(observer);
}

EncoderWorkspace::Split EncoderWorkspace::Place(std::span<const EncoderText> texts, const ModelConfig& config) {
  whole.Place(texts, config, hidden);
  if (observed_) return Split::kLayers;
  if (SplitTexts()) return Split::kTexts;
  return SplitTokens() ? Split::kTokens : Split::kLayers;
}

void EncoderWorkspace::AddToParts(std::size_t index, std::size_t first_row, std::size_t tokens, std::size_t most) {
  const bool fits = part_count_ > 0 && parts_[part_count_ - 1].tokens + tokens <= most;
  if (!fits) parts_[part_count_++] = {.first = index, .first_row = first_row};
  ++parts_[part_count_ - 1].count;
  parts_[part_count_ - 1].tokens += tokens;
}

bool EncoderWorkspace::SplitTexts() {
  part_count_ = 0;
  for (std::size_t i = 0; i < whole.texts().size(); ++i) {
    const TextRows& rows = whole.texts()[i];
    if (rows.tokens > lane_tokens_) return false;
    AddToParts(i, rows.first, rows.tokens, group_tokens_);
  }
  return part_count_ >= kGroupsPerLane * lanes_.size();
}

bool EncoderWorkspace::SplitTokens() {
  const std::size_t lanes = lanes_.size(), tokens = whole.tokens();
  if (lanes == 1 || tokens < kSegmentTokensMin * lanes) return false;
  for (const std::size_t most : kSegmentTokens) {
    part_count_ = 0;
    for (std::size_t i = 0; i < whole.blocks().size(); ++i) {
      const TextBlock& block = whole.blocks()[i];
      AddToParts(i, block.first, block.tokens, std::min<std::size_t>(most, lane_tokens_));
    }
    // Of parts that are alike the busiest thread takes as many as this.
    const std::size_t longest = (part_count_ + lanes - 1) / lanes * most;
    if (longest * lanes <= tokens * kUnevenMax / 100) return true;
  }
  return false;
}

}  // namespace loquat::model
