// What is measured about actions. Thread-safe. The registry outlives it.

#pragma once

#include <chrono>
#include <string_view>

#include "observe/metrics.h"
#include "response/saga_table.h"

namespace loquat::response {

class SagaMetrics {
 public:
  explicit SagaMetrics(observe::Registry& registry);

  void OnAccepted() { accepted_.Increment(); }
  void OnRefused(std::string_view reason) { refused_.With({reason}).Increment(); }
  void OnCall(std::string_view action, bool undo, std::string_view outcome, std::chrono::duration<double> took);
  void OnEnded(SagaState state, std::chrono::duration<double> since_accepted);
  void OnUndo(std::string_view action, bool undone) { undone_.With({action, undone ? "undone" : "dead"}).Increment(); }
  void OnJournalError() { journal_errors_.Increment(); }
  void OnReload(bool taken) { reloads_.With({taken ? "taken" : "refused"}).Increment(); }
  void Show(const SagaCounts& counts, std::size_t journal_bytes, std::int64_t now_ms);

 private:
  observe::Counter& accepted_;
  observe::CounterFamily& refused_;
  observe::CounterFamily& calls_;
  observe::HistogramFamily& call_seconds_;
  observe::CounterFamily& ended_;
  observe::Histogram& ended_seconds_;
  observe::CounterFamily& undone_;
  observe::Counter& journal_errors_;
  observe::CounterFamily& reloads_;
  observe::Gauge& running_;
  observe::Gauge& compensating_;
  observe::Gauge& oldest_seconds_;
  observe::Gauge& journal_bytes_;
};

}  // namespace loquat::response
