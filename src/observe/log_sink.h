// Where log lines go. A sink is called by one thread at a time (the logger's writer) and is owned by its logger.

#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "observe/log_record.h"

namespace loquat::observe {

class LogSink {
 public:
  virtual ~LogSink() = default;
  // Writes the lines in order before it returns, and tells how many of them are lost; the logger counts those.
  virtual std::size_t Write(std::span<const LogRecord> records) = 0;
};

// Writes to a file descriptor that somebody else owns and keeps open: standard error as a rule.
class DescriptorSink final : public LogSink {
 public:
  DescriptorSink(int descriptor, LogFormat format, bool colour)
      : descriptor_(descriptor), format_(format), colour_(colour) {}
  std::size_t Write(std::span<const LogRecord> records) override;

  // Colour where the descriptor is a terminal and NO_COLOR (https://no-color.org) is not set.
  static bool WantsColour(int descriptor, bool no_color_set);

 private:
  const int descriptor_;
  const LogFormat format_;
  const bool colour_;
};

// What a MemorySink caught. Thread-safe; outlives the sink.
class LogLines {
 public:
  void Add(std::string line) LOQUAT_EXCLUDES(mutex_);
  std::vector<std::string> All() const LOQUAT_EXCLUDES(mutex_);
  // How many lines contain `text`.
  std::size_t Count(std::string_view text) const;

 private:
  mutable base::Mutex mutex_;
  std::vector<std::string> lines_ LOQUAT_GUARDED_BY(mutex_);
};

// Keeps the lines for a test to read, without the newline. Unbounded: for tests alone.
class MemorySink final : public LogSink {
 public:
  explicit MemorySink(LogLines& lines, LogFormat format = LogFormat::kJson) : lines_(lines), format_(format) {}
  std::size_t Write(std::span<const LogRecord> records) override;

 private:
  LogLines& lines_;
  const LogFormat format_;
};

void AppendLine(const LogRecord& record, LogFormat format, bool colour, std::string& out);

// Writes every byte, over short writes and EINTR. `what` names the target in the error.
base::Status WriteAll(int descriptor, std::string_view bytes, std::string_view what);

}  // namespace loquat::observe
