#include "kernels/thread_team.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

#include "base/random.h"

namespace loquat::kernels {
namespace {

TEST(ThreadTeam, CallsEachPartOnceAndWaitsForAll) {
  base::Random random(7);
  for (const unsigned threads : {1U, 2U, 3U, 8U}) {
    ThreadTeam team({.threads = threads});
    EXPECT_EQ(team.size(), threads);
    for (int round = 0; round < 2000; ++round) {
      std::vector<int> calls(random.Below(20));  // Plain integers: Run itself must order what the threads wrote.
      team.Run(calls.size(), [&](std::size_t part) { ++calls[part]; });
      for (const int count : calls) ASSERT_EQ(count, 1);
    }
  }
}

TEST(ThreadTeam, PartsInOrderAreEachCalledOnceAndAThreadsOwnFollowEachOther) {
  base::Random random(8);
  for (const unsigned threads : {1U, 2U, 3U, 8U}) {
    ThreadTeam team({.threads = threads});
    for (int round = 0; round < 2000; ++round) {
      std::vector<int> calls(random.Below(40));
      team.RunInOrder(calls.size(), [&](std::size_t part) { ++calls[part]; });
      for (const int count : calls) ASSERT_EQ(count, 1);
    }
  }
  // Two threads that cannot overtake each other: each has one half, from its beginning to its end.
  ThreadTeam team({.threads = 2});
  std::barrier together(2);
  std::vector<std::thread::id> by(8);
  team.RunInOrder(by.size(), [&](std::size_t part) {
    by[part] = std::this_thread::get_id();
    together.arrive_and_wait();
  });
  EXPECT_NE(by.front(), by.back());
  for (std::size_t part = 1; part < 4; ++part) {
    EXPECT_EQ(by[part], by[0]) << part;
    EXPECT_EQ(by[4 + part], by[4]) << part;
  }
}

TEST(ThreadTeam, PartsOfAThreadThatIsHeldUpGoToTheOthers) {
  ThreadTeam team({.threads = 2});
  std::atomic<int> done{0};
  team.RunInOrder(8, [&](std::size_t part) {
    // The first part ends when all others have, its own range's among them.
    while (part == 0 && done.load() < 7) std::this_thread::yield();
    done.fetch_add(1);
  });
  EXPECT_EQ(done.load(), 8);
}

TEST(ThreadTeam, RoundsFollowEachOtherWithoutMixing) {
  ThreadTeam team({.threads = 4});
  std::vector<std::uint64_t> values(64);
  for (std::uint64_t round = 0; round < 5000; ++round) {
    const std::uint64_t step = round;
    team.Run(values.size(), [&values, step](std::size_t part) { values[part] += step; });
  }
  for (const std::uint64_t value : values) EXPECT_EQ(value, 5000ULL * 4999 / 2);
}

TEST(ThreadTeam, SleepersWakeUp) {
  // Longer than the threads look around: they sleep when the next round comes.
  ThreadTeam team({.threads = 3});
  std::atomic<int> calls{0};
  for (int round = 0; round < 50; ++round) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(1);
    while (std::chrono::steady_clock::now() < until) std::this_thread::yield();
    team.Run(6, [&](std::size_t) { calls.fetch_add(1, std::memory_order_relaxed); });
  }
  EXPECT_EQ(calls.load(), 300);
}

TEST(ThreadTeam, PartsRunAtTheSameTime) {
  ThreadTeam team({.threads = 2});
  std::atomic<int> met{0};
  team.Run(2, [&](std::size_t) {
    met.fetch_add(1);
    while (met.load() < 2) std::this_thread::yield();  // Ends only if the other part runs too.
  });
  EXPECT_EQ(met.load(), 2);
}

TEST(ThreadTeam, MayBeUsedFromOneThreadAfterAnother) {
  ThreadTeam team({.threads = 2});
  int sum = 0;
  for (int round = 0; round < 20; ++round) {
    std::thread([&] {
      std::vector<int> parts(10);
      team.Run(parts.size(), [&](std::size_t part) { parts[part] = static_cast<int>(part); });
      sum += std::accumulate(parts.begin(), parts.end(), 0);
    }).join();
  }
  EXPECT_EQ(sum, 20 * 45);
}

TEST(ThreadTeam, StopsWhileItsThreadsSpinOrSleepAndWithoutAnyRound) {
  for (int i = 0; i < 200; ++i) {
    ThreadTeam team({.threads = 4});
    if (i % 2 == 0) team.Run(3, [](std::size_t) {});
  }
}

TEST(ThreadTeam, PinsItsOwnThreadsToOneCoreEach) {
  ThreadTeam team({.threads = 0, .pin = true});
  const std::thread::id caller = std::this_thread::get_id();
  std::atomic<int> free_threads{0};
  for (int round = 0; round < 100; ++round) {
    team.Run(8, [&](std::size_t) {
      cpu_set_t set;
      if (std::this_thread::get_id() == caller || sched_getaffinity(0, sizeof set, &set) != 0) return;
      if (CPU_COUNT(&set) != 1) free_threads.fetch_add(1);
    });
  }
  EXPECT_LE(team.size(), kTeamThreadsMax);
  EXPECT_EQ(free_threads.load(), 0);
}

TEST(ThreadTeam, ItsOwnThreadsAreAsNiceAsAsked) {
  const int own = getpriority(PRIO_PROCESS, 0);
  ThreadTeam team({.threads = 3, .niceness = 7});
  const std::thread::id caller = std::this_thread::get_id();
  std::atomic<int> others{0}, wrong{0};
  std::barrier all(3);  // Each part on a thread of its own.
  team.Run(3, [&](std::size_t) {
    all.arrive_and_wait();
    const bool mine = std::this_thread::get_id() == caller;
    if (!mine) others.fetch_add(1);
    if (getpriority(PRIO_PROCESS, 0) != std::min(19, own + (mine ? 0 : 7))) wrong.fetch_add(1);
  });
  EXPECT_EQ(others.load(), 2);
  EXPECT_EQ(wrong.load(), 0);
}

}  // namespace
}  // namespace loquat::kernels
