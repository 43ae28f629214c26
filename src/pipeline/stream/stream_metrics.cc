#include "pipeline/stream/stream_metrics.h"

#include <vector>

namespace loquat::pipeline {
namespace {

std::vector<double> ShareBounds() {
  return {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99};
}

std::vector<double> UpdateBounds() {
  return {10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 50e-3};
}

}  // namespace

StreamMetrics::StreamMetrics(observe::Registry& registry)
    : open(registry.AddGauge("loquat_streams_open", "Streams that are open, or kept for their client's return.")),
      opened(registry.AddCounter("loquat_streams_opened_total", "Streams that were opened.")),
      update_seconds(registry.AddHistogram("loquat_stream_update_seconds",
                                           "Time from an update of an utterance to its frame.", UpdateBounds())),
      frames_skipped(registry.AddCounter("loquat_stream_frames_skipped_total",
                                         "Updates whose frame was left out: a newer update had come, or the reader "
                                         "was behind.")),
      taken_back(registry.AddCounter("loquat_stream_stable_taken_back_total",
                                     "Updates that changed an intent after it had been called stable.")),
      refused(registry.AddCounterFamily("loquat_stream_events_refused_total", "Client events that were refused.",
                                        {"reason"})),
      turns_(registry.AddCounterFamily("loquat_stream_turns_total", "Turns that ended, by why.", {"reason"})),
      right_from_(registry.AddHistogram("loquat_stream_intent_right_from",
                                        "Share of an utterance's characters after which the intent was the final one.",
                                        ShareBounds())),
      stable_from_(registry.AddHistogram("loquat_stream_intent_stable_from",
                                         "Share of an utterance's characters after which the intent was called stable.",
                                         ShareBounds())) {}

void StreamMetrics::Understood(const UtteranceHistory& history) {
  // Text that came in one piece says nothing about how early it could have been understood.
  if (history.updates() < 2) return;
  right_from_.Observe(history.right_from());
  stable_from_.Observe(history.stable_from());
}

}  // namespace loquat::pipeline
