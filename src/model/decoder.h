// The forward pass of a decoder model over a batch of sequences that share one set of weights, with keys and values in
// pages that the caller owns. Immutable after Load: any thread may call Forward, each with a Workspace of its own.
//
// Results for one sequence depend on nothing else in the batch, to the bit: every dot product is summed in an order
// that its length alone decides.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "base/result.h"
#include "kernels/thread_team.h"
#include "kernels/transformer_kernels.h"
#include "model/linear_observer.h"
#include "model/model_config.h"

namespace loquat::model {

inline constexpr std::uint32_t kKvPageTokens = 32;

// What one page of keys and values takes, for the caller who owns them: [layer][k, v][kv_head], keys as
// [head_width][token in page] and values as [token in page][head_width], each followed by its scales where the type has
// any (kernels/transformer_kernels.h).
using kernels::KvType;
struct KvLayout {
  std::uint32_t layers = 0, kv_heads = 0, head_width = 0;
  KvType type = KvType::kF16;
  std::size_t head_bytes() const { return kernels::KvHeadBytes(type, head_width); }
  std::size_t page_bytes() const { return std::size_t{2} * layers * kv_heads * head_bytes(); }
};

// A run of new tokens of one sequence.
struct DecoderSlice {
  std::span<const std::int32_t> tokens;  // At least one; ids below the vocabulary (checked by the caller).
  std::uint32_t position = 0;            // Of tokens[0]; what lies before is in the pages.
  std::span<std::byte* const> pages;     // Enough for position + tokens.size(); the last may be part filled. Pages that
                                         // are shared lie wholly before `position`.
  bool all_logits = false;               // Logits of each token; else of the last alone, or
  bool no_logits = false;                // of none (a prompt's inner chunk).
};

class DecoderModel {
 public:
  class Workspace {
   public:
    virtual ~Workspace() = default;
    // Passes with this workspace show their linear layers' inputs from now on; null: to nobody. It outlives them.
    virtual void Observe(LinearObserver* observer) { (void)observer; }  // Without such layers: nothing to show.
    // The threads that compute, between two passes: calls work(part) for each part in [0, parts), on any of them.
    virtual unsigned threads() const { return 1; }
    virtual void RunParts(std::size_t parts, const std::function<void(std::size_t)>& work) {
      for (std::size_t part = 0; part < parts; ++part) work(part);
    }
  };
  virtual ~DecoderModel() = default;

  virtual const ModelConfig& config() const = 0;
  virtual KvLayout kv_layout() const = 0;
  // Memory for calls of at most `tokens_max` tokens; its size is known at once and does not grow. Calls with it compute
  // on `team`, which outlives it.
  virtual std::unique_ptr<Workspace> NewWorkspace(std::uint32_t tokens_max, kernels::ThreadTeam& team) const = 0;

  // That the weights are what their file's maker wrote: asked before the first Forward, and again at no cost. It reads
  // those that were not checked yet. kDataLoss: they are damaged, and nothing is to be computed with them.
  virtual base::Status CheckWeights(Workspace& workspace) const {
    (void)workspace;
    return {};
  }

  // Appends keys and values to the pages and gives logits: [rows, vocabulary], one row a token that asks for it, in the
  // order of the slices; valid until the workspace's next call. The sum of tokens is at most the workspace's
  // tokens_max.
  virtual std::span<const float> Forward(std::span<const DecoderSlice> slices, Workspace& workspace) const = 0;
};

}  // namespace loquat::model
