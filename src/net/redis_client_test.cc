// The client against a Redis of the test's making, whose replies, silences and hang-ups are scripted.

#include "net/redis_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <future>
#include <string>
#include <vector>

#include "net/fake_redis.h"

namespace loquat::net {
namespace {

using base::Code;
using std::chrono::milliseconds;
using testing::ElementsAre;

constexpr std::string_view kOk = "+OK\r\n";
constexpr std::string_view kHello = "%1\r\n+proto\r\n:3\r\n";

class CountingObserver final : public RedisObserver {
 public:
  void OnCommand(RedisOutcome outcome, base::Duration) override { ++outcomes[static_cast<std::size_t>(outcome)]; }
  base::Status OnGreeted(std::span<const RespValue> replies) override {
    greeted = replies.size();
    return {};
  }
  void OnAway(const base::Error& why) override {
    const base::MutexLock lock(mutex_);
    why_ = why;
    ++away;
  }
  void OnReady() override { ++ready; }
  base::Error why() {
    const base::MutexLock lock(mutex_);
    return why_;
  }
  std::size_t count(RedisOutcome outcome) const { return outcomes[static_cast<std::size_t>(outcome)]; }

  std::array<std::atomic<std::size_t>, 6> outcomes{};
  std::atomic<std::size_t> greeted{0}, away{0}, ready{0};

 private:
  base::Mutex mutex_;
  base::Error why_ LOQUAT_GUARDED_BY(mutex_);
};

// A client on a loop of its own.
class Client {
 public:
  explicit Client(std::uint16_t port, RedisClientOptions options = {})
      : loops_({.threads = 1, .tick = milliseconds(5)}) {
    options.address.port = port;
    options.backoff = {.first = milliseconds(5), .ceiling = milliseconds(20)};
    client_ = std::make_unique<RedisClient>(loops_.at(0), std::move(options), observer);
    loops_.Start();
  }
  ~Client() {
    loops_.Stop();
    loops_.Join();
    client_.reset();
  }

  std::future<base::Result<RespValue>> Start(std::vector<std::string> arguments) {
    return asio::co_spawn(loops_.at(0).context(), Run(*client_, std::move(arguments)), asio::use_future);
  }
  base::Result<RespValue> Call(std::vector<std::string> arguments) { return Start(std::move(arguments)).get(); }
  // Asks until the answer is of this kind.
  base::Result<RespValue> CallUntil(bool good, const std::vector<std::string>& arguments) {
    for (;;) {
      auto reply = Call(arguments);
      if (reply.has_value() == good) return reply;
      std::this_thread::yield();
    }
  }

  CountingObserver observer;

 private:
  static asio::awaitable<base::Result<RespValue>> Run(RedisClient& client, std::vector<std::string> arguments) {
    const std::vector<std::string_view> views(arguments.begin(), arguments.end());
    co_return co_await client.Call(views);
  }

  EventLoops loops_;
  std::unique_ptr<RedisClient> client_;
};

// Answers the greeting, and everything else by `answer`.
FakeRedis::Answer Greeting(FakeRedis::Answer answer) {
  return [answer = std::move(answer)](const FakeRedis::Command& command) -> std::string {
    if (command[0] == "HELLO") return std::string(kHello);
    if (command[0] == "CLIENT" || command[0] == "SELECT") return std::string(kOk);
    return answer(command);
  };
}

std::string EchoSecond(const FakeRedis::Command& command) {
  return "$" + std::to_string(command[1].size()) + "\r\n" + command[1] + "\r\n";
}

TEST(RedisClient, GreetsAndAsks) {
  FakeRedis redis(Greeting(
      [](const auto& command) { return command[0] == "SCRIPT" ? std::string("+sha\r\n") : EchoSecond(command); }));
  Client client(redis.port(), {.username = "loquat", .password = "s3cret", .database = 3, .greeting = [] {
                                 return std::vector<std::vector<std::string>>{{"SCRIPT", "x"}};
                               }});
  const auto reply = client.Call({"ECHO", "hello"});
  ASSERT_TRUE(reply.has_value()) << reply.error().message;
  EXPECT_EQ(reply->text, "hello");
  EXPECT_EQ(client.observer.greeted, 1u);
  EXPECT_THAT(redis.log(), ElementsAre(ElementsAre("HELLO", "3", "AUTH", "loquat", "s3cret"),
                                       ElementsAre("CLIENT", "SETNAME", "loquat"), ElementsAre("SELECT", "3"),
                                       ElementsAre("SCRIPT", "x"), ElementsAre("ECHO", "hello")));
}

TEST(RedisClient, SpeaksTheOldVersionToAnOldServer) {
  FakeRedis redis([](const auto& command) -> std::string {
    if (command[0] == "HELLO") return "-ERR unknown command 'HELLO'\r\n";
    return command[0] == "ECHO" ? EchoSecond(command) : std::string(kOk);
  });
  Client client(redis.port(), {.password = "s3cret"});
  EXPECT_EQ(client.Call({"ECHO", "hi"})->text, "hi");
  EXPECT_THAT(redis.log()[1], ElementsAre("AUTH", "s3cret"));
}

TEST(RedisClient, GivesEachOfManyItsOwnReply) {
  FakeRedis redis(Greeting(EchoSecond));
  Client client(redis.port());
  std::vector<std::future<base::Result<RespValue>>> replies;
  for (int i = 0; i < 2000; ++i) replies.push_back(client.Start({"ECHO", std::to_string(i)}));
  for (int i = 0; i < 2000; ++i) {
    const auto reply = replies[static_cast<std::size_t>(i)].get();
    ASSERT_TRUE(reply.has_value()) << reply.error().message;
    EXPECT_EQ(reply->text, std::to_string(i));
  }
  EXPECT_EQ(redis.accepted(), 1u);
  EXPECT_EQ(client.observer.count(RedisOutcome::kOk), 2000u);
}

TEST(RedisClient, CarriesMoreThanASocketHolds) {
  FakeRedis redis(Greeting(EchoSecond));
  Client client(redis.port(), {.command_timeout = milliseconds(20'000)});
  const std::string large(std::size_t{4} << 20, 'x');
  auto first = client.Start({"ECHO", large});
  auto second = client.Start({"ECHO", large + "y"});
  EXPECT_EQ(first.get()->text, large);
  EXPECT_EQ(second.get()->text, large + "y");
}

TEST(RedisClient, AnErrorOfRedisIsAReply) {
  FakeRedis redis(Greeting([](const auto&) { return "-WRONGTYPE no\r\n"; }));
  Client client(redis.port());
  const auto reply = client.Call({"GET", "k"});
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->error_code(), "WRONGTYPE");
  EXPECT_EQ(client.observer.count(RedisOutcome::kError), 1u);
}

TEST(RedisClient, ALateReplyMeetsNobody) {
  // The first command is never answered; were the connection kept, "second" would answer "first".
  std::atomic<bool> silent{true};
  FakeRedis redis(Greeting([&silent](const auto& command) { return silent ? std::string() : EchoSecond(command); }));
  Client client(redis.port(), {.command_timeout = milliseconds(50)});
  auto first = client.Start({"ECHO", "first"});
  const auto late = first.get();
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().code, Code::kDeadlineExceeded);
  EXPECT_EQ(late.error().reason, "redis_timeout");
  silent = false;
  EXPECT_EQ(client.CallUntil(true, {"ECHO", "second"})->text, "second");
  EXPECT_EQ(redis.accepted(), 2u);
  EXPECT_EQ(client.observer.away, 1u);
  EXPECT_EQ(client.observer.ready, 2u);
}

TEST(RedisClient, FailsAtOnceWhileRedisIsAwayAndComesBack) {
  FakeRedis redis(Greeting(EchoSecond));
  Client client(redis.port(), {.command_timeout = milliseconds(60'000)});
  EXPECT_TRUE(client.Call({"ECHO", "a"}).has_value());
  redis.Stop();
  // A minute's timeout is never waited for.
  const auto away = client.CallUntil(false, {"ECHO", "b"});
  EXPECT_EQ(away.error().code, Code::kUnavailable);
  while (client.observer.away == 0) std::this_thread::yield();
  EXPECT_EQ(client.Call({"ECHO", "c"}).error().reason, "redis_away");
  redis.Restart();
  EXPECT_EQ(client.CallUntil(true, {"ECHO", "d"})->text, "d");
  EXPECT_EQ(client.observer.away, 1u);
}

TEST(RedisClient, ACommandWaitsForTheFirstConnection) {
  FakeRedis redis(Greeting(EchoSecond));
  redis.Stop();
  Client nobody(redis.port());
  EXPECT_EQ(nobody.Call({"ECHO", "a"}).error().code, Code::kUnavailable);
  redis.Restart();
  Client client(redis.port());
  EXPECT_EQ(client.Call({"ECHO", "a"})->text, "a");
}

TEST(RedisClient, AHangUpInTheMiddleFailsWhatWasInFlightAlone) {
  std::atomic<int> commands{0};
  FakeRedis redis(Greeting([&commands](const auto& command) {
    return ++commands == 2 ? std::string(FakeRedis::kHangUp) : EchoSecond(command);
  }));
  Client client(redis.port());
  EXPECT_TRUE(client.Call({"ECHO", "a"}).has_value());
  const auto lost = client.Call({"ECHO", "b"});
  ASSERT_FALSE(lost.has_value());
  EXPECT_EQ(lost.error().reason, "redis_lost");
  // Nobody was told that Redis is away: the next connection came at once.
  EXPECT_EQ(client.Call({"ECHO", "c"})->text, "c");
  EXPECT_EQ(client.observer.away, 0u);
}

TEST(RedisClient, RefusesMoreThanItsBoundInFlight) {
  FakeRedis redis(Greeting([](const auto&) { return std::string(); }));
  Client client(redis.port(), {.command_timeout = milliseconds(300), .in_flight_max = 2});
  auto first = client.Start({"ECHO", "a"});
  auto second = client.Start({"ECHO", "b"});
  const auto third = client.Call({"ECHO", "c"});
  ASSERT_FALSE(third.has_value());
  EXPECT_EQ(third.error().code, Code::kResourceExhausted);
  EXPECT_EQ(third.error().reason, "redis_full");
  EXPECT_FALSE(first.get().has_value());
  EXPECT_FALSE(second.get().has_value());
  Client small(redis.port(), {.unsent_bytes_max = 10});
  EXPECT_EQ(small.Call({"ECHO", "1234567"}).error().reason, "redis_full");
}

TEST(RedisClient, AWrongPasswordSaysSo) {
  FakeRedis redis([](const auto&) { return "-WRONGPASS invalid username-password pair or user is disabled.\r\n"; });
  Client client(redis.port(), {.password = "wrong"});
  EXPECT_FALSE(client.Call({"ECHO", "a"}).has_value());
  EXPECT_EQ(client.observer.why().code, Code::kUnauthenticated);
  EXPECT_EQ(client.observer.why().reason, "redis_login");
  EXPECT_THAT(client.observer.why().message, testing::HasSubstr("WRONGPASS"));
  EXPECT_THAT(client.observer.why().message, testing::Not(testing::HasSubstr("wrong\"")));
}

TEST(RedisClient, DropsAPeerThatIsNoRedis) {
  for (const char* nonsense : {"HTTP/1.1 400 Bad Request\r\n\r\n", "+OK\r\n+nobody asked\r\n", "$99999999999\r\n"}) {
    FakeRedis redis(Greeting([nonsense](const auto&) { return nonsense; }));
    Client client(redis.port());
    auto first = client.Call({"ECHO", "a"});
    const auto lost = first.has_value() ? client.CallUntil(false, {"ECHO", "b"}) : std::move(first);
    EXPECT_FALSE(lost.has_value()) << nonsense;
  }
}

TEST(RedisClient, PassesOverPushes) {
  FakeRedis redis(Greeting([](const auto& command) { return ">2\r\n+invalidate\r\n*0\r\n" + EchoSecond(command); }));
  Client client(redis.port());
  EXPECT_EQ(client.Call({"ECHO", "a"})->text, "a");
  EXPECT_EQ(client.Call({"ECHO", "b"})->text, "b");
}

TEST(RedisClient, AGreetingThatFailsIsNoConnection) {
  FakeRedis redis(Greeting([](const auto&) { return "-LOADING Redis is loading the dataset in memory\r\n"; }));
  Client client(redis.port(), {.greeting = [] { return std::vector<std::vector<std::string>>{{"GET", "marker"}}; }});
  EXPECT_FALSE(client.Call({"ECHO", "a"}).has_value());
  EXPECT_EQ(client.observer.ready, 0u);
  EXPECT_THAT(client.observer.why().message, testing::HasSubstr("LOADING"));
}

}  // namespace
}  // namespace loquat::net
