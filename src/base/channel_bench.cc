// What a hand-over costs: rings alone, channels with their waiting, and a mutex-guarded deque to compare with.

#include <benchmark/benchmark.h>

#include <deque>
#include <optional>
#include <thread>

#include "base/channel.h"
#include "base/mutex.h"
#include "base/ring.h"

namespace loquat::base {
namespace {

constexpr std::size_t kCapacity = 1024;
constexpr int kBatch = 100000;

// The plain way, as the yardstick.
class LockedQueue {
 public:
  explicit LockedQueue(std::size_t capacity) : capacity_(capacity) {}
  PushResult TryPush(std::uint64_t&& item) {
    const MutexLock lock(mutex_);
    if (items_.size() == capacity_) return PushResult::kFull;
    items_.push_back(item);
    return PushResult::kOk;
  }
  std::optional<std::uint64_t> TryPop() {
    const MutexLock lock(mutex_);
    if (items_.empty()) return std::nullopt;
    const std::uint64_t item = items_.front();
    items_.pop_front();
    return item;
  }

 private:
  const std::size_t capacity_;
  Mutex mutex_;
  std::deque<std::uint64_t> items_ LOQUAT_GUARDED_BY(mutex_);
};

// One thread pushes and pops in turn: the cost without contention.
template <typename Queue>
void PushAndPop(benchmark::State& state) {
  Queue queue(kCapacity);
  std::uint64_t number = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(queue.TryPush(std::uint64_t{++number}));
    benchmark::DoNotOptimize(queue.TryPop());
  }
  state.SetItemsProcessed(state.iterations());
}

// Two threads, spinning: throughput of a hand-over between cores.
template <typename Queue>
void HandOver(benchmark::State& state) {
  for (auto _ : state) {
    Queue queue(kCapacity);
    std::jthread pusher([&queue] {
      for (std::uint64_t i = 0; i < kBatch;) {
        if (queue.TryPush(std::uint64_t{i}) == PushResult::kOk) {
          ++i;
        } else {
          std::this_thread::yield();
        }
      }
    });
    for (int taken = 0; taken < kBatch;) {
      if (queue.TryPop().has_value()) {
        ++taken;
      } else {
        std::this_thread::yield();
      }
    }
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}

// Two threads that sleep when they must: what compute threads do.
template <typename Queue>
void HandOverSleeping(benchmark::State& state) {
  for (auto _ : state) {
    Queue queue(kCapacity);
    std::jthread pusher([&queue] {
      for (std::uint64_t i = 0; i < kBatch; ++i) {
        static_cast<void>(queue.PushUntil(std::uint64_t{i}, Deadline()));
      }
      queue.Close();
    });
    while (queue.Pop().has_value()) continue;
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}

// There and back between two sleeping threads: the latency of a wake-up, twice.
void RoundTrip(benchmark::State& state) {
  Channel<std::uint64_t> there(2);
  Channel<std::uint64_t> back(2);
  std::jthread echo([&] {
    while (auto item = there.Pop()) static_cast<void>(back.TryPush(std::move(*item)));
  });
  for (auto _ : state) {
    static_cast<void>(there.TryPush(std::uint64_t{1}));
    benchmark::DoNotOptimize(back.Pop());
  }
  there.Close();
}

using Item = std::uint64_t;
BENCHMARK(PushAndPop<LockedQueue>);
BENCHMARK(PushAndPop<SpscRing<Item>>);
BENCHMARK(PushAndPop<MpmcRing<Item>>);
BENCHMARK(PushAndPop<SpscChannel<Item>>);
BENCHMARK(PushAndPop<Channel<Item>>);
BENCHMARK(HandOver<LockedQueue>)->UseRealTime();
BENCHMARK(HandOver<SpscRing<Item>>)->UseRealTime();
BENCHMARK(HandOver<MpmcRing<Item>>)->UseRealTime();
BENCHMARK(HandOverSleeping<SpscChannel<Item>>)->UseRealTime();
BENCHMARK(HandOverSleeping<Channel<Item>>)->UseRealTime();
BENCHMARK(RoundTrip)->UseRealTime();

}  // namespace
}  // namespace loquat::base
