#include "kernels/thread_team.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include "base/cache_line.h"
#include "base/check.h"
#include "base/this_thread.h"

namespace loquat::kernels {
namespace {

constexpr unsigned kSpins = 2000;  // Looks before sleeping, each with a pause: some tens of microseconds.

void Pause() {
  __builtin_ia32_pause();
}

}  // namespace

// A round's parts are handed out by one word: its upper half counts rounds, its lower half the parts not yet taken.
// Whoever lowers it has taken a part of the very round that it read, and that round cannot end, nor its job change,
// until the part is done. So a thread that oversleeps is waited for by nobody and can do no harm: its word is out of
// date or says that nothing is left.
struct ThreadTeam::State {
  static constexpr std::uint64_t kRoundStep = std::uint64_t{1} << 32;

  // Release when a round is published, acquire when it is read: the job below is seen whole. Only the caller adds
  // rounds, so the round cannot come back until 2^32 others have passed.
  alignas(base::kCacheLineBytes) std::atomic<std::uint64_t> open{0};
  // Parts taken and not yet done. Each thread releases its work by lowering it; the caller acquires at zero.
  alignas(base::kCacheLineBytes) std::atomic<std::uint32_t> undone{0};
  // Changes with each round and at the end: what sleepers sleep on. Sequentially consistent, as is the sleepers' check,
  // so that either the sleeper sees the new value or the waker sees the sleeper.
  alignas(base::kCacheLineBytes) std::atomic<std::uint32_t> rounds{0};
  std::atomic<bool> stop{false};  // Set before `rounds` changes for the last time, which publishes it.

  // The job of the current round. Relaxed: `open` orders them; atomic because a late thread may read them while the
  // next round's are written, and then throws what it read away.
  std::atomic<void (*)(void*, std::size_t)> call{nullptr};
  std::atomic<void*> work{nullptr};
  std::atomic<std::uint32_t> parts{0};

  std::vector<std::thread> threads;  // Constant after construction.

  // Takes parts of the current round until none is left.
  void Drain() {
    std::uint64_t word = open.load(std::memory_order_acquire);
    while ((word & (kRoundStep - 1)) != 0) {
      const auto current_call = call.load(std::memory_order_relaxed);
      void* const current_work = work.load(std::memory_order_relaxed);
      const std::uint32_t count = parts.load(std::memory_order_relaxed);
      if (!open.compare_exchange_weak(word, word - 1, std::memory_order_acq_rel, std::memory_order_acquire)) continue;
      current_call(current_work, count - static_cast<std::uint32_t>(word & (kRoundStep - 1)));
      if (undone.fetch_sub(1, std::memory_order_acq_rel) == 1) undone.notify_one();
      word = open.load(std::memory_order_acquire);
    }
  }

  void Loop() {
    std::uint32_t seen = 0;
    for (;;) {
      std::uint32_t now = rounds.load(std::memory_order_seq_cst);
      for (unsigned spin = 0; now == seen && spin < kSpins; ++spin) {
        Pause();
        now = rounds.load(std::memory_order_seq_cst);
      }
      if (now == seen) {
        rounds.wait(seen, std::memory_order_seq_cst);
        continue;
      }
      seen = now;
      if (stop.load(std::memory_order_relaxed)) return;
      Drain();
    }
  }
};

namespace {

unsigned ThreadsOf(const ThreadTeamOptions& options) {
  const std::size_t cores = base::AllowedCores().size();
  const std::size_t wanted = options.threads == 0 ? std::max<std::size_t>(cores, 1) : options.threads;
  return static_cast<unsigned>(std::min<std::size_t>(wanted, kTeamThreadsMax));
}

}  // namespace

ThreadTeam::ThreadTeam(const ThreadTeamOptions& options)
    : state_(std::make_unique<State>()), ranges_(std::make_unique<Range[]>(ThreadsOf(options))) {
  const std::vector<int> cores = base::AllowedCores();
  const unsigned wanted = ThreadsOf(options);
  state_->threads.reserve(wanted - 1);
  for (unsigned i = 1; i < wanted; ++i) {
    try {
      const std::optional<int> core = options.pin && i < cores.size() ? std::optional(cores[i]) : std::nullopt;
      state_->threads.emplace_back([state = state_.get(), core, niceness = options.niceness] {
        base::NameThisThread("loquat-team");
        base::LowerThisThread(niceness);
        if (core) base::PinThisThread(*core);
        state->Loop();
      });
    } catch (const std::system_error&) {
      break;  // The system gives no more: a smaller team does the same work.
    }
  }
}

ThreadTeam::~ThreadTeam() {
  state_->stop.store(true, std::memory_order_relaxed);
  state_->rounds.fetch_add(1, std::memory_order_seq_cst);
  state_->rounds.notify_all();
  for (std::thread& thread : state_->threads) thread.join();
}

unsigned ThreadTeam::size() const {
  return static_cast<unsigned>(state_->threads.size()) + 1;
}

void ThreadTeam::RunParts(std::size_t parts, void (*call)(void*, std::size_t), void* work) {
  if (parts <= 1 || state_->threads.empty()) {
    for (std::size_t part = 0; part < parts; ++part) call(work, part);
    return;
  }
  LOQUAT_CHECK(parts <= std::numeric_limits<std::uint32_t>::max(), "more parts than the team can count");
  State& state = *state_;
  const auto count = static_cast<std::uint32_t>(parts);
  state.call.store(call, std::memory_order_relaxed);
  state.work.store(work, std::memory_order_relaxed);
  state.parts.store(count, std::memory_order_relaxed);
  state.undone.store(count, std::memory_order_relaxed);
  const std::uint64_t round = state.open.load(std::memory_order_relaxed) / State::kRoundStep + 1;
  state.open.store(round * State::kRoundStep + count, std::memory_order_release);
  state.rounds.fetch_add(1, std::memory_order_seq_cst);
  state.rounds.notify_all();

  state.Drain();
  for (unsigned spin = 0;; ++spin) {
    const std::uint32_t left = state.undone.load(std::memory_order_acquire);
    if (left == 0) return;
    if (spin < kSpins) {
      Pause();
    } else {
      state.undone.wait(left, std::memory_order_acquire);
    }
  }
}

}  // namespace loquat::kernels
