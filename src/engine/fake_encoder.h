// An encoder model for tests: a text's vector is a hash of its tokens and their types, so that rows which go to the
// wrong request or depend on the batch are seen. Immutable but for its counters and the switches that tests throw.

#pragma once

#include <atomic>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "base/hash.h"
#include "base/random.h"
#include "model/encoder.h"

namespace loquat::engine {

inline constexpr std::int32_t kPoisonWord = 1;  // A text that holds it gives NaN.

class FakeEncoder final : public model::EncoderModel {
 public:
  explicit FakeEncoder(model::BertHead head = model::BertHead::kSequenceClassification) {
    config_.name = "fake";
    config_.vocabulary = 1000;
    config_.context = 512;
    config_.width = 8;
    config_.token_types = 2;
    config_.pooling = model::Pooling::kMean;
    config_.head = head;
    config_.labels = {"no", "yes", "maybe"};
  }

  const model::ModelConfig& config() const override { return config_; }
  std::unique_ptr<Workspace> NewWorkspace(std::uint32_t, kernels::ThreadTeam&) const override {
    return MakeWorkspace();
  }
  static std::unique_ptr<Workspace> MakeWorkspace() { return std::make_unique<FakeWorkspace>(); }

  base::Status CheckWeights(Workspace&) const override { return weights; }
  std::span<const float> Forward(std::span<const model::EncoderText> texts, Workspace& workspace) const override {
    if (before_step) before_step();
    auto& own = static_cast<FakeWorkspace&>(workspace);
    own.pooled.clear();
    own.logits.clear();
    batch_tokens = 0;
    for (const model::EncoderText& text : texts) {
      batch_tokens += text.tokens.size();
      AddRows(text, own);
    }
    batch_texts = texts.size();
    ++steps;
    return own.pooled;
  }
  std::span<const float> Pooled(Workspace& workspace) const override {
    return static_cast<FakeWorkspace&>(workspace).pooled;
  }
  std::span<const float> Logits(Workspace& workspace) const override {
    return static_cast<FakeWorkspace&>(workspace).logits;
  }

  mutable std::atomic<std::size_t> batch_tokens{0}, batch_texts{0}, steps{0};  // Of the last step; in all.
  std::function<void()> before_step;                                           // On the engine's thread.
  base::Status weights;                                                        // What CheckWeights says.

 private:
  struct FakeWorkspace final : Workspace {
    std::vector<float> pooled, logits;
  };

  void AddRows(const model::EncoderText& text, FakeWorkspace& own) const {
    std::uint64_t hash = 0;
    bool poisoned = false;
    for (std::size_t i = 0; i < text.tokens.size(); ++i) {
      hash = base::HashCombine(hash, static_cast<std::uint64_t>(text.tokens[i]));
      if (!text.token_types.empty()) hash = base::HashCombine(hash, static_cast<std::uint64_t>(text.token_types[i]));
      poisoned |= text.tokens[i] == kPoisonWord;
    }
    base::Random random(hash);
    for (std::uint32_t i = 0; i < config_.width; ++i) {
      own.pooled.push_back(poisoned ? std::numeric_limits<float>::quiet_NaN() : random.Float());
    }
    const std::size_t rows = config_.head == model::BertHead::kTokenClassification ? text.tokens.size() : 1;
    for (std::size_t i = 0; i < rows * config_.labels.size(); ++i) own.logits.push_back(random.Float());
  }

  model::ModelConfig config_;
};

}  // namespace loquat::engine
