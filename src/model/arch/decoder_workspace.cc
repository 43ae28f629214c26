#include "model/arch/decoder_workspace.h"

#include <algorithm>

#include "base/check.h"

namespace loquat::model {

namespace {

// Of a linear layer's input: the normalised rows, what was attended, or the feed-forward network's.
std::size_t ActivationsMax(const ModelConfig& config, std::uint32_t tokens_max) {
  const std::size_t outside = std::max<std::size_t>(config.width, std::size_t{config.heads} * config.head_width);
  return std::max(outside * tokens_max, std::size_t{config.ffn_width} * std::min(tokens_max, kFeedForwardTokens));
}

}  // namespace

DecoderWorkspace::DecoderWorkspace(const ModelConfig& config, std::uint32_t tokens_max, std::size_t block_tokens,
                                   const kernels::TransformerKernels& kernels, kernels::ThreadTeam& team)
    : compute_(kernels, team, tokens_max, ActivationsMax(config, tokens_max)),
      tokens_max_(tokens_max),
      block_tokens_(block_tokens),
      token_(tokens_max),
      position_(tokens_max),
      page_(tokens_max),
      blocks_(tokens_max),
      logit_rows_(tokens_max) {
  const std::size_t query = std::size_t{config.heads} * config.head_width;
  const std::size_t key = std::size_t{config.kv_heads} * config.head_width;
  hidden = NewRows(config.width, tokens_max);
  normal = NewRows(config.width, tokens_max);
  qkv = NewRows(query + 2 * key, tokens_max);
  attended = NewRows(query, tokens_max);
  gate_up = NewRows(std::size_t{2} * config.ffn_width, std::min(tokens_max, kFeedForwardTokens));
  cosine = NewRows(config.rope_width / 2, tokens_max);
  sine = NewRows(config.rope_width / 2, tokens_max);
  logits = NewRows(config.vocabulary, tokens_max);
}

Rows DecoderWorkspace::NewRows(std::size_t width, std::size_t rows) {
  buffers_.emplace_back(width * rows);
  return {.data = buffers_.back().get(), .stride = width};
}

void DecoderWorkspace::Place(std::span<const DecoderSlice> slices) {
  tokens_ = block_count_ = logit_count_ = 0;
  for (const DecoderSlice& slice : slices) PlaceSlice(slice);
  LOQUAT_CHECK(tokens_ > 0, "a pass has at least one token");
  rows_ = tokens_;
}

void DecoderWorkspace::KeepLogitRows() {
  for (rows_ = 0; rows_ < logit_count_; ++rows_) {
    const std::uint32_t from = logit_rows_[rows_];
    if (from == rows_) continue;
    std::copy_n(hidden[from], hidden.stride, hidden[rows_]);
    std::copy_n(attended[from], attended.stride, attended[rows_]);
  }
}

void DecoderWorkspace::PlaceSlice(const DecoderSlice& slice) {
  const std::size_t count = slice.tokens.size();
  LOQUAT_CHECK(count > 0 && count <= tokens_max_ - tokens_, "a pass takes 1 to tokens_max tokens");
  LOQUAT_CHECK((slice.position + count - 1) / kKvPageTokens < slice.pages.size(), "a slice comes with its pages");
  for (std::size_t i = 0; i < count; i += block_tokens_) {
    blocks_[block_count_++] = {.slice = &slice,
                               .first = static_cast<std::uint32_t>(tokens_ + i),
                               .position = static_cast<std::uint32_t>(slice.position + i),
                               .tokens = static_cast<std::uint32_t>(std::min(block_tokens_, count - i))};
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t t = tokens_ + i;
    token_[t] = slice.tokens[i];
    position_[t] = static_cast<std::uint32_t>(slice.position + i);
    page_[t] = slice.pages[position_[t] / kKvPageTokens];
    const bool asks = !slice.no_logits && (slice.all_logits || i + 1 == count);
    if (asks) logit_rows_[logit_count_++] = static_cast<std::uint32_t>(t);
  }
  tokens_ += count;
}

}  // namespace loquat::model
