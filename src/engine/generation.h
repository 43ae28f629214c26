// One request for answers inside the engine, and its choices: what the client asked, what is out already, and how it
// goes to the sink. Made by the caller's thread, then owned by the engine's.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/call_context.h"
#include "engine/admission.h"
#include "engine/drafter.h"
#include "engine/engine.h"
#include "engine/sampler.h"
#include "engine/sequence.h"
#include "engine/stop_matcher.h"
#include "engine/token_text.h"

namespace loquat::engine {

inline constexpr std::uint32_t kChoicesMax = 128;
inline constexpr std::size_t kSessionBytesMax = 256;

// What a request is held against.
struct GenerateLimits {
  std::uint32_t context = 0;  // Tokens of prompt and answer together.
  std::uint32_t vocabulary = 0;
  std::uint32_t choices_max = kChoicesMax;
};

struct Generation;

struct Choice : Sequence {
  Choice(Generation& owner, const TokenTextMaker& texts, std::uint32_t number);

  Generation& generation;
  std::unique_ptr<TokenText> text;
  StopMatcher stop;
  std::optional<Drafter> drafter;  // None: not started, or drafts are off.
  std::optional<Finish> finish;
  base::TimePoint last_token_at;

  std::uint32_t generated() const { return length() - prompt_tokens; }
  std::uint32_t tokens_left() const;  // That the answer may still have.
};

struct Generation {
  // Checks the request and makes its first choice. `call` is copied from, not kept.
  static base::Result<std::unique_ptr<Generation>> Create(const base::CallContext& call, GenerateRequest asked,
                                                          std::shared_ptr<GenerationSink> sink,
                                                          const GenerateLimits& limits, const TokenTextMaker& texts,
                                                          base::TimePoint now);

  // Appends the token to the choice and tells the sink. True: the choice has ended.
  bool Emit(Choice& choice, TokenId token, std::span<const TokenLogprob> logprobs, std::span<const TokenId> eos_tokens,
            base::TimePoint now);
  // Tells the sink of a choice that ends without a token of its own.
  void EmitFinish(Choice& choice, Finish finish);
  void EmitEnd(base::Status status, base::TimePoint now);

  bool cancelled() const { return gone || caller_cancel.cancelled() || handle_token.cancelled(); }
  bool forked() const { return choices.size() > 1; }

  // Constant after Create.
  GenerateRequest request;
  std::shared_ptr<GenerationSink> sink;
  base::CancelToken caller_cancel;
  base::CancelSource handle_cancel;
  base::CancelToken handle_token = handle_cancel.token();
  base::Deadline deadline;
  base::TimePoint received_at;
  std::uint64_t seed = 0;
  std::shared_ptr<const StopStrings> stop_strings;  // Null: none.
  Work work;

  // Engine thread only.
  std::vector<std::unique_ptr<Choice>> choices;  // The first, until the prompt is computed; then all.
  bool gone = false;                             // The sink reads no more.
  bool started = false;                          // Left the queue for the first time.
  base::TimePoint started_at, first_token_at;
  std::uint64_t computed_tokens = 0;
  Usage usage;

 private:
  std::string text_;  // Scratch.
  std::string piece_;
};

}  // namespace loquat::engine
