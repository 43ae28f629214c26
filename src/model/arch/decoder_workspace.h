// The memory of one forward pass of a decoder, and where the tokens of its slices go. Sized at creation for tokens_max
// tokens. One thread at a time.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "model/arch/compute.h"
#include "model/decoder.h"

namespace loquat::model {

// The feed-forward network takes so many tokens at a time: the rows within it are the widest of a pass (32 MiB for 512
// tokens of Llama 3.2 1B), while weights that are decoded once for this many tokens cost next to nothing.
inline constexpr std::uint32_t kFeedForwardTokens = 96;

// Successive tokens of one slice that attend together.
struct QueryBlock {
  const DecoderSlice* slice = nullptr;
  std::uint32_t first = 0;     // Row of its first token in the pass.
  std::uint32_t position = 0;  // Of that token in its sequence.
  std::uint32_t tokens = 0;
};

class DecoderWorkspace : public DecoderModel::Workspace {
 public:
  // `block_tokens`: at most so many tokens a QueryBlock.
  DecoderWorkspace(const ModelConfig& config, std::uint32_t tokens_max, std::size_t block_tokens,
                   const kernels::TransformerKernels& kernels, kernels::ThreadTeam& team);

  void Observe(LinearObserver* observer) override { compute_.Observe(observer); }
  unsigned threads() const override { return compute_.team().size(); }
  void RunParts(std::size_t parts, const std::function<void(std::size_t)>& work) override {
    compute_.team().Run(parts, work);
  }

  const Compute& compute() const { return compute_; }

  // Lays the slices' tokens out in rows. REQUIRES: the sum of tokens is 1 to tokens_max; each slice has a token and
  // pages enough for its last one.
  void Place(std::span<const DecoderSlice> slices);

  // Moves what was attended and the residual stream of the rows whose logits are asked for to the front: from then on
  // the pass has these alone.
  void KeepLogitRows();

  // Of the pass, after Place.
  std::size_t tokens() const { return tokens_; }
  std::size_t rows() const { return rows_; }  // Of `hidden` that the pass still computes: one a token at first.
  std::span<const QueryBlock> blocks() const { return {blocks_.data(), block_count_}; }
  // Row t of the pass.
  std::int32_t token(std::size_t t) const { return token_[t]; }
  std::uint32_t position(std::size_t t) const { return position_[t]; }
  std::byte* page(std::size_t t) const { return page_[t]; }  // That holds its key and value.

  // Rows of the pass.
  Rows hidden;    // [token, width]: the residual stream.
  Rows normal;    // [token, width]: normalised, and what a block adds to the stream.
  Rows qkv;       // [token, (heads + 2 kv_heads) * head_width]
  Rows attended;  // [token, heads * head_width]
  Rows gate_up;   // [token of one round of the feed-forward network, 2 * ffn_width]
  Rows cosine;    // [token, rope pairs]
  Rows sine;      // [token, rope pairs]
  Rows logits;    // [row that asks, vocabulary]

 private:
  void PlaceSlice(const DecoderSlice& slice);
  Rows NewRows(std::size_t width, std::size_t rows);

  Compute compute_;
  const std::uint32_t tokens_max_;
  const std::size_t block_tokens_;
  std::vector<FloatBuffer> buffers_;  // Constant after construction, as are the sizes of those below.
  std::size_t tokens_ = 0, rows_ = 0, block_count_ = 0, logit_count_ = 0;
  std::vector<std::int32_t> token_;
  std::vector<std::uint32_t> position_;
  std::vector<std::byte*> page_;
  std::vector<QueryBlock> blocks_;
  std::vector<std::uint32_t> logit_rows_;  // Rising.
};

}  // namespace loquat::model
