#include "pipeline/health.h"

#include <fmt/format.h>

#include <utility>

namespace loquat::pipeline {

base::Status Health::Ready() const {
  if (draining_.load(std::memory_order_relaxed)) {
    return base::Error{.code = base::Code::kUnavailable,
                       .message = "the server is draining: it finishes what it has accepted and takes nothing new",
                       .reason = "draining",
                       .retry_after = std::chrono::seconds(1)};
  }
  for (const ServedModel& model : models_.all()) {
    const base::Status health = model.engine->Health();
    if (health.has_value()) continue;
    return base::Error{.code = base::Code::kUnavailable,
                       .message = fmt::format("model {}: {}", model.info().name, health.error().message),
                       .reason = "engine_stalled",
                       .retry_after = std::chrono::seconds(1)};
  }
  for (const auto& health : parts_) {
    PartHealth part = health();
    if (!part.usable) return std::move(part.status);
  }
  return {};
}

boost::asio::awaitable<HealthReport> Health::Check(const base::CallContext& call) {
  HealthReport report;
  report.ready = Ready();
  for (const auto& health : parts_) {
    if (report.part.has_value()) report.part = health().status;
  }
  const auto assistant = pipeline_.settings()->assistant;
  report.model = assistant->name;
  base::CallContext canary_call = call;
  canary_call.deadline = call.deadline.EarlierOf(base::Deadline::After(clock_, kCanaryTimeout));
  UnderstandRequest canary;
  canary.utterance.text = "hello 你好";
  canary.delivery = domain::DeliveryMode::kSync;  // Whatever the policy says of the canary's intent.
  UnderstandAnswer answer;
  const base::TimePoint start = clock_.Now();
  report.canary = co_await pipeline_.Run(canary_call, canary, answer);
  report.canary_us = std::chrono::duration<double, std::micro>(clock_.Now() - start).count();
  const bool knows_intents = !assistant->understander->intents().empty();
  if (report.canary.has_value() && knows_intents && answer.frame.intent_ranking.empty()) {
    report.canary = base::Internal("the model gave no intent for the canary utterance");
  }
  co_return report;
}

}  // namespace loquat::pipeline
