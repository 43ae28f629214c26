#include "engine/generation.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/hash.h"

namespace loquat::engine {
namespace {

base::Status CheckPrompt(std::span<const TokenId> prompt, const GenerateLimits& limits) {
  if (prompt.empty()) return base::InvalidArgument("the prompt has no tokens", "/prompt");
  if (prompt.size() >= limits.context) {
    base::Error error = base::InvalidArgument(
        fmt::format("the prompt has {} tokens; the model's context of {} leaves no room for an answer: shorten it, "
                    "for nothing is cut silently",
                    prompt.size(), limits.context),
        "/prompt");
    error.reason = "context_length_exceeded";
    return error;
  }
  const auto bad = std::find_if(prompt.begin(), prompt.end(), [&](TokenId id) {
    return id < 0 || static_cast<std::uint32_t>(id) >= limits.vocabulary;
  });
  if (bad == prompt.end()) return {};
  return base::InvalidArgument(
      fmt::format("the prompt holds token {}; the model's tokens are 0 to {}", *bad, limits.vocabulary - 1),
      fmt::format("/prompt/{}", bad - prompt.begin()));
}

base::Status CheckRequest(const GenerateRequest& request, const GenerateLimits& limits) {
  LOQUAT_TRY(CheckPrompt(request.prompt, limits));
  LOQUAT_TRY(ValidateSampling(request.sampling, limits.vocabulary));
  const std::uint32_t choices_max = std::min(limits.choices_max, kChoicesMax);
  if (request.choices == 0 || request.choices > choices_max) {
    return base::InvalidArgument(fmt::format("n is {}; it must lie between 1 and {}", request.choices, choices_max),
                                 "/n");
  }
  if (request.choices > 1 && request.sampling.greedy()) {
    return base::InvalidArgument("n above 1 contradicts temperature 0: all choices would be the same", "/n");
  }
  if (const std::uint32_t top_max = std::min(kTopLogprobsMax, limits.vocabulary);
      request.top_logprobs.value_or(0) > top_max) {
    return base::InvalidArgument(
        fmt::format("top_logprobs is {}; it must lie between 0 and {}", *request.top_logprobs, top_max),
        "/top_logprobs");
  }
  if (request.session.size() > kSessionBytesMax) {
    return base::InvalidArgument(fmt::format("the session's name has more than {} bytes", kSessionBytesMax),
                                 "/session");
  }
  return {};
}

// For a client who gave no seed: differs between requests, and is reported so that the answer can be had again.
std::uint64_t DrawSeed(const base::CallContext& call, base::TimePoint now) {
  const auto ticks = static_cast<std::uint64_t>(now.time_since_epoch().count());
  const auto& trace = call.trace.trace_id;
  const std::uint64_t ids = base::Hash64(std::string_view(reinterpret_cast<const char*>(trace.data()), trace.size()),
                                         base::Hash64(call.request_id, ticks));
  // 53 bits: a seed that JSON's numbers carry unharmed.
  return ids >> 11;
}

}  // namespace

Choice::Choice(Generation& owner, const TokenTextMaker& texts, std::uint32_t number)
    : generation(owner), text(texts.New()), stop(owner.stop_strings) {
  choice = number;
  priority = owner.work.lane;
  prompt_tokens = owner.work.prompt_tokens;
  tokens = owner.request.prompt;
}

std::uint32_t Choice::tokens_left() const {
  return generation.request.tokens_max - generated();
}

base::Result<std::unique_ptr<Generation>> Generation::Create(const base::CallContext& call, GenerateRequest asked,
                                                             std::shared_ptr<GenerationSink> sink,
                                                             const GenerateLimits& limits, const TokenTextMaker& texts,
                                                             base::TimePoint now) {
  LOQUAT_TRY(CheckRequest(asked, limits));
  auto generation = std::make_unique<Generation>();
  Generation& made = *generation;
  if (!asked.stop.empty()) {
    LOQUAT_ASSIGN(made.stop_strings, StopStrings::Create(asked.stop));
  }
  made.request = std::move(asked);
  GenerateRequest& request = made.request;
  const auto prompt_tokens = static_cast<std::uint32_t>(request.prompt.size());
  const std::uint32_t room = limits.context - prompt_tokens;
  request.tokens_max = request.tokens_max == 0 ? room : std::min(request.tokens_max, room);
  made.sink = std::move(sink);
  made.caller_cancel = call.cancel;
  made.deadline = call.deadline;
  made.received_at = now;
  made.seed = request.sampling.seed.has_value() ? *request.sampling.seed : DrawSeed(call, now);
  made.work = {.lane = call.priority, .prompt_tokens = prompt_tokens, .answer_tokens_max = request.tokens_max};
  made.usage.prompt_tokens = prompt_tokens;
  made.choices.push_back(std::make_unique<Choice>(made, texts, 0));
  made.choices.front()->slots = request.choices;
  return generation;
}

bool Generation::Emit(Choice& choice, TokenId token, std::span<const TokenLogprob> logprobs,
                      std::span<const TokenId> eos_tokens, base::TimePoint now) {
  choice.tokens.push_back(token);
  choice.last_token_at = now;
  ++usage.generated_tokens;
  text_.clear();
  piece_.clear();
  const bool eos = !request.ignore_eos && std::find(eos_tokens.begin(), eos_tokens.end(), token) != eos_tokens.end();
  if (!eos) choice.text->Append(token, piece_);
  bool stopped = choice.stop.Append(piece_, text_);
  const bool full = choice.generated() >= request.tokens_max;
  if (!stopped && (eos || full)) {
    piece_.clear();
    choice.text->Finish(piece_);
    stopped = choice.stop.Append(piece_, text_);
    choice.stop.Finish(text_);
  }
  if (eos || stopped) {
    choice.finish = Finish::kStop;
  } else if (full) {
    choice.finish = Finish::kLength;
  }
  if (!gone) {
    gone = !sink->OnDelta({.choice = choice.choice,
                           .text = text_,
                           .tokens = std::span(&token, 1),
                           .logprobs = logprobs,
                           .finish = choice.finish});
  }
  return choice.finish.has_value();
}

void Generation::EmitFinish(Choice& choice, Finish finish) {
  choice.finish = finish;
  if (!gone) gone = !sink->OnDelta({.choice = choice.choice, .finish = finish});
}

void Generation::EmitEnd(base::Status status, base::TimePoint now) {
  GenerationEnd end{.status = std::move(status), .usage = usage, .seed = seed, .total = now - received_at};
  end.queued = (started ? started_at : now) - received_at;
  end.first_token = usage.generated_tokens > 0 ? first_token_at - received_at : base::Duration{};
  sink->OnEnd(end);
}

}  // namespace loquat::engine
