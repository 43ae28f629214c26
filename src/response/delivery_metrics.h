// What is measured about answers by callback. Thread-safe. The registry outlives it.

#pragma once

#include <chrono>
#include <string_view>

#include "observe/metrics.h"
#include "response/delivery_table.h"

namespace loquat::response {

class DeliveryMetrics {
 public:
  explicit DeliveryMetrics(observe::Registry& registry);

  void OnAccepted() { accepted_.Increment(); }
  void OnRefused(std::string_view reason) { refused_.With({reason}).Increment(); }
  void OnWork(std::chrono::duration<double> took) { work_seconds_.Observe(took.count()); }
  void OnAttempt(std::string_view outcome, std::chrono::duration<double> took);
  void OnDelivered(std::chrono::duration<double> since_accepted);
  void OnDead(std::string_view reason) { dead_.With({reason}).Increment(); }
  void OnJournalError() { journal_errors_.Increment(); }
  void Show(const DeliveryCounts& counts, std::size_t journal_bytes, std::int64_t now_ms);

 private:
  observe::Counter& accepted_;
  observe::CounterFamily& refused_;
  observe::Histogram& work_seconds_;
  observe::CounterFamily& attempts_;
  observe::Histogram& attempt_seconds_;
  observe::Histogram& delivered_seconds_;
  observe::CounterFamily& dead_;
  observe::Counter& journal_errors_;
  observe::Gauge& queued_;
  observe::Gauge& working_;
  observe::Gauge& delivering_;
  observe::Gauge& undelivered_bytes_;
  observe::Gauge& oldest_seconds_;
  observe::Gauge& journal_bytes_;
};

}  // namespace loquat::response
