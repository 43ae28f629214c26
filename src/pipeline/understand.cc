#include "pipeline/understand.h"

#include <fmt/format.h>

#include <utility>

#include "context/dialogue.h"
#include "pipeline/actions.h"

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

understanding::UnderstandOptions OptionsFor(const UnderstandRequest& request, const UnderstandSettings& settings) {
  return {.want_intent = request.want_intent,
          .want_slots = request.want_slots,
          .ranking_max = settings.ranking_max,
          .tokens_max = settings.tokens_max,
          .truncation = settings.truncation,
          .intent_filter = settings.intent_filter.get(),
          .reference_time = request.reference_time,
          .early_risk_max = settings.early_risk_max,
          .utc_offset_minutes = request.utc_offset_minutes};
}

// Says which field was at fault.
base::Error AtText(base::Error error) {
  if (error.code == base::Code::kInvalidArgument && error.param.empty()) error.param = "/text";
  return error;
}

base::Error NoEmbeddingModel() {
  return {.code = base::Code::kFailedPrecondition,
          .message = "this server has no encoder for embeddings (encoders.embedding.model); leave the feature out",
          .reason = "no_embedding_model",
          .param = "/features"};
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

void Remember(const UnderstandRequest& request, const domain::Frame& frame, std::string reply, base::WallTime at,
              domain::Session& session) {
  if (session.turns.size() >= kSessionTurnsMax) session.turns.erase(session.turns.begin());
  domain::Turn& turn = session.turns.emplace_back();
  turn.number = session.turn_count;
  turn.text = request.utterance.text;
  turn.reply = std::move(reply);
  turn.at = at;
  if (!frame.intent_ranking.empty()) {
    turn.intent = frame.intent_ranking.front().name;
    turn.confidence = frame.intent_ranking.front().confidence;
  }
}

// The domain's words for what the dialogue made of the frame; `session` is the state after it.
std::string Words(const UnderstandSettings& settings, const context::DialogueStep& step, domain::Locale locale,
                  const domain::Session& session) {
  std::string words;
  const std::string_view last_reply = session.turns.empty() ? std::string_view() : session.turns.back().reply;
  settings.assistant->replies.Compose(step, session.state, locale, session.turn_count, last_reply, words);
  return words;
}

bool MayWait(const UnderstandSettings& settings) {
  return settings.reply != nullptr || settings.encoders != nullptr;
}

static_assert(kReplyTurnsMax == kSessionTurnsMax, "a model is shown the whole window");

}  // namespace

base::Status CheckTextBytes(std::size_t bytes, std::size_t bytes_max, std::string_view param) {
  if (bytes <= bytes_max) return {};
  return base::Error{.code = base::Code::kResourceExhausted,
                     .message = fmt::format("the text has {} bytes; at most {} are allowed (understand.text_bytes_max)",
                                            bytes, bytes_max),
                     .reason = "text_too_large",
                     .param = std::string(param)};
}

UnderstandPipeline::UnderstandPipeline(UnderstandSettings settings, context::SessionStore& sessions,
                                       const base::Clock& clock, const RoadParts& parts)
    : sessions_(sessions),
      clock_(clock),
      parts_(parts),
      may_wait_(MayWait(settings)),
      scratch_(kIdleScratchMax),
      settings_(std::move(settings)) {}

bool UnderstandPipeline::may_wait() const {
  const bool acts = parts_.actions != nullptr && parts_.actions->available();
  return acts || may_wait_.load(std::memory_order_relaxed);
}

std::shared_ptr<const UnderstandSettings> UnderstandPipeline::settings() const {
  return settings_.Get();
}

void UnderstandPipeline::SetSettings(UnderstandSettings settings) {
  may_wait_.store(MayWait(settings), std::memory_order_relaxed);
  settings_.Swap(std::move(settings));
}

awaitable<base::Status> UnderstandPipeline::Run(const base::CallContext& call, const UnderstandRequest& request,
                                                UnderstandAnswer& answer, response::AnswerSink* sink) {
  const std::shared_ptr<const UnderstandSettings> settings = settings_.Get();
  Turn turn{call, request, *settings, answer, sink, call.deadline};
  answer.frame.embedding.clear();
  answer.frame.notes.clear();

  LOQUAT_CO_TRY(MayEnter("understanding", call, call.deadline, clock_));
  if (settings->encoders != nullptr) {
    LOQUAT_CO_TRY(co_await UnderstandWithEncoders(turn));
  } else {
    if (request.want_embedding) co_return NoEmbeddingModel();
    LOQUAT_CO_TRY(Understand(turn, request.want_intent, request.want_slots));
  }

  LOQUAT_CO_TRY(DecideDelivery(turn));
  if (answer.delivery.mode == domain::DeliveryMode::kCallback && !request.callback_accepted) {
    answer.session = nullptr;
    answer.reply.reset();
    co_return base::Status();
  }
  const std::chrono::milliseconds timeout = response::TimeoutOf(settings->delivery, answer.delivery.mode);
  if (timeout.count() != 0) turn.deadline = call.deadline.EarlierOf(base::Deadline(call.received_at + timeout));

  co_return co_await Converse(turn);
}

base::Status UnderstandPipeline::Preview(const UnderstandRequest& request, ArrivingText& arriving) {
  const std::shared_ptr<const UnderstandSettings> settings = settings_.Get();
  const auto scratch = scratch_.Acquire();
  base::Status read = settings->assistant->Read(request.utterance, OptionsFor(request, *settings), *scratch->workspace,
                                                arriving.reader, arriving.frame, arriving.stability);
  if (!read.has_value()) return AtText(std::move(read).error());
  arriving.turn_end = arriving.reader.JudgeEnd(0, settings->end_of_turn);
  arriving.complete = arriving.turn_end.wait_ms < settings->end_of_turn.pause_ms_max;
  return {};
}

base::Status UnderstandPipeline::Understand(const Turn& turn, bool want_intent, bool want_slots) {
  understanding::UnderstandOptions options = OptionsFor(turn.request, turn.settings);
  options.want_intent = want_intent;
  options.want_slots = want_slots;
  const auto scratch = scratch_.Acquire();
  base::Status done =
      turn.settings.assistant->Understand(turn.request.utterance, options, *scratch->workspace, turn.answer.frame);
  if (!done.has_value()) return AtText(std::move(done).error());
  return {};
}

awaitable<base::Status> UnderstandPipeline::UnderstandWithEncoders(const Turn& turn) {
  const UnderstandRequest& request = turn.request;
  const FrameEncoders& encoders = *turn.settings.encoders;
  const bool has_embedding = encoders.embedding_model() != nullptr;
  if (request.want_embedding && !has_embedding) co_return NoEmbeddingModel();
  FrameReading reading(encoders, *parts_.workers, clock_, turn.call, stop_.token(),
                       {.text = request.utterance.text,
                        .intent = request.want_intent,
                        .slots = request.want_slots,
                        .embedding = has_embedding && (request.want_embedding || encoders.embedding().always),
                        .ranking_max = turn.settings.ranking_max,
                        .truncation = turn.settings.truncation});
  co_await reading.Ask();
  LOQUAT_CO_TRY(Understand(turn, request.want_intent && encoders.assistant_ranks(),
                           request.want_slots && encoders.assistant_tags()));
  domain::Frame& frame = turn.answer.frame;
  LOQUAT_CO_TRY(co_await reading.Finish(frame));
  if (reading.added_slots()) {
    turn.settings.assistant->values.Apply(
        request.utterance.text, {.utc = request.reference_time, .utc_offset_minutes = request.utc_offset_minutes},
        frame);
  }
  co_return base::Status();
}

base::Status UnderstandPipeline::DecideDelivery(const Turn& turn) {
  const domain::Frame& frame = turn.answer.frame;
  response::DeliveryRequest delivery{.asked = turn.request.delivery,
                                     .has_callback_url = !turn.request.callback_url.empty(),
                                     .accepted = turn.request.callback_accepted,
                                     .wants_events = turn.request.wants_events,
                                     .partial = !turn.request.utterance.final,
                                     .out_of_scope = frame.out_of_scope};
  if (!frame.intent_ranking.empty()) {
    delivery.intent = frame.intent_ranking.front().name;
    delivery.confidence = frame.intent_ranking.front().confidence;
  }
  LOQUAT_ASSIGN(turn.answer.delivery, response::Decide(turn.settings.delivery, delivery));
  return {};
}

awaitable<base::Status> UnderstandPipeline::TakeAction(Turn& turn, const context::DialogueStep& step,
                                                       domain::Session& session) {
  if (parts_.actions == nullptr || !turn.request.utterance.final) co_return base::Status();
  domain::Reply& reply = *turn.answer.reply;
  // What was done stands, also after a lost race for the session.
  if (!reply.action) {
    const ActionQuestion question{.frame = turn.answer.frame,
                                  .session = session,
                                  .step = step,
                                  .text = turn.request.utterance.text,
                                  .work_id = turn.request.work_id};
    if (!parts_.actions->Acts(question)) co_return base::Status();
    const base::TimePoint start = clock_.Now();
    ActionAnswer acted = co_await parts_.actions->Act(turn.call, question);
    turn.answer.frame.timings.response = MicrosecondsSince(start, clock_);
    // The limit of an answer at once does not hold for what others do: the action's own did.
    turn.deadline = turn.call.deadline;
    reply.action = std::move(acted.action);
    turn.kept = std::move(acted.kept);
    reply.source = domain::ReplySource::kAction;
    for (const auto& [name, slot] : turn.kept) session.state.filled[name] = slot;
    // The domain's words may name what the action gave the session.
    reply.text =
        acted.words.empty() ? Words(turn.settings, step, turn.answer.frame.locale, session) : std::move(acted.words);
  }
  for (const auto& [name, slot] : turn.kept) session.state.filled[name] = slot;
  co_return MayEnter("the reply was given", turn.call, turn.deadline, clock_);
}

awaitable<base::Status> UnderstandPipeline::AskModel(Turn& turn, const context::DialogueStep& step,
                                                     const domain::Session& session) {
  const ReplyRule& rule = *turn.settings.reply;
  domain::Reply& reply = *turn.answer.reply;
  std::string why = rule.Why(turn.answer.frame, step);
  if (why.empty()) co_return base::Status();
  reply.generation = domain::ReplyGeneration{.model = rule.policy().model, .reason = std::move(why), .failed = {}};
  if (turn.sink != nullptr) LOQUAT_CO_TRY(co_await turn.sink->OnFrame(turn.answer.frame));

  const base::TimePoint start = clock_.Now();
  const ReplyQuestion question{
      .frame = turn.answer.frame, .session = session, .text = turn.request.utterance.text, .domain_reply = reply.text};
  auto written = co_await parts_.replies->Write(turn.call, rule, question, turn.sink);
  turn.answer.frame.timings.response = MicrosecondsSince(start, clock_);
  // The limit of an answer at once does not hold for what is made token by token: the rule's own did.
  turn.deadline = turn.call.deadline;
  if (written.has_value()) {
    reply.text = std::move(written->text);
    reply.source = domain::ReplySource::kModel;
    reply.generation->cut = written->cut;
    reply.generation->turns_left_out = written->turns_left_out;
  } else if (written.error().code == base::Code::kCancelled) {
    co_return std::move(written).error();
  } else {
    reply.generation->failed = std::move(written).error();
  }
  co_return MayEnter("the reply was given", turn.call, turn.deadline, clock_);
}

awaitable<base::Status> UnderstandPipeline::Converse(Turn& turn) {
  const base::TimePoint start = clock_.Now();
  const UnderstandRequest& request = turn.request;
  UnderstandAnswer& answer = turn.answer;
  const bool may_generate = request.want_reply && turn.settings.reply != nullptr;
  answer.session = nullptr;
  answer.reply.reset();
  if (request.want_reply) answer.reply.emplace();
  // The dialogue's next step, and the words for it unless a model has found some already.
  const auto advance = [&](domain::Session& session) {
    context::DialogueStep step = context::Advance(turn.settings.assistant->dialogue, answer.frame,
                                                  request.utterance.text, session.turn_count, session.state);
    if (answer.reply && answer.reply->source == domain::ReplySource::kTemplate) {
      answer.reply->text = Words(turn.settings, step, answer.frame.locale, session);
    }
    return step;
  };
  if (request.utterance.session.empty()) {
    LOQUAT_CO_TRY(MayEnter("the reply was made", turn.call, turn.deadline, clock_));
    domain::Session alone;
    alone.turn_count = 1;
    if (request.want_reply) {
      const context::DialogueStep step = advance(alone);
      LOQUAT_CO_TRY(co_await TakeAction(turn, step, alone));
      if (may_generate && !answer.reply->action) LOQUAT_CO_TRY(co_await AskModel(turn, step, alone));
    }
  } else {
    // Whoever loses the race for the session starts again from the winner's state, so that no turn is lost.
    for (int attempt = 1; answer.session == nullptr; ++attempt) {
      LOQUAT_CO_TRY(MayEnter("the session was saved", turn.call, turn.deadline, clock_));
      LOQUAT_CO_ASSIGN(const context::SessionSnapshot before, co_await sessions_.Load(request.utterance.session));
      std::unique_ptr<domain::Session> session = NextTurn(before, request.utterance.session);
      const context::DialogueStep step = advance(*session);
      if (answer.reply) LOQUAT_CO_TRY(co_await TakeAction(turn, step, *session));
      // What a model has said stands, also after a lost race.
      if (may_generate && !answer.reply->generation && !answer.reply->action)
        LOQUAT_CO_TRY(co_await AskModel(turn, step, *session));
      Remember(request, answer.frame, answer.reply ? answer.reply->text : std::string(), clock_.WallNow(), *session);
      auto saved = co_await sessions_.Save(std::move(session), before ? before->version : 0);
      if (saved.has_value()) {
        answer.session = std::move(*saved);
      } else if (saved.error().code != base::Code::kAborted || attempt >= kSessionSaveAttemptsMax) {
        co_return std::move(saved).error();
      }
    }
  }
  answer.frame.timings.context = MicrosecondsSince(start, clock_) - answer.frame.timings.response;
  answer.frame.timings.total = MicrosecondsSince(turn.call.received_at, clock_);
  if (answer.reply) answer.reply->delivery = answer.delivery;
  co_return base::Status();
}

}  // namespace loquat::pipeline
