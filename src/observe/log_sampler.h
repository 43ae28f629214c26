// Thins out lines that repeat: of the lines with one key, the first N of each interval pass, then one in M, and what
// was left out is counted and reported. Thread-safe; takes the time from its caller.

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mutex.h"
#include "observe/log_record.h"

namespace loquat::observe {

struct SamplingOptions {
  std::uint64_t first = 100;        // Lines of one key and interval that always pass; 0 turns sampling off.
  std::uint64_t then_one_in = 100;  // After those, every so many-th passes; 0: none.
  base::Duration interval = std::chrono::seconds(1);
};

class LogSampler {
 public:
  // Keys told apart. Messages are constants of the program, so more than this many means that somebody formats values
  // into them; lines of further keys pass unsampled.
  static constexpr std::size_t kKeysMax = 1024;

  explicit LogSampler(SamplingOptions options) : options_(options) {}

  // Nothing: leave the line out. A number: write it, and say that so many like it were left out before.
  std::optional<std::uint64_t> Admit(Level level, std::string_view message, base::TimePoint now)
      LOQUAT_EXCLUDES(mutex_);

  struct Suppressed {
    Level level;
    std::string message;
    std::uint64_t count;
  };
  // What was left out of intervals that are over and no line has reported. Forgets keys that have gone quiet.
  std::vector<Suppressed> Sweep(base::TimePoint now) LOQUAT_EXCLUDES(mutex_);
  // The same, for intervals that still run: at the end of the logger's life.
  std::vector<Suppressed> Drain() LOQUAT_EXCLUDES(mutex_);

 private:
  struct State {
    Level level = Level::kInfo;
    base::TimePoint since;
    std::uint64_t seen = 0;        // In this interval.
    std::uint64_t suppressed = 0;  // Since the last line that passed.
  };

  const SamplingOptions options_;
  base::Mutex mutex_;
  // Keyed by a level byte and the message.
  std::unordered_map<std::string, State, base::StringHash, std::equal_to<>> states_ LOQUAT_GUARDED_BY(mutex_);
  std::string key_ LOQUAT_GUARDED_BY(mutex_);  // Kept for its capacity.
};

}  // namespace loquat::observe
