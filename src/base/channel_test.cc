#include "base/channel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <coroutine>
#include <memory>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/random.h"

namespace loquat::base {
namespace {

Deadline Past() {
  return Deadline(std::chrono::steady_clock::now());
}

struct CountingWaiter final : Waiter {
  void Notify() noexcept override { ++count; }
  std::atomic<int> count{0};
};

template <typename Channel>
class ChannelTest : public testing::Test {};
using Channels = testing::Types<Channel<std::unique_ptr<int>>, SpscChannel<std::unique_ptr<int>>>;
TYPED_TEST_SUITE(ChannelTest, Channels);

TYPED_TEST(ChannelTest, RefusesAtOnceWhenFullEmptyOrClosed) {
  TypeParam channel(2);
  EXPECT_EQ(channel.TryPop().error(), ChannelRefusal::kEmpty);
  EXPECT_TRUE(channel.TryPush(std::make_unique<int>(1)).has_value());
  EXPECT_TRUE(channel.TryPush(std::make_unique<int>(2)).has_value());
  auto third = std::make_unique<int>(3);
  EXPECT_EQ(channel.TryPush(std::move(third)).error(), ChannelRefusal::kFull);
  ASSERT_NE(third, nullptr) << "a refused item stays with the caller";
  EXPECT_EQ(channel.size(), 2U);
  channel.Close();
  EXPECT_TRUE(channel.closed());
  EXPECT_EQ(channel.TryPush(std::move(third)).error(), ChannelRefusal::kClosed);
  ASSERT_NE(third, nullptr);
  EXPECT_EQ(*channel.TryPop().value(), 1);
  EXPECT_EQ(*channel.Pop().value(), 2);
  EXPECT_EQ(channel.TryPop().error(), ChannelRefusal::kClosed);
  EXPECT_EQ(channel.Pop().error(), ChannelRefusal::kClosed);
}

TYPED_TEST(ChannelTest, APassedDeadlineStillTakesWhatIsThere) {
  TypeParam channel(2);
  EXPECT_EQ(channel.PopUntil(Past()).error(), ChannelRefusal::kTimedOut);
  EXPECT_TRUE(channel.PushUntil(std::make_unique<int>(1), Past()).has_value());
  EXPECT_TRUE(channel.PushUntil(std::make_unique<int>(2), Past()).has_value());
  auto third = std::make_unique<int>(3);
  EXPECT_EQ(channel.PushUntil(std::move(third), Past()).error(), ChannelRefusal::kTimedOut);
  ASSERT_NE(third, nullptr);
  EXPECT_EQ(*channel.PopUntil(Past()).value(), 1);
  channel.Close();
  EXPECT_EQ(channel.PushUntil(std::move(third), Deadline()).error(), ChannelRefusal::kClosed);
}

TYPED_TEST(ChannelTest, SleepersHandEveryItemOver) {
  constexpr int kItems = 30000;
  TypeParam channel(2);  // Small, so that both sides sleep often.
  std::jthread pusher([&channel] {
    for (int i = 0; i < kItems; ++i) {
      ASSERT_TRUE(channel.PushUntil(std::make_unique<int>(i), Deadline()).has_value());
    }
    channel.Close();
  });
  int expected = 0;
  while (true) {
    const auto item = channel.Pop();
    if (!item.has_value()) break;
    ASSERT_EQ(**item, expected);
    ++expected;
  }
  EXPECT_EQ(expected, kItems);
}

TYPED_TEST(ChannelTest, CloseWakesASleepingPopper) {
  for (int round = 0; round < 200; ++round) {
    TypeParam channel(2);
    std::jthread popper([&channel] { EXPECT_EQ(channel.Pop().error(), ChannelRefusal::kClosed); });
    if (round % 2 == 0) std::this_thread::yield();
    channel.Close();
  }
}

TYPED_TEST(ChannelTest, CloseWakesASleepingPusher) {
  for (int round = 0; round < 200; ++round) {
    TypeParam channel(2);
    ASSERT_TRUE(channel.TryPush(std::make_unique<int>(1)).has_value());
    ASSERT_TRUE(channel.TryPush(std::make_unique<int>(2)).has_value());
    std::jthread pusher([&channel] {
      EXPECT_EQ(channel.PushUntil(std::make_unique<int>(3), Deadline()).error(), ChannelRefusal::kClosed);
    });
    if (round % 2 == 0) std::this_thread::yield();
    channel.Close();
  }
}

TYPED_TEST(ChannelTest, NotifiesARegisteredWaiterOnce) {
  TypeParam channel(2);
  CountingWaiter waiter;
  ASSERT_TRUE(channel.AwaitPop(waiter));
  ASSERT_TRUE(channel.TryPush(std::make_unique<int>(1)).has_value());
  EXPECT_EQ(waiter.count, 1);
  ASSERT_TRUE(channel.TryPush(std::make_unique<int>(2)).has_value());
  EXPECT_EQ(waiter.count, 1);
  EXPECT_FALSE(channel.AwaitPop(waiter)) << "an item is there: nothing to wait for";
  ASSERT_TRUE(channel.AwaitPush(waiter));
  ASSERT_TRUE(channel.TryPop().has_value());
  EXPECT_EQ(waiter.count, 2);
  EXPECT_FALSE(channel.AwaitPush(waiter));
}

TYPED_TEST(ChannelTest, CancelledWaitersAreNotNotified) {
  TypeParam channel(2);
  CountingWaiter waiter;
  ASSERT_TRUE(channel.AwaitPop(waiter));
  EXPECT_TRUE(channel.CancelPop(waiter));
  ASSERT_TRUE(channel.TryPush(std::make_unique<int>(1)).has_value());
  ASSERT_TRUE(channel.TryPush(std::make_unique<int>(2)).has_value());
  EXPECT_EQ(waiter.count, 0);
  ASSERT_TRUE(channel.AwaitPush(waiter));
  EXPECT_TRUE(channel.CancelPush(waiter));
  EXPECT_FALSE(channel.CancelPush(waiter));
  channel.Close();
  EXPECT_EQ(waiter.count, 0);
  EXPECT_FALSE(channel.AwaitPush(waiter)) << "closed: nothing to wait for";
}

TEST(Channel, AWakeUpThatIsPassedOnReachesTheNextWaiter) {
  Channel<int> channel(2);
  CountingWaiter first, second;
  ASSERT_TRUE(channel.AwaitPop(first));
  ASSERT_TRUE(channel.AwaitPop(second));
  ASSERT_TRUE(channel.TryPush(1).has_value());
  EXPECT_EQ(first.count, 1);
  EXPECT_EQ(second.count, 0);
  channel.PassOn();
  EXPECT_EQ(second.count, 1);
}

TEST(Channel, TheLastItemAfterACloseReleasesTheOtherWaiters) {
  Channel<int> channel(4);
  const int one = 1;
  ASSERT_TRUE(channel.TryPush(one).has_value());
  channel.Close();
  EXPECT_EQ(channel.TryPop().value(), 1);
  CountingWaiter waiter;
  EXPECT_FALSE(channel.AwaitPop(waiter)) << "drained: nothing to wait for";
}

TEST(Channel, ErrorsSayWhichChannelAndWhatToDo) {
  const Error full = ChannelError(ChannelRefusal::kFull, "inference queue");
  EXPECT_EQ(full.code, Code::kResourceExhausted);
  EXPECT_EQ(full.reason, "queue_full");
  EXPECT_EQ(full.message, "the inference queue is full; try again later");
  EXPECT_EQ(ChannelError(ChannelRefusal::kTimedOut, "q").code, Code::kDeadlineExceeded);
  EXPECT_EQ(ChannelError(ChannelRefusal::kClosed, "q").code, Code::kUnavailable);
  EXPECT_EQ(ChannelError(ChannelRefusal::kEmpty, "q").code, Code::kUnavailable);
}

// A detached coroutine: runs until its first wait, then wherever it is resumed.
struct Detached {
  struct promise_type {
    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { LOQUAT_CHECK(false, "nothing here throws"); }
  };
};

Detached SumUp(Channel<int>& channel, std::atomic<std::int64_t>& sum, std::atomic<int>& running) {
  while (true) {
    const auto item = channel.TryPop();
    if (item.has_value()) {
      sum += *item;
    } else if (item.error() == ChannelRefusal::kClosed) {
      break;
    } else {
      co_await channel.PopReady();
    }
  }
  --running;
}

Detached PushAll(Channel<int>& channel, int count, std::atomic<int>& running) {
  for (int i = 1; i <= count;) {
    const auto pushed = channel.TryPush(i);
    if (pushed.has_value()) {
      ++i;
    } else if (pushed.error() == ChannelRefusal::kFull) {
      co_await channel.PushReady();
    } else {
      break;
    }
  }
  --running;
}

TEST(Channel, CoroutinesWaitOnBothSides) {
  Channel<int> channel(2);
  std::atomic<std::int64_t> sum{0};
  std::atomic<int> running{2};
  SumUp(channel, sum, running);
  PushAll(channel, 100, running);
  channel.Close();
  EXPECT_EQ(running.load(), 0);
  EXPECT_EQ(sum.load(), 5050);
}

// Threads that sleep, threads that time out, and coroutines, all at one small channel: every item comes out once,
// and nobody is left asleep (the test would hang).
TEST(Channel, MixedWaitersTakeEveryItemExactlyOnce) {
  constexpr std::uint64_t kSeed = 21;
  SCOPED_TRACE(kSeed);
  constexpr int kPushers = 3;
  constexpr int kEach = 4000;
  for (int round = 0; round < 5; ++round) {
    Channel<int> channel(4);
    std::atomic<std::int64_t> sum{0};
    std::atomic<int> coroutines{2};
    SumUp(channel, sum, coroutines);
    SumUp(channel, sum, coroutines);
    {
      std::vector<std::jthread> poppers;
      for (std::uint64_t p = 0; p < 3; ++p) {
        poppers.emplace_back([&, p] {
          Random random(kSeed + p);
          while (true) {
            const auto wait = std::chrono::microseconds(random.Below(50));
            const Deadline deadline = p == 0 ? Deadline() : Deadline(std::chrono::steady_clock::now() + wait);
            const auto item = channel.PopUntil(deadline);
            if (item.has_value()) sum += *item;
            if (!item.has_value() && item.error() == ChannelRefusal::kClosed) return;
          }
        });
      }
      {
        std::vector<std::jthread> pushers;
        for (int p = 0; p < kPushers; ++p) {
          pushers.emplace_back([&channel] {
            for (int i = 1; i <= kEach; ++i) ASSERT_TRUE(channel.PushUntil(int{i}, Deadline()).has_value());
          });
        }
      }
      channel.Close();
    }
    EXPECT_EQ(coroutines.load(), 0);
    EXPECT_EQ(sum.load(), std::int64_t{kPushers} * kEach * (kEach + 1) / 2);
  }
}

TEST(Channel, ManyProducersAndConsumersKeepOrderPerProducer) {
  constexpr int kPushers = 4;
  constexpr int kPoppers = 4;
  constexpr int kEach = 8000;
  struct Tagged {
    int pusher = 0;
    int number = 0;
  };
  Channel<Tagged> channel(8);
  std::vector<std::vector<Tagged>> seen(kPoppers);
  {
    std::vector<std::jthread> poppers;
    for (auto& mine : seen) {
      poppers.emplace_back([&channel, &mine] {
        while (true) {
          const auto item = channel.Pop();
          if (!item.has_value()) return;
          mine.push_back(*item);
        }
      });
    }
    {
      std::vector<std::jthread> pushers;
      for (int p = 0; p < kPushers; ++p) {
        pushers.emplace_back([&channel, p] {
          for (int i = 0; i < kEach; ++i) {
            ASSERT_TRUE(channel.PushUntil(Tagged{.pusher = p, .number = i}, Deadline()).has_value());
          }
        });
      }
    }
    channel.Close();
  }
  std::size_t total = 0;
  for (const auto& mine : seen) {
    std::vector<int> last(kPushers, -1);
    total += mine.size();
    for (const Tagged& item : mine) {
      ASSERT_GT(item.number, last[static_cast<std::size_t>(item.pusher)]);
      last[static_cast<std::size_t>(item.pusher)] = item.number;
    }
  }
  EXPECT_EQ(total, std::size_t{kPushers} * kEach);
}

// Registering, cancelling and notifying race; a waiter is either cancelled or notified, never both, never neither.
TEST(Channel, CancelAndNotifyNeverBothHappen) {
  for (int round = 0; round < 2000; ++round) {
    Channel<int> channel(2);
    CountingWaiter waiter;
    ASSERT_TRUE(channel.AwaitPop(waiter));
    std::jthread pusher([&channel] { static_cast<void>(channel.TryPush(1)); });
    const bool cancelled = channel.CancelPop(waiter);
    pusher.join();
    ASSERT_EQ(waiter.count, cancelled ? 0 : 1);
  }
}

}  // namespace
}  // namespace loquat::base
