// The use case of generation: prompts in the form that an API has them, to answers as they come from a model of this
// server.
//
// Thread-safe: Start from any I/O thread. References outlive the use case, and it outlives its generations.

#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/call_context.h"
#include "base/result.h"
#include "engine/engine.h"
#include "pipeline/generation_stream.h"
#include "pipeline/model_set.h"
#include "pipeline/prompt_workers.h"

namespace loquat::pipeline {

// A conversation, text, or tokens.
using Prompt = std::variant<ChatPrompt, std::string, std::vector<engine::TokenId>>;

struct GenerateInput {
  std::string model;
  std::vector<Prompt> prompts;      // At least one; choice c of prompt p is number p * choices + c.
  engine::GenerateRequest request;  // For each of them; its own prompt is not looked at.
  bool bounded = false;             // The reader takes deltas as they come: one that falls behind is cut.
};

// One request's answers on their way. I/O thread of its request only. Dropping it cancels what has not ended.
class Generation {
 public:
  Generation(const ServedModel& model, std::size_t buffer_bytes_max)
      : model_(model), stream_(std::make_shared<GenerationStream>(buffer_bytes_max)) {}
  ~Generation();
  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;

  // As GenerationStream.
  boost::asio::awaitable<bool> Next(std::vector<AnswerDelta>& deltas) { return stream_->Next(deltas); }
  base::Status status() const { return stream_->status(); }
  // Prompt tokens count from the start; the rest is whole at the end.
  engine::Usage usage() const;

  const ServedModel& model() const { return model_; }
  const std::vector<std::vector<engine::TokenId>>& prompts() const { return prompts_; }  // As tokens.

 private:
  friend class GenerateUseCase;
  using Watch = base::CancelCallback<std::function<void()>>;

  const ServedModel& model_;
  const std::shared_ptr<GenerationStream> stream_;
  std::vector<std::vector<engine::TokenId>> prompts_;
  std::vector<engine::GenerationHandle> handles_;
  std::unique_ptr<Watch> client_gone_, stopping_;
};

class GenerateUseCase {
 public:
  GenerateUseCase(const ModelSet& models, PromptWorkers& workers) : models_(models), workers_(workers) {}

  // Errors: not_found "model_not_found"; invalid_argument for options and tokens out of range, and
  // "context_length_exceeded" for a prompt that leaves no room for the answer asked for, which is never cut in silence;
  // failed_precondition where the model cannot generate or chat; the engine's refusals.
  boost::asio::awaitable<base::Result<std::unique_ptr<Generation>>> Start(const base::CallContext& call,
                                                                          const GenerateInput& input);

  const ModelSet& models() const { return models_; }
  // Ends every generation, now and later, with unavailable; none holds a coroutine after it returns.
  void Stop() { stop_.Cancel(); }

 private:
  base::Result<std::vector<engine::TokenId>> Encode(const ServedModel& model, const GenerateInput& input,
                                                    std::size_t index) const;

  const ModelSet& models_;
  PromptWorkers& workers_;
  base::CancelSource stop_;
};

}  // namespace loquat::pipeline
