#include "response/saga_metrics.h"

#include <algorithm>

namespace loquat::response {
namespace {

observe::Gauge& OpenIn(observe::Registry& registry, SagaState state) {
  return registry.AddGaugeFamily("loquat_sagas_open", "Actions under way, by state.", {"state"})
      .With({SagaStateName(state)});
}

// From a hundredth of a second to three days.
std::vector<double> EndedBounds() {
  return observe::ExponentialBounds(0.01, 4, 13);
}

}  // namespace

SagaMetrics::SagaMetrics(observe::Registry& registry)
    : accepted_(registry.AddCounter("loquat_sagas_accepted_total", "Actions that were begun.")),
      refused_(registry.AddCounterFamily("loquat_sagas_refused_total", "Actions that were not begun, by reason.",
                                         {"reason"})),
      calls_(registry.AddCounterFamily("loquat_action_calls_total",
                                       "Calls of other services, by action, way (do, undo) and outcome.",
                                       {"action", "way", "outcome"})),
      call_seconds_(
          registry.AddHistogramFamily("loquat_action_call_seconds", "Time of one call, by action.", {"action"})),
      ended_(registry.AddCounterFamily("loquat_sagas_ended_total", "Actions that have ended, by state.", {"state"})),
      ended_seconds_(registry.AddHistogram("loquat_saga_seconds", "Time from the acceptance of an action to its end.",
                                           EndedBounds())),
      undone_(registry.AddCounterFamily("loquat_saga_compensations_total",
                                        "Steps that had to be undone, by action and outcome (undone, dead).",
                                        {"action", "outcome"})),
      journal_errors_(registry.AddCounter("loquat_saga_journal_errors_total",
                                          "Records that could not be written to the journal or the dead letters.")),
      reloads_(registry.AddCounterFamily("loquat_actions_reloads_total", "Changes of actions.yml, taken or refused.",
                                         {"result"})),
      running_(OpenIn(registry, SagaState::kRunning)),
      compensating_(OpenIn(registry, SagaState::kCompensating)),
      oldest_seconds_(registry.AddGauge("loquat_sagas_oldest_seconds",
                                        "Age of the oldest action that has not ended; 0: there is none.")),
      journal_bytes_(registry.AddGauge("loquat_saga_journal_bytes", "Size of the journal of actions.")) {}

void SagaMetrics::OnCall(std::string_view action, bool undo, std::string_view outcome,
                         std::chrono::duration<double> took) {
  calls_.With({action, undo ? "undo" : "do", outcome}).Increment();
  call_seconds_.With({action}).Observe(took.count());
}

void SagaMetrics::OnEnded(SagaState state, std::chrono::duration<double> since_accepted) {
  ended_.With({SagaStateName(state)}).Increment();
  ended_seconds_.Observe(std::max(0.0, since_accepted.count()));
}

void SagaMetrics::Show(const SagaCounts& counts, std::size_t journal_bytes, std::int64_t now_ms) {
  running_.Set(static_cast<double>(counts.running));
  compensating_.Set(static_cast<double>(counts.compensating));
  const std::int64_t age_ms = counts.oldest_ms == 0 ? 0 : now_ms - counts.oldest_ms;
  oldest_seconds_.Set(static_cast<double>(std::max<std::int64_t>(0, age_ms)) / 1000);
  journal_bytes_.Set(static_cast<double>(journal_bytes));
}

}  // namespace loquat::response
