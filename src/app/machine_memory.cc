#include "app/machine_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/file.h"
#include "base/strings.h"

namespace loquat::app {
namespace {

constexpr std::size_t kFileBytesMax = 1 << 20;
constexpr std::uint64_t kKiB = 1024;  // The kernel's "kB".

// The number in the line that begins with `key`: "MemAvailable:   1234 kB".
std::optional<std::uint64_t> NumberAfter(std::string_view text, std::string_view key) {
  for (const std::string_view line : base::Split(text, '\n')) {
    const auto words = base::SplitOnSpace(line);
    if (words.size() >= 2 && words[0] == key) return base::ParseInt<std::uint64_t>(words[1]);
  }
  return std::nullopt;
}

std::optional<std::uint64_t> NumberIn(const std::string& path) {
  const auto text = base::ReadFile(path, kFileBytesMax);
  // "max": no limit.
  return text.has_value() ? base::ParseInt<std::uint64_t>(base::TrimAscii(*text)) : std::nullopt;
}

std::uint64_t PartIn(const std::string& path, std::string_view key) {
  const auto text = base::ReadFile(path, kFileBytesMax);
  return text.has_value() ? NumberAfter(*text, key).value_or(0) : 0;
}

// What a control group leaves; its usage counts cached files, which give way.
std::optional<std::uint64_t> Leaves(const std::string& limit_file, const std::string& usage_file,
                                    const std::string& parts_file, std::string_view cached_key) {
  const auto limit = NumberIn(limit_file);
  const auto usage = NumberIn(usage_file);
  if (!limit || !usage) return std::nullopt;
  const std::uint64_t held = *usage - std::min(*usage, PartIn(parts_file, cached_key));
  return *limit - std::min(*limit, held);
}

std::string Megabytes(std::uint64_t bytes) {
  constexpr std::uint64_t kMiB = 1 << 20;
  return fmt::format("{} MiB", (bytes + kMiB - 1) / kMiB);
}

}  // namespace

std::optional<std::uint64_t> AvailableMemory(const MemoryFiles& files) {
  std::optional<std::uint64_t> least;
  const auto take = [&least](std::optional<std::uint64_t> bytes) {
    if (bytes) least = std::min(least.value_or(*bytes), *bytes);
  };
  if (const auto text = base::ReadFile(files.meminfo, kFileBytesMax); text.has_value()) {
    if (const auto available = NumberAfter(*text, "MemAvailable:")) take(*available * kKiB);
  }
  take(Leaves(files.limit, files.usage, files.usage_parts, "inactive_file"));
  take(Leaves(files.old_limit, files.old_usage, files.old_usage_parts, "total_inactive_file"));
  return least;
}

std::optional<std::uint64_t> PeakMemory(const std::string& status) {
  const auto text = base::ReadFile(status, kFileBytesMax);
  const auto peak = text.has_value() ? NumberAfter(*text, "VmHWM:") : std::nullopt;
  return peak ? std::optional(*peak * kKiB) : std::nullopt;
}

base::Status CheckMemory(const MemoryNeed& need, std::uint64_t taken, std::uint64_t available) {
  const std::uint64_t left = available - std::min(available, taken);
  if (need.weights_bytes <= left && need.kv_bytes <= left - need.weights_bytes) return {};
  const std::string kv =
      need.kv_bytes == 0 ? "" : fmt::format(" and {} for keys and values (kv_bytes)", Megabytes(need.kv_bytes));
  const std::string others = taken == 0 ? "" : fmt::format(" beside the {} of the models before it", Megabytes(taken));
  const bool weights_alone = need.weights_bytes > left;
  return base::ResourceExhausted(
      fmt::format("it needs {} for its weights{}, but this machine has {} left{}; {}", Megabytes(need.weights_bytes),
                  kv, Megabytes(left), others,
                  weights_alone ? "free memory, or take a smaller model or narrower weights" : "give it less kv_bytes"),
      "memory");
}

}  // namespace loquat::app
