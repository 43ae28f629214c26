// What an increment, an observation and a log call cost the thread that makes them.

#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

#include "base/clock.h"
#include "observe/latency_histogram.h"
#include "observe/log.h"
#include "observe/metrics.h"

namespace loquat::observe {
namespace {

void CounterIncrement(benchmark::State& state) {
  static Counter counter;
  for (auto _ : state) counter.Increment();
}
BENCHMARK(CounterIncrement)->ThreadRange(1, 2);

void HistogramObserve(benchmark::State& state) {
  static Histogram histogram(LatencyBounds());
  double value = 1e-5;
  for (auto _ : state) {
    histogram.Observe(value);
    value = value > 1 ? 1e-5 : value * 1.5;
  }
}
BENCHMARK(HistogramObserve)->ThreadRange(1, 2);

void LatencyRecord(benchmark::State& state) {
  LatencyHistogram histogram;
  std::uint64_t value = 1;
  for (auto _ : state) histogram.Record(value = value * 6364136223846793005u >> 30);
}
BENCHMARK(LatencyRecord);

void LogBelowLevel(benchmark::State& state) {
  const base::SystemClock clock;
  Logger logger(clock, {});
  for (auto _ : state) logger.Debug("nothing", {{"n", 1}});
}
BENCHMARK(LogBelowLevel);

void LogInfo(benchmark::State& state) {
  const base::SystemClock clock;
  Logger logger(clock, {}, {.sampling = {.first = 0}});
  for (auto _ : state) logger.Info("request", {{"path", "/v1/understand"}, {"status", 200}});
}
BENCHMARK(LogInfo);

}  // namespace
}  // namespace loquat::observe
