#include "app/machine_benchmark.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

#include "kernels/isa.h"
#include "kernels/peak_kernels.h"
#include "kernels/thread_team.h"

namespace loquat::app {
namespace {

constexpr std::size_t kPartBytes = std::size_t{2} << 20;  // A huge page.
constexpr std::size_t kPartsAThread = 16;                 // So that a thread that oversleeps does not hold up the rest.
constexpr double kPartSeconds = 2e-3;
constexpr double kReadSecondsMin = 0.1;  // Of a round.

static_assert(kPartBytes % kernels::kPeakReadBytes == 0);

using SteadyClock = std::chrono::steady_clock;

double SecondsSince(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

class MachineBenchmark {
 public:
  MachineBenchmark(kernels::Isa isa, std::uint32_t threads)
      : kernels_(kernels::PeakKernelsFor(isa)), team_({.threads = threads}) {}
  ~MachineBenchmark() {
    if (buffer_ != MAP_FAILED) ::munmap(buffer_, buffer_bytes());
  }
  MachineBenchmark(const MachineBenchmark&) = delete;
  MachineBenchmark& operator=(const MachineBenchmark&) = delete;

  std::uint32_t threads() const { return team_.size(); }

  base::Status TakeBuffer(std::size_t bytes) {
    parts_ = std::max<std::size_t>(1, bytes / kPartBytes);
    buffer_ = ::mmap(nullptr, buffer_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (buffer_ == MAP_FAILED) {
      return base::ResourceExhausted(fmt::format("there are not {} MiB of memory to read from", buffer_bytes() >> 20U),
                                     "memory");
    }
    // A wish: with small pages the processor looks up addresses besides.
    (void)::madvise(buffer_, buffer_bytes(), MADV_HUGEPAGE);
    // Written, as all pages that were not are one and the same.
    team_.Run(parts_, [&](std::size_t part) { std::memset(Part(part), 1, kPartBytes); });
    return {};
  }

  std::size_t buffer_bytes() const { return parts_ * kPartBytes; }

  double GigabytesPerSecond() {
    const auto start = SteadyClock::now();
    double bytes = 0;
    do {
      team_.Run(parts_, [&](std::size_t part) { Keep(kernels_.read(Part(part), kPartBytes)); });
      bytes += static_cast<double>(buffer_bytes());
    } while (SecondsSince(start) < kReadSecondsMin);
    return bytes / SecondsSince(start) / 1e9;
  }

  // Adds a round, if there is such a kernel.
  void AddPeak(const kernels::PeakKernel& kernel, std::vector<double>& gigaoperations_per_second) {
    if (kernel.run == nullptr) return;
    const std::size_t steps = StepsOfAPart(kernel);
    const std::size_t parts = kPartsAThread * team_.size();
    const auto start = SteadyClock::now();
    team_.Run(parts, [&](std::size_t) { Keep(static_cast<std::uint32_t>(kernel.run(steps, kSeed) > 0)); });
    const double operations = kernel.operations_per_step * static_cast<double>(steps * parts);
    gigaoperations_per_second.push_back(operations / SecondsSince(start) / 1e9);
  }

  const kernels::PeakKernels& kernels() const { return kernels_; }

 private:
  static constexpr float kSeed = 0.5F;

  std::byte* Part(std::size_t part) const { return static_cast<std::byte*>(buffer_) + part * kPartBytes; }

  // Twice as many until they take long enough, which also wakes the core from its rest.
  static std::size_t StepsOfAPart(const kernels::PeakKernel& kernel) {
    for (std::size_t steps = 1024;; steps *= 2) {
      const auto start = SteadyClock::now();
      (void)kernel.run(steps, kSeed);
      if (SecondsSince(start) >= kPartSeconds) return steps;
    }
  }

  // Relaxed: nobody reads it; it is where results go.
  void Keep(std::uint32_t result) { kept_.fetch_add(result, std::memory_order_relaxed); }

  const kernels::PeakKernels& kernels_;
  kernels::ThreadTeam team_;
  std::size_t parts_ = 0;
  void* buffer_ = MAP_FAILED;  // [parts_, kPartBytes]
  std::atomic<std::uint32_t> kept_{0};
};

}  // namespace

base::Result<MachineBenchmarkResult> RunMachineBenchmark(const MachineBenchmarkPlan& plan) {
  LOQUAT_ASSIGN(const kernels::Isa isa, kernels::ChooseIsa(plan.isa));
  MachineBenchmark benchmark(isa, plan.threads);
  LOQUAT_TRY(benchmark.TakeBuffer(plan.buffer_bytes));
  MachineBenchmarkResult result{.isa = std::string(kernels::IsaName(isa)),
                                .threads = benchmark.threads(),
                                .buffer_bytes = benchmark.buffer_bytes()};
  for (std::uint32_t round = 0; round < plan.rounds; ++round) {
    result.read_gb_per_second.push_back(benchmark.GigabytesPerSecond());
    benchmark.AddPeak(benchmark.kernels().f32, result.f32_gflop_per_second);
    benchmark.AddPeak(benchmark.kernels().bf16, result.bf16_gflop_per_second);
    benchmark.AddPeak(benchmark.kernels().int8, result.int8_gop_per_second);
  }
  return result;
}

}  // namespace loquat::app
