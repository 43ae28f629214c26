// The forward pass of an encoder model (BERT and its kin) over texts of any lengths laid end to end, without padding.
// Immutable after Load: any thread may call Forward, each with a Workspace of its own. Results for one text depend on
// nothing else in the batch, to the bit.

#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/result.h"
#include "kernels/thread_team.h"
#include "model/linear_observer.h"
#include "model/model_config.h"

namespace loquat::model {

struct EncoderText {
  std::span<const std::int32_t> tokens;  // With [CLS] and [SEP] where the model wants them; at most config().context.
  std::span<const std::int32_t> token_types;  // As many, or empty: all zero.
};

class EncoderModel {
 public:
  class Workspace {
   public:
    virtual ~Workspace() = default;
    // Passes with this workspace show their linear layers' inputs from now on; null: to nobody. It outlives them.
    virtual void Observe(LinearObserver* observer) { (void)observer; }  // Without such layers: nothing to show.
  };
  virtual ~EncoderModel() = default;

  virtual const ModelConfig& config() const = 0;
  virtual std::unique_ptr<Workspace> NewWorkspace(std::uint32_t tokens_max, kernels::ThreadTeam& team) const = 0;

  // That the weights are what their file's maker wrote: asked before the first Forward, and again at no cost. It reads
  // those that were not checked yet. kDataLoss: they are damaged, and nothing is to be computed with them.
  virtual base::Status CheckWeights(Workspace& workspace) const {
    (void)workspace;
    return {};
  }

  // The last hidden states: [tokens of all texts, width]; valid until the workspace's next call.
  virtual std::span<const float> Forward(std::span<const EncoderText> texts, Workspace& workspace) const = 0;
  // After Forward on the same workspace, by config().pooling: [texts, width], not normalised.
  virtual std::span<const float> Pooled(Workspace& workspace) const = 0;
  // After Forward, by config().head: [texts, labels] (sequence classification, rerank) or [tokens, labels].
  virtual std::span<const float> Logits(Workspace& workspace) const = 0;
};

}  // namespace loquat::model
