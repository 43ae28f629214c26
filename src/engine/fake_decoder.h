// A decoder model for tests whose logits are a hash of the token history, read back through the pages: a page that is
// shared, copied, evicted or addressed wrongly changes what comes out, and is counted as a fault. Deterministic; each
// token of one history gives the same logits whatever the batch. With a habit it mostly goes by the last two
// tokens, so that its answers run in circles as those of small models do; the rest of the history still shows in the
// logits. Immutable but for its counters and the switches that tests throw.

#pragma once

#include <atomic>
#include <cstring>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/mutex.h"
#include "base/random.h"
#include "engine/token_text.h"
#include "model/decoder.h"

namespace loquat::engine {

inline constexpr std::int32_t kFakeEos = 0;
inline constexpr std::int32_t kPoisonToken = 1;  // A history that holds it gives NaN.

class FakeDecoder final : public model::DecoderModel {
 public:
  explicit FakeDecoder(std::uint32_t vocabulary = 64, std::uint32_t context = 16384) {
    config_.name = "fake";
    config_.vocabulary = vocabulary;
    config_.context = context;
    config_.eos_tokens = {kFakeEos};
  }

  const model::ModelConfig& config() const override { return config_; }
  model::KvLayout kv_layout() const override { return {.layers = 1, .kv_heads = 1, .head_width = 2}; }
  std::unique_ptr<Workspace> NewWorkspace(std::uint32_t tokens_max, kernels::ThreadTeam&) const override {
    return MakeWorkspace(tokens_max);
  }
  static std::unique_ptr<Workspace> MakeWorkspace(std::uint32_t tokens_max) {
    auto workspace = std::make_unique<FakeWorkspace>();
    workspace->tokens_max = tokens_max;
    return workspace;
  }

  base::Status CheckWeights(Workspace&) const override { return weights; }
  std::span<const float> Forward(std::span<const model::DecoderSlice> slices, Workspace& workspace) const override {
    if (before_step) before_step();
    auto& own = static_cast<FakeWorkspace&>(workspace);
    own.logits.clear();
    std::size_t tokens = 0;
    for (const model::DecoderSlice& slice : slices) {
      tokens += slice.tokens.size();
      Write(slice);
    }
    for (const model::DecoderSlice& slice : slices) Read(slice, own.logits);
    if (after_step) after_step(tokens);
    if (tokens == 0 || tokens > own.tokens_max) faults.fetch_add(1);
    tokens_computed.fetch_add(tokens);
    steps.fetch_add(1);
    return own.logits;
  }

  mutable std::atomic<std::uint64_t> faults{0}, tokens_computed{0}, steps{0};
  std::function<void()> before_step;                   // On the engine's thread,
  std::function<void(std::size_t tokens)> after_step;  // as is this.
  base::Status weights;                                // What CheckWeights says.
  float habit = 0;  // How much the last two tokens decide; the rest of the history gives every logit up to 4.

 private:
  struct FakeWorkspace final : Workspace {
    std::uint32_t tokens_max = 0;
    std::vector<float> logits;
  };
  struct Cell {
    std::int32_t token;
    std::uint32_t position;
  };

  static std::byte* Place(const model::DecoderSlice& slice, std::size_t position) {
    return slice.pages[position / model::kKvPageTokens] + sizeof(Cell) * (position % model::kKvPageTokens);
  }

  void Write(const model::DecoderSlice& slice) const {
    const std::size_t end = slice.position + slice.tokens.size();
    if (slice.tokens.empty() || slice.pages.size() * model::kKvPageTokens < end || end > config_.context) {
      faults.fetch_add(1);
      return;
    }
    for (std::size_t i = 0; i < slice.tokens.size(); ++i) {
      const Cell cell{slice.tokens[i], static_cast<std::uint32_t>(slice.position + i)};
      std::memcpy(Place(slice, cell.position), &cell, sizeof cell);
    }
  }

  void Read(const model::DecoderSlice& slice, std::vector<float>& logits) const {
    if (slice.no_logits) return;
    std::uint64_t hash = 0;
    std::uint64_t last = 0;
    bool poisoned = false;
    const std::size_t end = slice.position + slice.tokens.size();
    const std::size_t first_row = slice.all_logits ? slice.position : end - 1;
    for (std::size_t i = 0; i < end; ++i) {
      Cell cell{};
      std::memcpy(&cell, Place(slice, i), sizeof cell);
      if (cell.position != i) faults.fetch_add(1);
      poisoned |= cell.token == kPoisonToken;
      const auto token = static_cast<std::uint64_t>(cell.token);
      hash = base::HashCombine(hash, token);
      if (i >= first_row) AddRow(hash, base::HashCombine(last, token), poisoned, logits);
      last = token;
    }
  }

  void AddRow(std::uint64_t history, std::uint64_t last_two, bool poisoned, std::vector<float>& logits) const {
    base::Random random(history);
    base::Random usual(last_two);
    for (std::uint32_t id = 0; id < config_.vocabulary; ++id) {
      float logit = random.Float() * 4 - (id == kFakeEos ? 2.0F : 0.0F) - (id == kPoisonToken ? 100.0F : 0.0F);
      if (id != kPoisonToken) logit += habit * usual.Float();
      logits.push_back(poisoned ? std::numeric_limits<float>::quiet_NaN() : logit);
    }
  }

  model::ModelConfig config_;
};

// Token 2 is "a", 27 is "z", 28 is "ba" …: letters only, so that stop strings cross tokens.
inline std::string FakeText(TokenId token) {
  std::string text;
  for (std::int32_t rest = token - 2; rest >= 0; rest = rest / 26 - 1) {
    text.insert(text.begin(), static_cast<char>('a' + rest % 26));
  }
  return text;
}

class FakeTexts final : public TokenTextMaker {
 public:
  std::unique_ptr<TokenText> New() const override {
    struct Text final : TokenText {
      void Append(TokenId token, std::string& out) override { out += FakeText(token); }
      void Finish(std::string& out) override { out += "."; }
    };
    return std::make_unique<Text>();
  }
};

}  // namespace loquat::engine
