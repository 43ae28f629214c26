// How much memory this process may still take, and whether models fit into it: asked before anything is loaded, because
// the kernel hands out more than there is and kills whoever uses it.
//
// Pure but for reading the kernel's files. Safe from any thread.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"

namespace loquat::app {

// Where the kernel tells: proc(5), and the limits of the control group (version 2, then 1) that a container sees as its
// own.
struct MemoryFiles {
  std::string meminfo = "/proc/meminfo";
  std::string limit = "/sys/fs/cgroup/memory.max";
  std::string usage = "/sys/fs/cgroup/memory.current";
  std::string usage_parts = "/sys/fs/cgroup/memory.stat";
  std::string old_limit = "/sys/fs/cgroup/memory/memory.limit_in_bytes";
  std::string old_usage = "/sys/fs/cgroup/memory/memory.usage_in_bytes";
  std::string old_usage_parts = "/sys/fs/cgroup/memory/memory.stat";
};

// Bytes that can be had without swapping: what the machine has available, or what the container's limit leaves if that
// is less; cached files count as available in both. Nothing where the kernel does not say.
std::optional<std::uint64_t> AvailableMemory(const MemoryFiles& files = {});

// The most that this process has had in memory at once, files that it maps included; nothing where the kernel does not
// say.
std::optional<std::uint64_t> PeakMemory(const std::string& status = "/proc/self/status");

struct MemoryNeed {
  std::uint64_t weights_bytes = 0;  // Mapped; they have to stay in memory for the model to be of use.
  std::uint64_t kv_bytes = 0;       // Of keys and values. Zero: none.

  std::uint64_t total() const { return weights_bytes + kv_bytes; }
};

// kResourceExhausted "memory", naming weights, keys and values, and what is there, when `available` does not hold
// `need` beside the `taken` of the models before it.
base::Status CheckMemory(const MemoryNeed& need, std::uint64_t taken, std::uint64_t available);

}  // namespace loquat::app
