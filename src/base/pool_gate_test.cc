// object_pool.h, gate.h, wait_list.h.

#include <gtest/gtest.h>

#include <optional>
#include <thread>
#include <vector>

#include "base/gate.h"
#include "base/object_pool.h"
#include "base/wait_list.h"

namespace loquat::base {
namespace {

Deadline Past() {
  return Deadline(std::chrono::steady_clock::now());
}

TEST(ObjectPool, LendsTheWarmestAndKeepsAtMostSoMany) {
  int made = 0;
  ObjectPool<int> pool(2, [&made] { return std::make_unique<int>(++made); });
  {
    const auto first = pool.Acquire();
    const auto second = pool.Acquire();
    const auto third = pool.Acquire();
    EXPECT_EQ(made, 3);
    EXPECT_EQ(pool.lent(), 3U);
  }
  EXPECT_EQ(pool.idle(), 2U) << "the third one back found no room";
  EXPECT_EQ(pool.lent(), 0U);
  EXPECT_EQ(*pool.Acquire(), 2) << "given back last of those kept";
  EXPECT_EQ(made, 3);
}

TEST(ObjectPool, CleansWhatComesBack) {
  ObjectPool<std::string> pool(
      1, [] { return std::make_unique<std::string>(); }, [](std::string& text) { text.clear(); });
  pool.Acquire()->append("left behind");
  EXPECT_EQ(*pool.Acquire(), "");
}

TEST(ObjectPool, WithoutRoomEveryObjectIsNew) {
  ObjectPool<int> pool(0);
  pool.Acquire().reset();
  EXPECT_EQ(pool.idle(), 0U);
}

TEST(SharedObjectPool, NeverLendsOneObjectTwiceAtATime) {
  struct Item {
    std::atomic<int> users{0};
  };
  SharedObjectPool<Item> pool(4);
  std::atomic<int> clashes{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 5000; ++i) {
          const auto item = pool.Acquire();
          if (item->users.fetch_add(1) != 0) ++clashes;
          item->users.fetch_sub(1);
        }
      });
    }
  }
  EXPECT_EQ(clashes.load(), 0);
  EXPECT_LE(pool.idle(), 4U);
  EXPECT_EQ(pool.lent(), 0U);
}

TEST(ObjectPoolDeathTest, OutlivesWhatItLent) {
  EXPECT_DEATH(
      {
        auto pool = std::make_unique<ObjectPool<int>>(1);
        const auto item = pool->Acquire();
        pool.reset();
      },
      "lent");
}

struct CountingWaiter final : Waiter {
  void Notify() noexcept override { ++count; }
  std::atomic<int> count{0};
};

TEST(WaitList, WakesInTheOrderOfComing) {
  WaitList list;
  CountingWaiter a, b, c;
  const auto wait = [] { return false; };
  EXPECT_TRUE(list.AddUnless(a, wait));
  EXPECT_TRUE(list.AddUnless(b, wait));
  EXPECT_TRUE(list.AddUnless(c, wait));
  EXPECT_TRUE(list.Remove(b));
  EXPECT_FALSE(list.Remove(b));
  list.WakeOne();
  EXPECT_EQ(a.count, 1);
  EXPECT_EQ(c.count, 0);
  EXPECT_TRUE(list.AddUnless(a, wait));
  EXPECT_TRUE(list.AddUnless(b, wait));
  EXPECT_TRUE(list.Any());
  list.WakeAll();
  EXPECT_FALSE(list.Any());
  EXPECT_EQ(a.count, 2);
  EXPECT_EQ(b.count, 1);
  EXPECT_EQ(c.count, 1);
  list.WakeOne();
  EXPECT_FALSE(list.AddUnless(a, [] { return true; }));
  EXPECT_FALSE(list.Remove(a));
}

TEST(WaitListDeathTest, RefusesToListTwiceOrToDieWhileWaitedOn) {
  const auto wait = [] { return false; };
  EXPECT_DEATH(
      {
        WaitList list;
        CountingWaiter a;
        static_cast<void>(list.AddUnless(a, wait));
        static_cast<void>(list.AddUnless(a, wait));
      },
      "one thing at a time");
  EXPECT_DEATH(
      {
        CountingWaiter a;
        WaitList list;
        static_cast<void>(list.AddUnless(a, wait));
      },
      "while somebody waits");
}

TEST(Gate, RefusesOnceClosedAndKnowsWhenItIsEmpty) {
  Gate gate;
  CountingWaiter empty;
  Gate::Pass first = gate.Enter();
  Gate::Pass second = gate.Enter();
  ASSERT_TRUE(first);
  EXPECT_EQ(gate.inside(), 2U);
  gate.Close();
  EXPECT_TRUE(gate.closed());
  EXPECT_FALSE(gate.Enter());
  EXPECT_FALSE(gate.WaitUntilEmpty(Past()));
  EXPECT_TRUE(gate.AwaitEmpty(empty));
  first.Release();
  first.Release();
  EXPECT_EQ(empty.count, 0);
  EXPECT_FALSE(gate.WaitUntilEmpty(Past()));
  second = Gate::Pass();
  EXPECT_EQ(empty.count, 1);
  EXPECT_TRUE(gate.WaitUntilEmpty());
  EXPECT_FALSE(gate.AwaitEmpty(empty));
  gate.Close();
}

TEST(Gate, AnOpenGateIsNotDoneWhenNobodyIsInside) {
  Gate gate;
  gate.Enter().Release();
  EXPECT_FALSE(gate.WaitUntilEmpty(Past()));
  CountingWaiter empty;
  EXPECT_TRUE(gate.AwaitEmpty(empty));
  EXPECT_TRUE(gate.CancelEmpty(empty));
  EXPECT_TRUE(gate.AwaitEmpty(empty));
  gate.Close();
  EXPECT_EQ(empty.count, 1);
  EXPECT_FALSE(gate.CancelEmpty(empty));
}

TEST(Gate, PassesMove) {
  Gate gate;
  {
    Gate::Pass pass = gate.Enter();
    Gate::Pass moved = std::move(pass);
    Gate::Pass assigned;
    assigned = std::move(moved);
    EXPECT_EQ(gate.inside(), 1U);
  }
  EXPECT_EQ(gate.inside(), 0U);
}

TEST(Gate, EveryEntryBeforeTheCloseIsWaitedFor) {
  for (int round = 0; round < 200; ++round) {
    auto gate = std::make_unique<Gate>();
    std::atomic<bool> destroyed{false};
    std::atomic<int> late{0};
    std::vector<std::jthread> threads;
    for (int t = 0; t < 3; ++t) {
      // Each thread holds a pass from the start, so that the gate is alive while it may still be entered.
      threads.emplace_back([&late, &destroyed, gate = gate.get(), held = gate->Enter()]() mutable {
        while (const Gate::Pass pass = gate->Enter()) {
          if (destroyed.load()) ++late;
        }
        held.Release();
      });
    }
    gate->Close();
    ASSERT_TRUE(gate->WaitUntilEmpty());
    destroyed.store(true);
    gate.reset();  // At once: the last one to leave must not touch it any more.
    threads.clear();
    ASSERT_EQ(late.load(), 0);
  }
}

TEST(GateDeathTest, IsNotDestroyedWhileSomebodyIsInside) {
  EXPECT_DEATH(
      {
        std::optional<Gate::Pass> pass;
        Gate gate;
        pass = gate.Enter();
      },
      "somebody is inside");
}

}  // namespace
}  // namespace loquat::base
