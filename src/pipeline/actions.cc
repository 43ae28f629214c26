#include "pipeline/actions.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "observe/trace.h"

namespace loquat::pipeline {
namespace {

using boost::asio::awaitable;
using response::FieldValues;
using response::SagaState;
using response::SagaView;

// The answer needs a moment to go out before the caller's deadline: this part of what is left, within bounds.
constexpr int kAnswerShare = 10;
constexpr std::chrono::milliseconds kAnswerTimeMin{5};
constexpr std::chrono::milliseconds kAnswerTimeMax{100};

FieldValues FieldsOf(const base::CallContext& call, const ActionQuestion& question) {
  FieldValues fields;
  fields["text"].text = question.text;
  fields["locale"].text = domain::LocaleName(question.frame.locale);
  fields["intent"].text = question.step.intent;
  fields["request.id"].text = call.request_id;
  fields["tenant"].text = call.tenant;
  fields["session.turn"] = {.text = std::to_string(question.session.turn_count), .literal = true};
  if (!question.session.id.empty()) fields["session.id"].text = question.session.id;
  for (const auto& [name, slot] : question.session.state.filled) {
    fields["slots." + name].text = slot.value;
    if (!slot.normalized.empty()) fields["slots." + name + ".normalized"].text = slot.normalized;
  }
  return fields;
}

const std::string& OutcomeOf(const SagaView& view) {
  static const std::string kNone;
  const auto failed = std::ranges::find(view.steps, view.failed_step, &response::StepView::name);
  return failed == view.steps.end() ? kNone : failed->call.outcome;
}

// Why nothing came of it.
base::Error FailureOf(const SagaView& view) {
  const auto failed = std::ranges::find(view.steps, view.failed_step, &response::StepView::name);
  if (failed == view.steps.end()) return base::Unavailable("the action failed");
  const std::string& outcome = OutcomeOf(view);
  base::Error error = base::Unavailable(fmt::format("step {}: {}", view.failed_step, failed->call.detail));
  if (outcome == "timeout" || outcome == "out_of_time") error.code = base::Code::kDeadlineExceeded;
  if (outcome == "4xx" || outcome == "3xx" || outcome == "mapping" || outcome == "refused") {
    error.code = base::Code::kFailedPrecondition;
  }
  error.reason = "action_" + outcome;
  return error;
}

response::SagaWordsFor WordsFor(SagaState state) {
  if (state == SagaState::kDone) return response::SagaWordsFor::kDone;
  return state == SagaState::kRunning ? response::SagaWordsFor::kPending : response::SagaWordsFor::kFailed;
}

std::string Words(const response::SagaWords& words, response::SagaWordsFor use, std::string_view failed_step,
                  const ActionQuestion& question, const FieldValues& fields) {
  const auto lookup = [&](std::string_view name) -> std::string_view {
    const auto slot = question.session.state.filled.find(std::string(name));
    if (slot != question.session.state.filled.end()) return slot->second.value;
    const auto field = fields.find(name);
    return field == fields.end() ? std::string_view() : std::string_view(field->second.text);
  };
  const auto say = [&](const response::WordsPerLocale& variants) {
    return response::SayWords(variants, question.frame.locale, question.session.turn_count, lookup);
  };
  if (use == response::SagaWordsFor::kDone) return say(words.replies);
  if (use == response::SagaWordsFor::kPending) return say(words.pending);
  const auto step = words.failed_step.find(failed_step);
  std::string own = step == words.failed_step.end() ? std::string() : say(step->second);
  return own.empty() ? say(words.failed) : own;
}

void Keep(const response::SagaDefinition& saga, const FieldValues& fields, std::uint64_t turn,
          std::map<std::string, domain::FilledSlot>& kept) {
  for (const auto& [slot, source] : saga.keep) {
    auto value = source.Render(fields);
    if (!value.has_value() || value->empty() || value->size() > context::kFilledValueBytesMax) continue;
    kept[slot] = {.entity = slot, .role = {}, .value = std::move(*value), .normalized = {}, .turn = turn};
  }
}

}  // namespace

bool Actions::Acts(const ActionQuestion& question) const {
  if (sagas_ == nullptr || question.step.act != context::DialogueAct::kFulfil) return false;
  if (sagas_->actions()->Find(question.step.intent) == nullptr) return false;
  const auto& ranking = question.frame.intent_ranking;
  if (!ranking.empty() && ranking.front().name == question.step.intent) return true;
  const auto last = question.session.state.filled.find(std::string(kSagaSlot));
  if (last == question.session.state.filled.end()) return true;
  // A value that came later is for another try, where the last one came to nothing.
  const std::string& state = last->second.normalized;
  return state == SagaStateName(SagaState::kCompensated) || state == SagaStateName(SagaState::kDead);
}

base::TimePoint Actions::WaitUntil(const base::CallContext& call, const response::SagaDefinition& saga) const {
  const base::TimePoint now = clock_.Now();
  const base::TimePoint own = now + saga.timeout + kAnswerTimeMax;
  if (call.deadline.unlimited()) return own;
  const base::Duration share =
      std::clamp<base::Duration>(call.deadline.Left(clock_) / kAnswerShare, kAnswerTimeMin, kAnswerTimeMax);
  return std::min(own, call.deadline.at() - share);
}

awaitable<ActionAnswer> Actions::Act(const base::CallContext& call, const ActionQuestion& question) {
  const auto set = sagas_->actions();
  ActionAnswer answer;
  const response::ActionSet::Intent* intent = set->Find(question.step.intent);
  if (intent == nullptr) co_return answer;  // A reload took it away this moment.
  const FieldValues fields = FieldsOf(call, question);
  auto id = co_await sagas_->Accept({.id = question.work_id.empty() ? "" : fmt::format("cb-{}", question.work_id),
                                     .tenant = call.tenant,
                                     .request_id = call.request_id,
                                     .traceparent = observe::FormatTraceparent(call.trace),
                                     .definition = intent->saga,
                                     .fields = fields});
  if (!id.has_value()) {
    answer.action.state = kRefusedState;
    answer.action.failed = std::move(id).error();
    answer.words = Words(intent->words, response::SagaWordsFor::kFailed, {}, question, fields);
    co_return answer;
  }
  answer.action.saga = *id;
  const auto view = co_await sagas_->Wait(*id, WaitUntil(call, *intent->saga), call.cancel);
  const SagaState state = view ? view->state : SagaState::kRunning;
  const FieldValues& known = view ? view->fields : fields;
  answer.action.state = SagaStateName(state);
  if (view && !view->failed_step.empty()) answer.action.failed = FailureOf(*view);
  answer.words = Words(intent->words, WordsFor(state), view ? view->failed_step : "", question, known);
  if (state == SagaState::kDone) Keep(*intent->saga, known, question.session.turn_count, answer.kept);
  answer.kept[std::string(kSagaSlot)] = {.entity = std::string(kSagaSlot),
                                         .role = {},
                                         .value = *id,
                                         .normalized = answer.action.state,
                                         .turn = question.session.turn_count};
  co_return answer;
}

base::Result<SagaView> Actions::Find(const base::CallContext& call, std::string_view id) const {
  if (sagas_ != nullptr) return sagas_->Find(id, call.tenant);
  return base::Error{.code = base::Code::kNotFound,
                     .message = "this server takes no actions (actions.file)",
                     .reason = "saga_unknown"};
}

base::Status CheckActions(const response::ActionSet& actions, const Assistant& assistant) {
  for (const auto& [name, intent] : actions.intents()) {
    const auto fail = [&, &place = intent.place](std::string what) {
      return base::InvalidArgument(fmt::format("{}: intents.{}: {}", place, name, what), place);
    };
    if (!assistant.KnowsIntent(name)) return fail(fmt::format("the assistant {} has no such intent", assistant.name));
    const auto& slots = assistant.dialogue.intent(name).slots;
    for (const std::string& slot : intent.slots) {
      const bool taken = std::ranges::any_of(slots, [&](const context::SlotSpec& spec) { return spec.name() == slot; });
      if (!slots.empty() && !taken) return fail(fmt::format("the intent has no slot \"{}\"", slot));
    }
  }
  return {};
}

}  // namespace loquat::pipeline
