#include "response/delivery_metrics.h"

#include <algorithm>

namespace loquat::response {
namespace {

observe::Gauge& OpenIn(observe::Registry& registry, DeliveryState state) {
  return registry
      .AddGaugeFamily("loquat_callbacks_open", "Answers by callback that are not finished, by state.", {"state"})
      .With({DeliveryStateName(state)});
}

// From a hundredth of a second to three days.
std::vector<double> DeliveryBounds() {
  return observe::ExponentialBounds(0.01, 4, 13);
}

}  // namespace

DeliveryMetrics::DeliveryMetrics(observe::Registry& registry)
    : accepted_(registry.AddCounter("loquat_callbacks_accepted_total", "Requests that were promised a callback.")),
      refused_(registry.AddCounterFamily("loquat_callbacks_refused_total",
                                         "Requests for a callback that were refused, by reason.", {"reason"})),
      work_seconds_(registry.AddHistogram("loquat_callback_work_seconds", "Time to make an answer for a callback.")),
      attempts_(registry.AddCounterFamily("loquat_callback_attempts_total", "Calls of callback URLs, by outcome.",
                                          {"outcome"})),
      attempt_seconds_(registry.AddHistogram("loquat_callback_attempt_seconds", "Time of one call of a callback URL.")),
      delivered_seconds_(registry.AddHistogram("loquat_callback_delivered_seconds",
                                               "Time from the acceptance of a request to its delivered callback.",
                                               DeliveryBounds())),
      dead_(registry.AddCounterFamily("loquat_callback_dead_letters_total", "Callbacks given up, by reason.",
                                      {"reason"})),
      journal_errors_(registry.AddCounter("loquat_callback_journal_errors_total",
                                          "Records that could not be written to the journal or the dead letters.")),
      queued_(OpenIn(registry, DeliveryState::kQueued)),
      working_(OpenIn(registry, DeliveryState::kWorking)),
      delivering_(OpenIn(registry, DeliveryState::kDelivering)),
      undelivered_bytes_(registry.AddGauge("loquat_callbacks_open_bytes",
                                           "Memory of requests and answers that are not delivered yet.")),
      oldest_seconds_(
          registry.AddGauge("loquat_callbacks_oldest_seconds",
                            "Age of the oldest answer by callback that is not finished; 0: there is none.")),
      journal_bytes_(registry.AddGauge("loquat_callback_journal_bytes", "Size of the journal of callbacks.")) {}

void DeliveryMetrics::OnAttempt(std::string_view outcome, std::chrono::duration<double> took) {
  attempts_.With({outcome}).Increment();
  attempt_seconds_.Observe(took.count());
}

void DeliveryMetrics::OnDelivered(std::chrono::duration<double> since_accepted) {
  delivered_seconds_.Observe(std::max(0.0, since_accepted.count()));
}

void DeliveryMetrics::Show(const DeliveryCounts& counts, std::size_t journal_bytes, std::int64_t now_ms) {
  queued_.Set(static_cast<double>(counts.by_state[0]));
  working_.Set(static_cast<double>(counts.by_state[1]));
  delivering_.Set(static_cast<double>(counts.by_state[2]));
  undelivered_bytes_.Set(static_cast<double>(counts.bytes));
  const std::int64_t age_ms = counts.oldest_accepted_ms == 0 ? 0 : now_ms - counts.oldest_accepted_ms;
  oldest_seconds_.Set(static_cast<double>(std::max<std::int64_t>(0, age_ms)) / 1000);
  journal_bytes_.Set(static_cast<double>(journal_bytes));
}

}  // namespace loquat::response
