// The waist between serving and models: all that the rest of the server sees of a model that runs. An engine in this
// process, on a GPU or on another host are implementations of Engine. Thread-safe; sinks are called on a thread of the
// engine's, one call at a time for each request, and must neither block nor throw.

#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/call_context.h"
#include "base/result.h"
#include "engine/generation_handle.h"
#include "engine/sampling_options.h"

namespace loquat::text {
class ChatTemplate;
class Tokenizer;
}  // namespace loquat::text

namespace loquat::engine {

struct ModelInfo {
  std::string name;
  // Tokens a sequence may hold; ids; numbers in a pooled vector; segments that an encoder tells apart.
  std::uint32_t context = 0, vocabulary = 0, width = 0, token_types = 0;
  std::vector<std::string> labels;  // Of a classification head.
  bool can_generate = false, can_embed = false, can_classify = false, can_label_tokens = false;
  std::shared_ptr<const text::Tokenizer> tokenizer;         // Null: only token ids go in.
  std::shared_ptr<const text::ChatTemplate> chat_template;  // Null: the model has none.
};

struct GenerateRequest {
  std::vector<TokenId> prompt;
  SamplingOptions sampling;
  std::uint32_t choices = 1;     // Answers to the one prompt, whose keys and values they share.
  std::uint32_t tokens_max = 0;  // Of each answer. Zero: as many as the context leaves.
  bool ignore_eos = false;
  std::vector<std::string> stop;                // An answer ends before the first of them.
  std::optional<std::uint32_t> top_logprobs{};  // Report each token's, with so many alternatives.
  std::string session;                          // Keeps keys and values between calls where memory allows. Empty: none.
};

enum class Finish : std::uint8_t { kStop, kLength, kCancelled, kError };
struct TokenLogprob {
  TokenId token = 0;
  float logprob = 0;
};
struct Delta {  // The spans live as long as the call.
  std::uint32_t choice = 0;
  std::string_view text;  // Whole characters; may lag behind the tokens while they may still become a stop string.
  std::span<const TokenId> tokens;
  std::span<const TokenLogprob> logprobs;  // [tokens, 1 + top_logprobs]: the token, then the likeliest.
  std::optional<Finish> finish;            // Set in the last delta of a choice, exactly once.
};
struct Usage {
  std::uint32_t prompt_tokens = 0, cached_prompt_tokens = 0, generated_tokens = 0;
};
struct GenerationEnd {
  base::Status status;  // Ok: every choice ended by kStop or kLength.
  Usage usage;
  std::uint64_t seed = 0;
  base::Duration queued{}, first_token{}, total{};  // Since the engine took the request.
};
class GenerationSink {
 public:
  virtual ~GenerationSink() = default;
  virtual bool OnDelta(const Delta& delta) = 0;      // False: nobody reads any more; the generation is cancelled.
  virtual void OnEnd(const GenerationEnd& end) = 0;  // Exactly once, last of all.
};
enum class EncodeOutput : std::uint8_t { kPooled, kLogits };
struct EncodeRequest {
  std::vector<std::vector<TokenId>> texts;  // With the model's special tokens.
  EncodeOutput output = EncodeOutput::kPooled;
  std::vector<std::vector<std::int32_t>> token_types{};  // As the texts. Empty: all zero.
};
struct EncodeResult {
  std::vector<std::vector<float>> rows;  // A text's vector (not normalised), logits, or [token, label].
  std::uint32_t tokens = 0;
};
using EncodeDone = std::move_only_function<void(base::Result<EncodeResult>)>;  // Called exactly once if Encode took it.
struct EngineStats {
  std::uint32_t running = 0, queued = 0, kv_pages_used = 0, kv_pages_cached = 0, kv_pages = 0;
};
class Engine {
 public:
  virtual ~Engine() = default;  // Whatever has not ended ends with kUnavailable before this returns.
  virtual const ModelInfo& info() const = 0;
  // A refusal is immediate, says why in Error::reason, and when to try again where that helps.
  virtual base::Result<GenerationHandle> Generate(const base::CallContext& call, GenerateRequest request,
                                                  std::shared_ptr<GenerationSink> sink) = 0;
  virtual base::Status Encode(const base::CallContext& call, EncodeRequest request, EncodeDone done) = 0;
  // Ok while the engine's own loop turns: what it says is what a request would meet. Does not wait.
  virtual base::Status Health() const = 0;
  virtual EngineStats Stats() const = 0;
};

}  // namespace loquat::engine
