#include "base/ring.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "base/random.h"

namespace loquat::base {
namespace {

template <typename Ring>
class RingTest : public testing::Test {};
using Rings = testing::Types<SpscRing<std::unique_ptr<int>>, MpmcRing<std::unique_ptr<int>>>;
TYPED_TEST_SUITE(RingTest, Rings);

std::unique_ptr<int> Item(int value) {
  return std::make_unique<int>(value);
}

TYPED_TEST(RingTest, CapacityIsTheNextPowerOfTwo) {
  EXPECT_EQ(TypeParam(1).capacity(), 2U);
  EXPECT_EQ(TypeParam(2).capacity(), 2U);
  EXPECT_EQ(TypeParam(3).capacity(), 4U);
  EXPECT_EQ(TypeParam(1000).capacity(), 1024U);
}

TYPED_TEST(RingTest, RefusesWhenFullAndLeavesTheItemAlone) {
  TypeParam ring(2);
  EXPECT_EQ(ring.TryPush(Item(1)), PushResult::kOk);
  EXPECT_TRUE(ring.CanPush());
  EXPECT_EQ(ring.TryPush(Item(2)), PushResult::kOk);
  EXPECT_FALSE(ring.CanPush());
  std::unique_ptr<int> third = Item(3);
  EXPECT_EQ(ring.TryPush(std::move(third)), PushResult::kFull);
  ASSERT_NE(third, nullptr);
  EXPECT_EQ(**ring.TryPop(), 1);
  EXPECT_EQ(ring.TryPush(std::move(third)), PushResult::kOk);
  EXPECT_EQ(third, nullptr);
}

TYPED_TEST(RingTest, BehavesLikeADequeInAnyOrderOfCalls) {
  constexpr std::uint64_t kSeed = 11;
  SCOPED_TRACE(kSeed);
  Random random(kSeed);
  for (int round = 0; round < 200; ++round) {
    TypeParam ring(1 + random.Below(9));
    std::deque<int> model;
    bool closed = false;
    for (int step = 0; step < 300; ++step) {
      const std::uint64_t action = random.Below(100);
      if (action < 50) {
        const PushResult expected = closed                            ? PushResult::kClosed
                                    : model.size() == ring.capacity() ? PushResult::kFull
                                                                      : PushResult::kOk;
        ASSERT_EQ(ring.TryPush(Item(step)), expected);
        if (expected == PushResult::kOk) model.push_back(step);
      } else if (action < 99) {
        const auto popped = ring.TryPop();
        ASSERT_EQ(popped.has_value(), !model.empty());
        if (popped.has_value()) {
          ASSERT_EQ(**popped, model.front());
          model.pop_front();
        }
      } else if (step > 250) {
        ring.Close();
        closed = true;
      }
      ASSERT_EQ(ring.size(), model.size());
      ASSERT_EQ(ring.CanPop(), !model.empty());
      ASSERT_EQ(ring.CanPush(), !closed && model.size() < ring.capacity());
      ASSERT_EQ(ring.closed(), closed);
      ASSERT_EQ(ring.Drained(), closed && model.empty());
    }
  }
}

TYPED_TEST(RingTest, DestroysWhatIsLeftInside) {
  struct Counted {
    std::shared_ptr<int> life;
  };
  const auto life = std::make_shared<int>(0);
  {
    MpmcRing<Counted> ring(4);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(ring.TryPush({life}), PushResult::kOk);
    EXPECT_EQ(life.use_count(), 4);
  }
  {
    SpscRing<Counted> ring(4);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(ring.TryPush({life}), PushResult::kOk);
  }
  EXPECT_EQ(life.use_count(), 1);
}

TYPED_TEST(RingTest, OnePusherAndOnePopperKeepTheOrder) {
  constexpr int kItems = 100000;
  TypeParam ring(64);
  std::jthread pusher([&ring] {
    for (int i = 0; i < kItems; ++i) {
      std::unique_ptr<int> item = Item(i);
      while (ring.TryPush(std::move(item)) == PushResult::kFull) std::this_thread::yield();
    }
    ring.Close();
  });
  int expected = 0;
  while (!ring.Drained()) {
    const auto item = ring.TryPop();
    if (!item.has_value()) {
      std::this_thread::yield();
      continue;
    }
    ASSERT_EQ(**item, expected);
    ++expected;
  }
  EXPECT_EQ(expected, kItems);
}

// The heart of closing: pushes that said kOk, and only those, come out, though a third thread closes at a random
// moment.
TYPED_TEST(RingTest, ACloseInTheMiddleLosesNothing) {
  constexpr std::uint64_t kSeed = 12;
  SCOPED_TRACE(kSeed);
  Random random(kSeed);
  for (int round = 0; round < 300; ++round) {
    TypeParam ring(4);
    const std::uint64_t spins = random.Below(3000);
    int pushed = 0;
    int popped = 0;
    std::jthread pusher([&] {
      while (true) {
        std::unique_ptr<int> item = Item(pushed);
        const PushResult result = ring.TryPush(std::move(item));
        if (result == PushResult::kOk) {
          ++pushed;
        } else if (item == nullptr) {
          pushed = -1;  // A refusal took the item.
          return;
        }
        if (result == PushResult::kClosed) return;
      }
    });
    std::jthread popper([&] {
      while (!ring.Drained()) {
        const auto item = ring.TryPop();
        if (item.has_value()) popped += **item == popped ? 1 : 1000000;
      }
    });
    for (std::atomic<std::uint64_t> spin = 0; spin.load() < spins; ++spin) continue;
    ring.Close();
    pusher.join();
    popper.join();
    ASSERT_EQ(popped, pushed);
  }
}

TEST(MpmcRing, EveryItemComesOutExactlyOnceAndInOrderOfItsPusher) {
  constexpr int kPushers = 4;
  constexpr int kPoppers = 4;
  constexpr int kEach = 20000;
  struct Tagged {
    int pusher;
    int number;
  };
  MpmcRing<Tagged> ring(32);
  std::vector<std::vector<Tagged>> seen(kPoppers);
  {
    std::vector<std::jthread> poppers;
    for (int p = 0; p < kPoppers; ++p) {
      poppers.emplace_back([&ring, &mine = seen[static_cast<std::size_t>(p)]] {
        while (!ring.Drained()) {
          if (const auto item = ring.TryPop()) {
            mine.push_back(*item);
          } else {
            std::this_thread::yield();
          }
        }
      });
    }
    {
      std::vector<std::jthread> pushers;
      for (int p = 0; p < kPushers; ++p) {
        pushers.emplace_back([&ring, p] {
          for (int i = 0; i < kEach; ++i) {
            while (ring.TryPush({p, i}) == PushResult::kFull) std::this_thread::yield();
          }
        });
      }
    }
    ring.Close();
  }
  std::vector<std::vector<int>> counts(kPushers, std::vector<int>(kEach));
  for (const auto& mine : seen) {
    std::vector<int> last(kPushers, -1);
    for (const Tagged& item : mine) {
      const auto pusher = static_cast<std::size_t>(item.pusher);
      ++counts[pusher][static_cast<std::size_t>(item.number)];
      ASSERT_GT(item.number, last[pusher]) << "one popper sees each pusher's items in order";
      last[pusher] = item.number;
    }
  }
  for (const auto& of_pusher : counts) {
    for (const int count : of_pusher) ASSERT_EQ(count, 1);
  }
}

TEST(RingDeathTest, AnEmptyRingIsAMistakeOfOurs) {
  EXPECT_DEATH(MpmcRing<int>(0), "holds 1 to");
  EXPECT_DEATH(SpscRing<int>(ring_internal::kMaxCapacity + 1), "holds 1 to");
}

}  // namespace
}  // namespace loquat::base
