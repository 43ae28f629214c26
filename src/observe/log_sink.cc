#include "observe/log_sink.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace loquat::observe {
namespace {

// How long a full pipe may hold the writer up before the lines are given up and counted.
constexpr int kStallMs = 1000;
// Lines are gathered up to this many bytes for one write.
constexpr std::size_t kChunkBytes = 64 * 1024;

}  // namespace

void AppendLine(const LogRecord& record, LogFormat format, bool colour, std::string& out) {
  if (format == LogFormat::kJson) {
    AppendJsonLine(record, out);
  } else {
    AppendConsoleLine(record, colour, out);
  }
}

base::Status WriteAll(int descriptor, std::string_view bytes, std::string_view what) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
      continue;
    }
    const int error = errno;
    if (error == EINTR) continue;
    if (error == EAGAIN || error == EWOULDBLOCK) {
      pollfd ready{.fd = descriptor, .events = POLLOUT, .revents = 0};
      if (::poll(&ready, 1, kStallMs) > 0) continue;
    }
    return base::Unavailable(fmt::format("cannot write to {}: {}", what, std::generic_category().message(error)));
  }
  return {};
}

bool DescriptorSink::WantsColour(int descriptor, bool no_color_set) {
  return !no_color_set && ::isatty(descriptor) == 1;
}

std::size_t DescriptorSink::Write(std::span<const LogRecord> records) {
  std::size_t lost = 0;
  std::size_t pending = 0;
  std::string chunk;
  for (std::size_t i = 0; i < records.size(); ++i) {
    AppendLine(records[i], format_, colour_, chunk);
    ++pending;
    if (chunk.size() < kChunkBytes && i + 1 < records.size()) continue;
    if (!WriteAll(descriptor_, chunk, "the log").has_value()) lost += pending;
    chunk.clear();
    pending = 0;
  }
  return lost;
}

void LogLines::Add(std::string line) {
  const base::MutexLock lock(mutex_);
  lines_.push_back(std::move(line));
}

std::vector<std::string> LogLines::All() const {
  const base::MutexLock lock(mutex_);
  return lines_;
}

std::size_t LogLines::Count(std::string_view text) const {
  const base::MutexLock lock(mutex_);
  return static_cast<std::size_t>(
      std::ranges::count_if(lines_, [text](const std::string& line) { return line.find(text) != std::string::npos; }));
}

std::size_t MemorySink::Write(std::span<const LogRecord> records) {
  for (const LogRecord& record : records) {
    std::string line;
    AppendLine(record, format_, false, line);
    line.pop_back();
    lines_.Add(std::move(line));
  }
  return 0;
}

}  // namespace loquat::observe
