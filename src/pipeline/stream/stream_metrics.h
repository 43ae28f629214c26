// What streams report: open ones, time per update, how early the intent was right, how turns end. Thread-safe; the
// registry outlives it.

#pragma once

#include "observe/metrics.h"
#include "pipeline/stream/stream_events.h"
#include "pipeline/stream/utterance_history.h"

namespace loquat::pipeline {

class StreamMetrics {
 public:
  explicit StreamMetrics(observe::Registry& registry);

  observe::Gauge& open;
  observe::Counter& opened;
  observe::Histogram& update_seconds;  // From the update to its frame.
  observe::Counter& frames_skipped;    // Updates without a frame: a newer one was there, or the reader was behind.
  observe::Counter& taken_back;        // Updates that changed an intent called stable.
  observe::CounterFamily& refused;     // Events, by reason.

  void TurnEnded(TurnEndReason reason) { turns_.With({TurnEndReasonName(reason)}).Increment(); }
  void Understood(const UtteranceHistory& history);

 private:
  observe::CounterFamily& turns_;
  observe::Histogram& right_from_;
  observe::Histogram& stable_from_;
};

}  // namespace loquat::pipeline
