#include "ingress/openai/generation_answer.h"

#include <string>
#include <utility>
#include <vector>

namespace loquat::ingress::openai {
namespace {

using boost::asio::awaitable;
using pipeline::AnswerDelta;

awaitable<void> AnswerWhole(HttpCall& call, pipeline::Generation& generation, AnswerWriter& writer,
                            std::size_t choice_count) {
  std::vector<AnswerDelta> choices(choice_count);
  for (std::size_t i = 0; i < choices.size(); ++i) choices[i].choice = static_cast<std::uint32_t>(i);
  std::vector<AnswerDelta> deltas;
  while (co_await generation.Next(deltas)) {
    for (const AnswerDelta& delta : deltas) {
      AnswerDelta& choice = choices[delta.choice];
      choice.text += delta.text;
      choice.tokens.insert(choice.tokens.end(), delta.tokens.begin(), delta.tokens.end());
      choice.logprobs.insert(choice.logprobs.end(), delta.logprobs.begin(), delta.logprobs.end());
      if (delta.finish) choice.finish = delta.finish;
    }
  }
  const base::Status status = generation.status();
  if (status.has_value()) {
    call.Respond(200, kJson, writer.Whole(choices));
  } else {
    call.Fail(status.error());
  }
}

awaitable<void> AnswerEvents(HttpCall& call, pipeline::Generation& generation, AnswerWriter& writer) {
  std::vector<AnswerDelta> deltas;
  std::string events;
  // The status line waits for the first news, so that a refusal from the queue is still a proper one.
  bool more = co_await generation.Next(deltas);
  if (!more && !generation.status().has_value()) {
    call.Fail(generation.status().error());
    co_return;
  }
  call.BeginEvents();
  for (; more; more = co_await generation.Next(deltas)) {
    events.clear();
    for (const AnswerDelta& delta : deltas) writer.AppendDelta(delta, events);
    const base::Status written = co_await call.exchange().Write(events);
    if (!written.has_value()) {
      call.Fail(written.error());
      co_return;
    }
  }
  events.clear();
  const base::Status status = generation.status();
  if (status.has_value()) {
    writer.AppendUsage(events);
    AnswerWriter::AppendDone(events);
  } else {
    call.Fail(status.error());
    AnswerWriter::AppendError(status.error(), events);
  }
  const base::Status written = co_await call.exchange().Write(events);
  // A client that has gone needs no end of the stream, and nobody else is there to tell.
  if (written.has_value()) static_cast<void>((co_await call.exchange().Finish()).has_value());
}

}  // namespace

awaitable<void> ServeGeneration(pipeline::GenerateUseCase& generate, HttpCall& call, const GenerationBody& body,
                                AnswerForm form, const base::Clock& clock) {
  call.context().cancel = call.exchange().WatchDisconnect();
  auto generation = co_await generate.Start(call.context(), body.input);
  if (!generation.has_value()) {
    call.Fail(generation.error());
    co_return;
  }
  const engine::GenerateRequest& request = body.input.request;
  const auto now = clock.WallNow().time_since_epoch();
  AnswerWriter writer({.form = form,
                       .request_id = call.context().request_id,
                       .created = std::chrono::duration_cast<std::chrono::seconds>(now).count(),
                       .include_usage = body.include_usage,
                       .return_token_ids = body.return_token_ids,
                       .top_logprobs = request.top_logprobs,
                       .choices = request.choices},
                      **generation);
  if (body.stream) {
    co_await AnswerEvents(call, **generation, writer);
  } else {
    co_await AnswerWhole(call, **generation, writer, body.input.prompts.size() * request.choices);
  }
}

}  // namespace loquat::ingress::openai
