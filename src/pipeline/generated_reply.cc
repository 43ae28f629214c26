#include "pipeline/generated_reply.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <utility>
#include <vector>

#include "base/utf8.h"
#include "pipeline/time_limit.h"

namespace loquat::pipeline {
namespace {

using boost::asio::awaitable;

// "city: Paris, date: tomorrow"; a slot with a role goes by it.
std::string SlotsOf(const domain::DialogueState& state) {
  std::string text;
  for (const auto& [name, slot] : state.filled) {
    text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", name, slot.value);
  }
  return text;
}

void Say(ChatPrompt& chat, std::string_view role, std::string_view words) {
  if (!chat.messages.empty() && chat.messages.back().role == role) {
    chat.messages.back().content.append("\n").append(words);
  } else {
    chat.messages.push_back({.role = std::string(role), .content = std::string(words), .name = {}});
  }
}

base::Error Late(const ReplyPolicy& policy) {
  return {.code = base::Code::kDeadlineExceeded,
          .message = fmt::format("the model {} took longer than the reply may take (reply.timeout is {} ms)",
                                 policy.model, policy.timeout.count()),
          .reason = "model_late"};
}

// Cuts at the end of a character.
void CutAt(std::size_t bytes_max, std::string& text) {
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  text.resize(end);
}

constexpr std::string_view kSpaces = " \t\r\n";

// The text as far as it is said already: without space at either end, which may yet turn out to be none.
std::string_view Trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kSpaces);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpaces) - begin + 1);
}

GenerateInput InputFor(const ReplyRule& rule, const ReplyQuestion& question, bool bounded) {
  const ReplyPolicy& policy = rule.policy();
  GenerateInput input{.model = policy.model, .prompts = {}, .request = {}, .bounded = bounded};
  input.request.sampling.temperature = policy.temperature;
  input.request.sampling.top_p = policy.top_p;
  input.request.tokens_max = policy.tokens_max;
  input.request.stop = policy.stop;
  // Apart from the sessions of the OpenAI API, whose names are their callers' own.
  if (!question.session.id.empty()) input.request.session = "understand/" + question.session.id;
  return input;
}

}  // namespace

ChatPrompt ReplyPrompt(const ReplyRule& rule, const ReplyQuestion& question, std::size_t turns) {
  const domain::Frame& frame = question.frame;
  const domain::DialogueState& state = question.session.state;
  const bool known = !frame.intent_ranking.empty() && !frame.out_of_scope;
  const std::string confidence =
      frame.intent_ranking.empty() ? "0.00" : fmt::format("{:.2f}", frame.intent_ranking.front().confidence);
  const std::string slots = SlotsOf(state);
  const std::string missing = fmt::format("{}", fmt::join(state.missing, ", "));
  ChatPrompt chat;
  const std::string instructions = rule.Instructions({.intent = known ? frame.intent_ranking.front().name : "",
                                                      .confidence = confidence,
                                                      .locale = domain::LocaleName(frame.locale),
                                                      .slots = slots,
                                                      .missing = missing,
                                                      .reply = question.domain_reply});
  if (!instructions.empty()) Say(chat, "system", instructions);
  const auto& window = question.session.turns;
  for (std::size_t i = window.size() - std::min(turns, window.size()); i < window.size(); ++i) {
    Say(chat, "user", window[i].text);
    if (!window[i].reply.empty()) Say(chat, "assistant", window[i].reply);
  }
  Say(chat, "user", question.text);
  return chat;
}

awaitable<base::Result<std::unique_ptr<Generation>>> ReplyWriter::Begin(const base::CallContext& call,
                                                                        const ReplyRule& rule,
                                                                        const ReplyQuestion& question, bool bounded,
                                                                        std::uint32_t& turns_left_out) {
  GenerateInput input = InputFor(rule, question, bounded);
  const std::size_t all = std::min<std::size_t>(rule.policy().turns_max, question.session.turns.size());
  for (std::size_t turns = all;; turns /= 2) {
    input.prompts = {ReplyPrompt(rule, question, turns)};
    auto generation = co_await generate_.Start(call, input);
    turns_left_out = static_cast<std::uint32_t>(all - turns);
    const bool too_long = !generation.has_value() && generation.error().reason == "context_length_exceeded";
    if (!too_long || turns == 0) co_return generation;
  }
}

ReplyWriter::ReplyWriter(GenerateUseCase& generate, observe::Registry& metrics, const base::Clock& clock)
    : generate_(generate),
      replies_(metrics.AddCounterFamily("loquat_understand_model_replies_total",
                                        "Replies that a model was asked for, by how that ended.", {"model", "end"})),
      clock_(clock) {}

awaitable<base::Result<WrittenReply>> ReplyWriter::Write(const base::CallContext& call, const ReplyRule& rule,
                                                         const ReplyQuestion& question, response::AnswerSink* sink) {
  auto written = co_await Generate(call, rule, question, sink);
  std::string_view end = "done";
  if (!written.has_value()) {
    const base::Error& error = written.error();
    end = error.reason.empty() ? base::CodeName(error.code) : std::string_view(error.reason);
  } else if (written->cut) {
    end = "cut";
  }
  replies_.With({rule.policy().model, end}).Increment();
  co_return written;
}

awaitable<base::Result<WrittenReply>> ReplyWriter::Generate(const base::CallContext& call, const ReplyRule& rule,
                                                            const ReplyQuestion& question, response::AnswerSink* sink) {
  const base::TimePoint now = clock_.Now();
  base::Deadline deadline(now + rule.policy().timeout);
  if (!call.deadline.unlimited()) deadline = deadline.EarlierOf(base::Deadline(call.deadline.at() - kReplyReserve));
  if (deadline.Passed(clock_)) co_return Late(rule.policy());
  const TimeLimit limit(co_await boost::asio::this_coro::executor, deadline.Left(clock_), call.cancel, {});
  base::CallContext inner = call;
  inner.deadline = deadline;
  inner.cancel = limit.token();

  WrittenReply written;
  auto generation = co_await Begin(inner, rule, question, sink != nullptr, written.turns_left_out);
  if (!generation.has_value()) {
    if (call.cancel.cancelled()) co_return base::Cancelled("the client went away");
    co_return limit.late() ? Late(rule.policy()) : std::move(generation).error();
  }
  std::vector<AnswerDelta> deltas;
  std::size_t told = 0;  // Bytes of the trimmed text.
  for (bool full = false; !full && co_await (*generation)->Next(deltas);) {
    for (const AnswerDelta& delta : deltas) {
      written.text += delta.text;
      if (delta.finish == engine::Finish::kLength) written.cut = true;
    }
    if (written.text.size() > kReplyBytesMax) {
      CutAt(kReplyBytesMax, written.text);
      full = written.cut = true;
    }
    const std::string_view more = Trimmed(written.text).substr(told);
    if (sink == nullptr || more.empty()) continue;
    told += more.size();
    if (!(co_await sink->OnReplyDelta(more)).has_value()) co_return base::Cancelled("the client went away");
  }
  if (call.cancel.cancelled()) co_return base::Cancelled("the client went away");
  const base::Status status = (*generation)->status();
  if (!status.has_value() && !written.cut) co_return limit.late() ? Late(rule.policy()) : status.error();
  written.text = std::string(Trimmed(written.text));
  if (written.text.empty()) {
    co_return base::Error{.code = base::Code::kUnavailable,
                          .message = fmt::format("the model {} said nothing", rule.policy().model),
                          .reason = "empty_reply"};
  }
  co_return written;
}

}  // namespace loquat::pipeline
