#include "pipeline/understand.h"

#include <fmt/format.h>

#include <utility>

#include "context/dialogue.h"

namespace loquat::pipeline {
namespace {

using boost::asio::awaitable;

constexpr std::size_t kIdleScratchMax = 64;

// Refuses to begin a stage for a caller who is gone or can no longer be answered in time.
base::Status MayEnter(std::string_view stage, const base::CallContext& call, base::Deadline deadline,
                      const base::Clock& clock) {
  if (call.cancel.cancelled()) return base::Cancelled(fmt::format("the client went away before {}", stage));
  if (deadline.Passed(clock)) {
    return base::DeadlineExceeded(
        fmt::format("the deadline passed before {}; allow more time or send less text", stage));
  }
  return {};
}

float MicrosecondsSince(base::TimePoint start, const base::Clock& clock) {
  return std::chrono::duration<float, std::micro>(clock.Now() - start).count();
}

std::unique_ptr<domain::Session> NextTurn(const context::SessionSnapshot& before, std::string_view id) {
  auto session = before ? std::make_unique<domain::Session>(*before) : std::make_unique<domain::Session>();
  session->id = id;
  ++session->turn_count;
  return session;
}

void Remember(const UnderstandRequest& request, const domain::Frame& frame, std::string reply,
              domain::Session& session) {
  if (session.turns.size() >= kSessionTurnsMax) session.turns.erase(session.turns.begin());
  domain::Turn& turn = session.turns.emplace_back();
  turn.number = session.turn_count;
  turn.text = request.utterance.text;
  turn.reply = std::move(reply);
  if (!frame.intent_ranking.empty()) {
    turn.intent = frame.intent_ranking.front().name;
    turn.confidence = frame.intent_ranking.front().confidence;
  }
}

// Advances the dialogue by this frame and finds the words to answer with; `session` is the state before and after.
std::string Reply(const UnderstandRequest& request, const UnderstandSettings& settings, const domain::Frame& frame,
                  domain::Session& session) {
  const Assistant& assistant = *settings.assistant;
  const context::DialogueStep step =
      context::Advance(assistant.dialogue, frame, request.utterance.text, session.turn_count, session.state);
  std::string reply;
  if (request.want_reply) {
    const std::string_view last_reply = session.turns.empty() ? std::string_view() : session.turns.back().reply;
    assistant.replies.Compose(step, session.state, frame.locale, session.turn_count, last_reply, reply);
  }
  return reply;
}

}  // namespace

UnderstandPipeline::UnderstandPipeline(UnderstandSettings settings, context::SessionStore& sessions,
                                       const base::Clock& clock)
    : sessions_(sessions), clock_(clock), scratch_(kIdleScratchMax), settings_(std::move(settings)) {}

std::shared_ptr<const UnderstandSettings> UnderstandPipeline::settings() const {
  return settings_.Get();
}

void UnderstandPipeline::SetSettings(UnderstandSettings settings) {
  settings_.Swap(std::move(settings));
}

awaitable<base::Status> UnderstandPipeline::Run(const base::CallContext& call, const UnderstandRequest& request,
                                                UnderstandAnswer& answer) {
  const std::shared_ptr<const UnderstandSettings> settings = settings_.Get();

  LOQUAT_CO_TRY(MayEnter("understanding", call, call.deadline, clock_));
  LOQUAT_CO_TRY(Understand(request, *settings, answer));

  LOQUAT_CO_TRY(DecideDelivery(request, *settings, answer));
  const std::chrono::milliseconds timeout = response::TimeoutOf(settings->delivery, answer.delivery.mode);
  const base::Deadline deadline =
      timeout.count() == 0 ? call.deadline : call.deadline.EarlierOf(base::Deadline(call.received_at + timeout));

  co_return co_await Converse(call, deadline, request, *settings, answer);
}

base::Status UnderstandPipeline::Understand(const UnderstandRequest& request, const UnderstandSettings& settings,
                                            UnderstandAnswer& answer) {
  const understanding::UnderstandOptions options{.want_intent = request.want_intent,
                                                 .want_slots = request.want_slots,
                                                 .ranking_max = settings.ranking_max,
                                                 .tokens_max = settings.tokens_max,
                                                 .truncation = settings.truncation,
                                                 .intent_filter = settings.intent_filter.get(),
                                                 .reference_time = request.reference_time,
                                                 .utc_offset_minutes = request.utc_offset_minutes};
  const auto scratch = scratch_.Acquire();
  base::Status done = settings.assistant->Understand(request.utterance, options, *scratch->workspace, answer.frame);
  if (!done.has_value() && done.error().code == base::Code::kInvalidArgument && done.error().param.empty()) {
    done.error().param = "/text";
  }
  return done;
}

base::Status UnderstandPipeline::DecideDelivery(const UnderstandRequest& request, const UnderstandSettings& settings,
                                                UnderstandAnswer& answer) {
  const domain::Frame& frame = answer.frame;
  response::DeliveryRequest delivery{.asked = request.delivery,
                                     .has_callback_url = !request.callback_url.empty(),
                                     .wants_events = request.wants_events,
                                     .partial = !request.utterance.final,
                                     .out_of_scope = frame.out_of_scope};
  if (!frame.intent_ranking.empty()) {
    delivery.intent = frame.intent_ranking.front().name;
    delivery.confidence = frame.intent_ranking.front().confidence;
  }
  LOQUAT_ASSIGN(answer.delivery, response::Decide(settings.delivery, delivery));
  return {};
}

awaitable<base::Status> UnderstandPipeline::Converse(const base::CallContext& call, base::Deadline deadline,
                                                     const UnderstandRequest& request,
                                                     const UnderstandSettings& settings, UnderstandAnswer& answer) {
  const base::TimePoint start = clock_.Now();
  std::string reply;
  answer.session = nullptr;
  answer.reply.reset();
  if (request.utterance.session.empty()) {
    LOQUAT_CO_TRY(MayEnter("the reply was made", call, deadline, clock_));
    domain::Session alone;
    alone.turn_count = 1;
    if (request.want_reply) reply = Reply(request, settings, answer.frame, alone);
  } else {
    // Whoever loses the race for the session starts again from the winner's state, so that no turn is lost.
    for (int attempt = 1; answer.session == nullptr; ++attempt) {
      LOQUAT_CO_TRY(MayEnter("the session was saved", call, deadline, clock_));
      LOQUAT_CO_ASSIGN(const context::SessionSnapshot before, co_await sessions_.Load(request.utterance.session));
      std::unique_ptr<domain::Session> session = NextTurn(before, request.utterance.session);
      reply = Reply(request, settings, answer.frame, *session);
      Remember(request, answer.frame, reply, *session);
      auto saved = co_await sessions_.Save(std::move(session), before ? before->version : 0);
      if (saved.has_value()) {
        answer.session = std::move(*saved);
      } else if (saved.error().code != base::Code::kAborted || attempt >= kSessionSaveAttemptsMax) {
        co_return std::move(saved).error();
      }
    }
  }
  answer.frame.timings.context = MicrosecondsSince(start, clock_);
  answer.frame.timings.total = MicrosecondsSince(call.received_at, clock_);
  if (request.want_reply) {
    answer.reply = domain::Reply{.text = std::move(reply), .delivery = answer.delivery};
  }
  co_return base::Status();
}

}  // namespace loquat::pipeline
