#include "observe/log.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"

namespace loquat::observe {

struct Logger::State {
  State(const base::Clock& clock_in, std::vector<std::unique_ptr<LogSink>> sinks_in, const LogOptions& options_in,
        Registry& registry)
      : clock(clock_in), options(options_in), sinks(std::move(sinks_in)), sampler(options_in.sampling) {
    auto& by_level = registry.AddCounterFamily("loquat_log_lines_total", "Log lines accepted, by level.", {"level"});
    for (std::size_t i = 0; i < lines.size(); ++i) lines[i] = &by_level.With({LevelName(static_cast<Level>(i))});
    auto& dropped = registry.AddCounterFamily("loquat_log_dropped_total", "Log lines lost, by reason.", {"reason"});
    queue_full = &dropped.With({"queue_full"});
    write_failed = &dropped.With({"write_failed"});
    suppressed = &registry.AddCounter("loquat_log_suppressed_total", "Log lines left out by sampling.");
  }

  // Constant after construction.
  const base::Clock& clock;
  const LogOptions options;
  std::array<Counter*, static_cast<std::size_t>(Level::kOff)> lines{};  // [level]
  Counter* queue_full = nullptr;
  Counter* write_failed = nullptr;
  Counter* suppressed = nullptr;
  std::unique_ptr<Registry> own_registry;

  // Writer thread only.
  std::vector<std::unique_ptr<LogSink>> sinks;

  LogSampler sampler;

  base::Mutex mutex;
  base::CondVar work;
  base::CondVar done;
  std::vector<LogRecord> queue LOQUAT_GUARDED_BY(mutex);
  std::size_t queue_bytes LOQUAT_GUARDED_BY(mutex) = 0;
  std::uint64_t unreported_drops LOQUAT_GUARDED_BY(mutex) = 0;
  std::uint64_t accepted LOQUAT_GUARDED_BY(mutex) = 0;
  std::uint64_t written LOQUAT_GUARDED_BY(mutex) = 0;
  bool stopping LOQUAT_GUARDED_BY(mutex) = false;
};

Logger::Logger() = default;

Logger::Logger(const base::Clock& clock, std::vector<std::unique_ptr<LogSink>> sinks, LogOptions options,
               Registry* registry)
    : level_(options.level) {
  LOQUAT_CHECK(options.queue_lines_max >= 1, "a log queue holds at least one line");
  std::unique_ptr<Registry> own;
  if (registry == nullptr) {
    own = std::make_unique<Registry>();
    registry = own.get();
  }
  state_ = std::make_unique<State>(clock, std::move(sinks), options, *registry);
  state_->own_registry = std::move(own);
  writer_ = std::jthread([this] { Run(); });
}

Logger::~Logger() {
  if (state_ == nullptr) return;
  {
    const base::MutexLock lock(state_->mutex);
    state_->stopping = true;
  }
  state_->work.NotifyOne();
  writer_.join();
}

void Logger::Enqueue(Level level, const base::CallContext* call, std::string_view message,
                     std::span<const Field> fields) {
  State& state = *state_;
  const std::optional<std::uint64_t> admitted = state.sampler.Admit(level, message, state.clock.Now());
  if (!admitted.has_value()) {
    state.suppressed->Increment();
    return;
  }
  LogRecord record(level, state.clock.WallNow(), message, fields, call);
  record.set_suppressed(*admitted);
  bool wake = false;
  {
    const base::MutexLock lock(state.mutex);
    const std::size_t bytes = state.queue_bytes + record.bytes();
    if (state.queue.size() >= state.options.queue_lines_max ||
        (bytes > state.options.queue_bytes_max && !state.queue.empty())) {
      // A dropped line takes its report of suppressed ones along: both are lost lines now.
      ++state.unreported_drops;
      state.queue_full->Increment();
      return;
    }
    wake = state.queue.empty();
    state.queue_bytes = bytes;
    state.queue.push_back(std::move(record));
    ++state.accepted;
  }
  state.lines[static_cast<std::size_t>(level)]->Increment();
  if (wake) state.work.NotifyOne();
}

void Logger::Run() {
  State& state = *state_;
  std::vector<LogRecord> batch;
  for (bool last = false; !last;) {
    std::uint64_t dropped = 0;
    {
      const base::MutexLock lock(state.mutex);
      // Real time, whatever the clock: it only bounds how late a report of suppressed lines may come.
      const auto until = std::chrono::steady_clock::now() + state.options.sampling.interval;
      while (state.queue.empty() && !state.stopping && state.work.WaitUntil(state.mutex, until)) continue;
      last = state.stopping;
      batch.swap(state.queue);
      state.queue_bytes = 0;
      dropped = std::exchange(state.unreported_drops, 0);
    }
    const std::uint64_t count = batch.size();
    WriteBatch(batch, dropped, last);
    batch.clear();
    {
      const base::MutexLock lock(state.mutex);
      state.written += count;
    }
    state.done.NotifyAll();
  }
}

void Logger::WriteBatch(std::vector<LogRecord>& batch, std::uint64_t dropped, bool last) {
  State& state = *state_;
  const base::WallTime now = state.clock.WallNow();
  if (dropped > 0) {
    const Field fields[] = {{"count", dropped}, {"reason", "queue_full"}};
    batch.emplace_back(Level::kWarn, now, "log lines dropped", fields, nullptr);
  }
  const auto swept = last ? state.sampler.Drain() : state.sampler.Sweep(state.clock.Now());
  for (const LogSampler::Suppressed& key : swept) {
    const Field fields[] = {{"count", key.count}, {"of_level", LevelName(key.level)}, {"of_msg", key.message}};
    batch.emplace_back(key.level, now, "log lines suppressed", fields, nullptr);
  }
  if (batch.empty()) return;
  for (const auto& sink : state.sinks) {
    if (const std::size_t lost = sink->Write(batch); lost > 0) state.write_failed->Increment(lost);
  }
}

void Logger::Flush() {
  if (state_ == nullptr) return;
  const base::MutexLock lock(state_->mutex);
  const std::uint64_t target = state_->accepted;
  while (state_->written < target) state_->done.Wait(state_->mutex);
}

std::uint64_t Logger::dropped() const {
  return state_ == nullptr ? 0 : state_->queue_full->value() + state_->write_failed->value();
}

}  // namespace loquat::observe
