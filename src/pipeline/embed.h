// The use case of embeddings: texts to vectors, pooled as the model's files say, by an encoder of this server.
//
// Thread-safe: Run from any I/O thread. References outlive the use case.

#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/call_context.h"
#include "base/result.h"
#include "engine/engine.h"
#include "pipeline/model_set.h"
#include "pipeline/prompt_workers.h"
#include "text/truncation.h"

namespace loquat::pipeline {

// Text, or tokens with the special ones that the model wants.
using EmbedText = std::variant<std::string, std::vector<engine::TokenId>>;

struct EmbedInput {
  std::string model;
  std::vector<EmbedText> texts;  // At least one.
  // What to leave out of a text that is longer than the context; lists of tokens are never cut.
  text::TruncationPolicy truncation = text::TruncationPolicy::kError;
  bool normalize = true;  // To length one, as OpenAI's vectors are.
};

struct EmbedAnswer {
  std::vector<std::vector<float>> rows;  // [texts][width]
  std::vector<std::uint32_t> cut;        // [texts], tokens that were left out.
  std::uint32_t tokens = 0;              // That were read, of all texts.
};

class EmbedUseCase {
 public:
  EmbedUseCase(const ModelSet& models, PromptWorkers& workers) : models_(models), workers_(workers) {}

  // Errors: not_found "model_not_found"; failed_precondition where the model makes no vectors; invalid_argument
  // "context_length_exceeded" for a text that is too long and may not be cut; the engine's refusals.
  boost::asio::awaitable<base::Result<EmbedAnswer>> Run(const base::CallContext& call, const EmbedInput& input);

  // Ends every call, now and later, with unavailable; none holds a coroutine after it returns.
  void Stop() { stop_.Cancel(); }

 private:
  static base::Result<CutTokens> Encode(const ServedModel& model, const EmbedInput& input, std::size_t index);
  boost::asio::awaitable<base::Result<engine::EncodeResult>> Ask(const base::CallContext& call,
                                                                 const ServedModel& model,
                                                                 engine::EncodeRequest request);

  const ModelSet& models_;
  PromptWorkers& workers_;
  base::CancelSource stop_;
};

}  // namespace loquat::pipeline
