// The memory of forward passes of an encoder, and where the tokens of its texts go. Sized at creation. One thread at a
// time.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "model/arch/compute.h"
#include "model/encoder.h"

namespace loquat::model {

// Successive tokens of one text that attend together.
struct TextBlock {
  std::size_t text_first = 0;   // Row of the text's first token in the pass.
  std::size_t text_tokens = 0;  // Of the whole text.
  std::size_t first = 0;        // Row of the block's first token.
  std::size_t tokens = 0;
};

// Row of a text's first token, and how many follow.
struct TextRows {
  std::size_t first = 0, tokens = 0;
};

// Texts that go through the layers together.
class EncoderPass {
 public:
  EncoderPass(const ModelConfig& config, std::uint32_t tokens_max, const kernels::TransformerKernels& kernels,
              kernels::ThreadTeam& team);

  // Lays the texts' tokens out in rows, and their hidden states in those of `hidden`. REQUIRES: 1 to tokens_max tokens,
  // each text with 1 to config.context; ids are below their tables' sizes.
  void Place(std::span<const EncoderText> texts, const ModelConfig& config, Rows hidden_rows);
  // Takes `count` blocks of another pass, from block `first` on: attention reads queries, keys and values of all its
  // rows from `keys_of_all`, and those of the layer after go to `qkv_of_all`. REQUIRES: at most tokens_max tokens.
  void PlacePart(const EncoderPass& all, std::size_t first, std::size_t count, Rows keys_of_all, Rows qkv_of_all);

  Compute compute;

  // Of the pass, after Place.
  std::size_t tokens() const { return tokens_; }
  std::uint32_t token(std::size_t t) const { return token_[t]; }
  std::uint32_t position(std::size_t t) const { return position_[t]; }
  std::uint32_t token_type(std::size_t t) const { return token_type_[t]; }
  std::span<const TextBlock> blocks() const { return {blocks_.data(), block_count_}; }
  std::span<const TextRows> texts() const { return {texts_.data(), text_count_}; }
  std::size_t first_row() const { return first_row_; }  // Of `keys`, that is row 0 of the others.

  // Rows of the pass.
  Rows hidden;    // [token, width]; elsewhere.
  Rows keys;      // As qkv, what attention reads; blocks count its rows.
  Rows added;     // [token, width]: what a block adds.
  Rows qkv;       // [token, 3 * width]
  Rows attended;  // [token, width]
  Rows up;        // [token, ffn_width]

 private:
  const std::uint32_t tokens_max_;
  std::vector<FloatBuffer> buffers_;  // Constant after construction, as are the sizes of those below.
  Rows own_qkv_;
  std::size_t tokens_ = 0, first_row_ = 0, block_count_ = 0, text_count_ = 0;
  std::vector<std::uint32_t> token_, position_, token_type_;
  std::vector<TextBlock> blocks_;
  std::vector<TextRows> texts_;
};

class EncoderWorkspace final : public EncoderModel::Workspace {
 public:
  EncoderWorkspace(const ModelConfig& config, std::size_t labels, std::uint32_t tokens_max,
                   const kernels::TransformerKernels& kernels, kernels::ThreadTeam& team);

  void Observe(LinearObserver* observer) override;

  enum class Split : std::uint8_t {
    kLayers,  // One pass, whose layers the team splits: what is short.
    kTexts,   // Each thread takes some texts at a time through all layers, so that what lies between two layers stays
              // in its cache and nobody waits for the others: many texts.
    kTokens,  // Each thread takes some tokens at a time through a layer, and all wait for each other once a layer, as
              // attention sees every token: long texts.
  };
  // Lays the texts out in `whole`, and says how they are best split.
  Split Place(std::span<const EncoderText> texts, const ModelConfig& config);

  // After kTexts: calls forward(pass) for passes that hold all texts between them.
  template <typename Forward>
  void ForEachGroup(std::span<const EncoderText> texts, const ModelConfig& config, Forward&& forward) {
    ForEachPart([&](EncoderPass& pass, const Part& part) {
      const Rows rows{.data = hidden[part.first_row], .stride = hidden.stride};
      pass.Place(texts.subspan(part.first, part.count), config, rows);
      forward(pass);
    });
  }
  // After kTokens: calls step(pass) for passes that hold all tokens between them. What one call writes to `qkv` the
  // next one reads as `keys`.
  template <typename Step>
  void ForEachSegment(Step&& step) {
    std::swap(keys_, qkv_);
    ForEachPart([&](EncoderPass& pass, const Part& part) {
      pass.PlacePart(whole, part.first, part.count, keys_, qkv_);
      step(pass);
    });
  }

  EncoderPass whole;  // Of all texts: where each one's rows are.
  Rows hidden;        // [token, width]
  Rows pooled;        // [text, width]
  Rows dense;         // [text, width]
  Rows logits;        // [text or token, labels]

 private:
  // Texts of the whole pass, or blocks of it.
  struct Part {
    std::size_t first = 0, count = 0, first_row = 0, tokens = 0;
  };
  // Of one thread.
  struct Lane {
    Lane(const ModelConfig& config, std::uint32_t tokens_max, const kernels::TransformerKernels& kernels)
        : team({.threads = 1}), pass(config, tokens_max, kernels, team) {}
    kernels::ThreadTeam team;
    EncoderPass pass;
  };
  // Calls work(pass, part) for each part, each thread with a pass of its own.
  template <typename Work>
  void ForEachPart(Work&& work) {
    std::atomic<std::size_t> next{0};  // Relaxed: the team orders the rest.
    whole.compute.ForEachTask(lanes_.size(), [&](std::size_t lane) {
      for (std::size_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < part_count_;) {
        work(lanes_[lane]->pass, parts_[i]);
      }
    });
  }
  // Appends something to the last part, or to a new one if it would then have more than `most` tokens.
  void AddToParts(std::size_t index, std::size_t first_row, std::size_t tokens, std::size_t most);
  // Whether the texts are so many, or the tokens, that each thread is to take some. Fill parts_.
  bool SplitTexts();
  bool SplitTokens();

  const std::size_t group_tokens_;  // Of a group of several texts, at most.
  const std::uint32_t lane_tokens_;
  bool observed_ = false;
  std::vector<FloatBuffer> buffers_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::vector<Part> parts_;
  std::size_t part_count_ = 0;
  Rows keys_, qkv_;  // [token, 3 * width], of kTokens.
};

}  // namespace loquat::model
