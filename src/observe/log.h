// The structured log: a constant message that names the event, and typed fields that say the rest.
//
//   logger.Info("listening", {{"address", address}, {"connections_max", limit}});
//   logger.Warn(call, "upstream failed", {{"upstream", name}, {"error", error.message}});
//
// Thread-safe: pass a Logger by reference, there is no global one. Calls only copy the line into a bounded queue; one
// writer thread formats and writes. When the queue is full the line is dropped, counted, and the count is logged once
// there is room again. The clock, the registry and what the sinks point at outlive the logger.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string_view>
#include <thread>
#include <vector>

#include "base/call_context.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "observe/log_record.h"
#include "observe/log_sampler.h"
#include "observe/log_sink.h"
#include "observe/metrics.h"

namespace loquat::observe {

inline constexpr std::size_t kLogQueueLinesMax = 8192;
inline constexpr std::size_t kLogQueueBytesMax = 8 << 20;

struct LogOptions {
  Level level = Level::kInfo;                       // Lines below it cost one comparison.
  std::size_t queue_lines_max = kLogQueueLinesMax;  // At least 1.
  std::size_t queue_bytes_max = kLogQueueBytesMax;  // A single larger line passes when the queue is empty.
  SamplingOptions sampling = {};
};

class Logger {
 public:
  using Fields = std::initializer_list<Field>;

  // Discards everything: for tests and tools without a log.
  Logger();
  // `registry` may be null: then the counts are kept but nobody scrapes them.
  Logger(const base::Clock& clock, std::vector<std::unique_ptr<LogSink>> sinks, LogOptions options = {},
         Registry* registry = nullptr);
  // Writes what is queued. No other thread may still be logging.
  ~Logger();
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;

  // For lines whose fields are dear to compute.
  bool Enabled(Level level) const {
    // Relaxed: a level change may reach other threads a moment later.
    return state_ != nullptr && level >= level_.load(std::memory_order_relaxed);
  }
  Level level() const { return level_.load(std::memory_order_relaxed); }
  void SetLevel(Level level) { level_.store(level, std::memory_order_relaxed); }

  void Debug(std::string_view message, Fields fields = {}) { Log(Level::kDebug, nullptr, message, fields); }
  void Info(std::string_view message, Fields fields = {}) { Log(Level::kInfo, nullptr, message, fields); }
  void Warn(std::string_view message, Fields fields = {}) { Log(Level::kWarn, nullptr, message, fields); }
  void Error(std::string_view message, Fields fields = {}) { Log(Level::kError, nullptr, message, fields); }
  // With the request and trace ids of the call.
  void Debug(const base::CallContext& call, std::string_view message, Fields fields = {}) {
    Log(Level::kDebug, &call, message, fields);
  }
  void Info(const base::CallContext& call, std::string_view message, Fields fields = {}) {
    Log(Level::kInfo, &call, message, fields);
  }
  void Warn(const base::CallContext& call, std::string_view message, Fields fields = {}) {
    Log(Level::kWarn, &call, message, fields);
  }
  void Error(const base::CallContext& call, std::string_view message, Fields fields = {}) {
    Log(Level::kError, &call, message, fields);
  }
  // `call` may be null. REQUIRES: level is not kOff.
  void Log(Level level, const base::CallContext* call, std::string_view message, std::span<const Field> fields) {
    if (Enabled(level)) Enqueue(level, call, message, fields);
  }
  void Log(Level level, const base::CallContext* call, std::string_view message, Fields fields = {}) {
    Log(level, call, message, std::span<const Field>(fields.begin(), fields.size()));
  }

  // Returns when every line logged before the call is with the sinks.
  void Flush();
  // Lines lost so far, to a full queue or a failed write.
  std::uint64_t dropped() const;

 private:
  struct State;

  void Enqueue(Level level, const base::CallContext* call, std::string_view message, std::span<const Field> fields);
  void Run();
  void WriteBatch(std::vector<LogRecord>& batch, std::uint64_t dropped, bool last);

  std::atomic<Level> level_{Level::kOff};
  std::unique_ptr<State> state_;  // Null: this logger discards.
  std::jthread writer_;
};

}  // namespace loquat::observe
