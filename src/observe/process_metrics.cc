#include "observe/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include "base/file.h"
#include "base/strings.h"

namespace loquat::observe {
namespace {

// Fields of /proc/self/stat after the command's name, counted as in proc(5) from the third, "state".
enum StatField : std::size_t {
  kUserTicks = 14,
  kSystemTicks = 15,
  kThreads = 20,
  kStartTicks = 22,
  kVirtual = 23,
  kResident = 24
};

std::uint64_t BootTime() {
  const auto text = base::ReadFile("/proc/stat");
  if (!text.has_value()) return 0;
  const std::size_t at = text->find("\nbtime ");
  if (at == std::string::npos) return 0;
  const std::string_view rest = std::string_view(*text).substr(at + 7);
  return base::ParseInt<std::uint64_t>(rest.substr(0, rest.find('\n'))).value_or(0);
}

}  // namespace

base::Result<ProcessUsage> ReadProcessUsage() {
  LOQUAT_ASSIGN(const std::string text, base::ReadFile("/proc/self/stat"));
  // The name in parentheses may hold spaces and parentheses itself: the fields start after the last one.
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return base::Internal("/proc/self/stat is not as proc(5) says");
  const auto fields = base::SplitOnSpace(std::string_view(text).substr(name_end + 1));
  const auto field = [&fields](StatField n) {
    return n - 3 < fields.size() ? base::ParseInt<std::uint64_t>(fields[n - 3]).value_or(0) : 0;
  };
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  return ProcessUsage{
      .cpu_seconds = static_cast<double>(field(kUserTicks) + field(kSystemTicks)) / ticks,
      .start_time_seconds = static_cast<double>(BootTime()) + static_cast<double>(field(kStartTicks)) / ticks,
      .resident_bytes = field(kResident) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)),
      .virtual_bytes = field(kVirtual),
      .threads = field(kThreads),
  };
}

std::uint64_t CountOpenDescriptors() {
  std::error_code error;
  std::uint64_t count = 0;
  for (std::filesystem::directory_iterator it("/proc/self/fd", error), end; !error && it != end; it.increment(error)) {
    ++count;
  }
  return count > 0 ? count - 1 : 0;  // Less the one that reads the folder.
}

ProcessMetrics::ProcessMetrics(Registry& registry) {
  const auto add = [&](MetricType type, std::string_view name, std::string_view help,
                       double (*read)(const ProcessUsage&)) {
    callbacks_.push_back(
        registry.AddCallback(type, name, help, [read] { return read(ReadProcessUsage().value_or(ProcessUsage{})); }));
  };
  using Usage = const ProcessUsage&;
  constexpr auto kGauge = MetricType::kGauge;
  add(MetricType::kCounter, "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.",
      [](Usage usage) { return usage.cpu_seconds; });
  add(kGauge, "process_start_time_seconds", "Start time of the process since unix epoch in seconds.",
      [](Usage usage) { return usage.start_time_seconds; });
  add(kGauge, "process_resident_memory_bytes", "Resident memory size in bytes.",
      [](Usage usage) { return static_cast<double>(usage.resident_bytes); });
  add(kGauge, "process_virtual_memory_bytes", "Virtual memory size in bytes.",
      [](Usage usage) { return static_cast<double>(usage.virtual_bytes); });
  add(kGauge, "process_threads", "Number of OS threads in the process.",
      [](Usage usage) { return static_cast<double>(usage.threads); });
  callbacks_.push_back(registry.AddCallback(kGauge, "process_open_fds", "Number of open file descriptors.",
                                            [] { return static_cast<double>(CountOpenDescriptors()); }));
  callbacks_.push_back(registry.AddCallback(kGauge, "process_max_fds", "Maximum number of open file descriptors.", [] {
    rlimit limit{};
    return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<double>(limit.rlim_cur) : 0;
  }));
}

}  // namespace loquat::observe
