#include "net/event_loop.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/this_thread.h"
#include "net/channel_await.h"
#include "net/net_metrics.h"
#include "net/read_buffer.h"

namespace loquat::net {
namespace {

TEST(EventLoops, TasksRunOnTheLoopTheyWerePostedTo) {
  EventLoops loops({.threads = 3});
  loops.Start();
  for (std::size_t i = 0; i < loops.size(); ++i) {
    std::promise<bool> right;
    loops.at(i).Post([&] { right.set_value(loops.at(i).InLoopThread() && !loops.at((i + 1) % 3).InLoopThread()); });
    EXPECT_TRUE(right.get_future().get());
  }
}

TEST(EventLoops, AfterRunsLaterAndStopEndsTheThreads) {
  EventLoops loops;
  loops.Start();
  std::promise<void> done;
  loops.at(0).After(std::chrono::milliseconds(1), [&] { done.set_value(); });
  done.get_future().get();
  loops.at(0).After(std::chrono::hours(1), [] { FAIL(); });
  loops.Stop();
  loops.Join();
}

TEST(EventLoops, PinnedThreadsHaveACoreEachWhileThereAreSuch) {
  const std::vector<int> cores = base::AllowedCores();
  EventLoops loops({.threads = cores.size() + 1, .pin = true});
  loops.Start();
  for (std::size_t i = 0; i < loops.size(); ++i) {
    std::promise<cpu_set_t> of_loop;
    loops.at(i).Post([&] {
      cpu_set_t set;
      CPU_ZERO(&set);
      (void)sched_getaffinity(0, sizeof set, &set);
      of_loop.set_value(set);
    });
    const cpu_set_t set = of_loop.get_future().get();
    if (i < cores.size()) {
      EXPECT_EQ(CPU_COUNT(&set), 1);
      EXPECT_TRUE(CPU_ISSET(cores[i], &set));
    } else {
      EXPECT_EQ(CPU_COUNT(&set), static_cast<int>(cores.size()));
    }
  }
}

TEST(EventLoop, DateIsAnImfFixdate) {
  EventLoop loop(0, kDefaultTick);
  const std::string date(loop.HttpDate());
  ASSERT_EQ(date.size(), 29U);
  std::tm parsed{};
  EXPECT_EQ(strptime(date.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parsed), date.c_str() + 29) << date;
  EXPECT_NEAR(static_cast<double>(timegm(&parsed)), static_cast<double>(std::time(nullptr)), 2);
}

TEST(DeadlineSweep, NodesComeAndGoInAnyOrder) {
  struct Node final : DeadlineNode {
    void OnTick(base::TimePoint) override { ++ticks; }
    int ticks = 0;
  } nodes[3];
  DeadlineSweep sweep;
  for (Node& node : nodes) sweep.Add(node);
  sweep.Tick({});
  sweep.Remove(nodes[1]);
  sweep.Tick({});
  sweep.Remove(nodes[2]);
  sweep.Remove(nodes[0]);
  sweep.Tick({});
  EXPECT_EQ(sweep.size(), 0U);
  EXPECT_EQ(nodes[0].ticks, 2);
  EXPECT_EQ(nodes[1].ticks, 1);
  EXPECT_EQ(nodes[2].ticks, 2);
}

TEST(ReadBuffer, KeepsItsBytesThroughGrowthAndGivesMemoryBack) {
  ReadBuffer buffer;
  std::string expected;
  for (int i = 0; i < 40'000; ++i) {
    buffer.Reserve(buffer.size() + 1);
    ASSERT_FALSE(buffer.free().empty());
    const char c = static_cast<char>('a' + i % 26);
    buffer.free()[0] = c;
    buffer.Commit(1);
    expected += c;
  }
  EXPECT_EQ(std::string(buffer.data().data(), buffer.size()), expected);
  EXPECT_GT(buffer.heap_bytes(), 0U);
  EXPECT_LE(buffer.heap_bytes(), 2 * expected.size());
  buffer.Consume(expected.size() - 100);
  buffer.Tidy();
  EXPECT_EQ(buffer.heap_bytes(), 0U);
  EXPECT_EQ(std::string(buffer.data().data(), buffer.size()), expected.substr(expected.size() - 100));
}

TEST(ReadBuffer, DoesNotTrustAClaimedSize) {
  ReadBuffer buffer;
  buffer.Reserve(1'000'000'000);
  EXPECT_LE(buffer.heap_bytes(), 16U * 1024U);
}

asio::awaitable<std::uint64_t> Sum(base::Channel<int>* channel) {
  std::uint64_t sum = 0;
  for (;;) {
    const auto item = co_await AwaitPop(*channel);
    if (!item) co_return sum;
    sum += static_cast<std::uint64_t>(*item);
  }
}

asio::awaitable<int> PushAll(base::Channel<int>* channel, int count) {
  for (int i = 1; i <= count; ++i) {
    if (!co_await AwaitPush(*channel, i)) co_return i;
  }
  channel->Close();
  co_return count;
}

TEST(ChannelAwait, CoroutinesOnTwoLoopsShareAChannel) {
  EventLoops loops({.threads = 2});
  loops.Start();
  base::Channel<int> channel(4);
  auto sum = asio::co_spawn(loops.at(0).context(), Sum(&channel), asio::use_future);
  auto pushed = asio::co_spawn(loops.at(1).context(), PushAll(&channel, 20'000), asio::use_future);
  EXPECT_EQ(pushed.get(), 20'000);
  EXPECT_EQ(sum.get(), 20'000ULL * 20'001 / 2);
}

TEST(ChannelAwait, AThreadFeedsACoroutine) {
  EventLoops loops;
  loops.Start();
  base::Channel<int> channel(4);
  auto sum = asio::co_spawn(loops.at(0).context(), Sum(&channel), asio::use_future);
  for (int i = 1; i <= 10'000; ++i) {
    ASSERT_TRUE(channel.PushUntil(int{i}, base::Deadline()).has_value());
  }
  channel.Close();
  EXPECT_EQ(sum.get(), 10'000ULL * 10'001 / 2);
}

TEST(NetMetrics, EventsBecomeSeries) {
  observe::Registry registry;
  NetMetrics metrics(registry);
  metrics.OnConnectionOpened(false);
  metrics.OnConnectionOpened(true);
  metrics.OnConnectionClosed();
  metrics.OnConnectionRefused("connections");
  metrics.OnRequest(HttpVersion::kHttp2, 404);
  metrics.OnRequest(HttpVersion::kHttp2, 404);
  metrics.OnBytes(10, 20);
  metrics.OnProtocolError("bad_chunk");
  const std::string text = registry.Text();
  for (const char* line :
       {"loquat_connections_open 1", "loquat_connections_opened_total{transport=\"tls\"} 1",
        "loquat_connections_refused_total{reason=\"connections\"} 1",
        "loquat_http_messages_total{version=\"2\",status=\"404\"} 2", "loquat_network_written_bytes_total 20",
        "loquat_protocol_errors_total{reason=\"bad_chunk\"} 1"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
  }
}

}  // namespace
}  // namespace loquat::net
