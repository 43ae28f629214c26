// The store over a Redis of the test's making, which keeps strings in a map and can be silent, refuse, forget and go.

#include "context/redis_session_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <future>
#include <map>
#include <string>

#include "context/session_codec.h"
#include "net/fake_redis.h"

namespace loquat::context {
namespace {

using base::Code;
using std::chrono::milliseconds;
using testing::ElementsAre;

std::string Blob(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

// What a server needs of Redis, over a map.
class MapRedis {
 public:
  std::string Answer(const net::FakeRedis::Command& command) {
    const base::MutexLock lock(mutex_);
    const std::string& name = command[0];
    if (name == "HELLO" || name == "CLIENT" || name == "SELECT") return "+OK\r\n";
    if (name == "SCRIPT") return Blob("hash");
    if (silent_) return {};
    if (!refusal_.empty()) return "-" + refusal_ + "\r\n";
    if (name == "SET") {
      values_.try_emplace(command[1], command[2]);
      return "+OK\r\n";
    }
    if (name == "GET" || name == "GETEX") {
      const auto found = values_.find(command[1]);
      return found == values_.end() ? "_\r\n" : Blob(found->second);
    }
    if (name == "DEL") return values_.erase(command[1]) > 0 ? ":1\r\n" : ":0\r\n";
    if (name == "EVALSHA") return hash_known_ ? Evaluate(command) : "-NOSCRIPT No matching script.\r\n";
    if (name == "EVAL") return Evaluate(command);
    return "-ERR unknown command\r\n";
  }

  // "EVALSHA hash 1 key expected value ttl".
  std::string Evaluate(const net::FakeRedis::Command& command) LOQUAT_REQUIRES(mutex_) {
    const auto found = values_.find(command[3]);
    std::string version = "0";
    if (found != values_.end()) {
      if (!found->second.starts_with(kSessionMagic)) return ":-1\r\n";
      version = found->second.substr(kSessionMagic.size());
      version.resize(version.find(' '));
    }
    if (version != command[4]) return ":0\r\n";
    values_[command[3]] = command[5];
    // Done, and the reply never comes.
    return hang_up_after_saves_ ? std::string(net::FakeRedis::kHangUp) : ":1\r\n";
  }

  void SetSilent(bool silent) {
    const base::MutexLock lock(mutex_);
    silent_ = silent;
  }
  void Refuse(std::string refusal) {
    const base::MutexLock lock(mutex_);
    refusal_ = std::move(refusal);
  }
  void ForgetScripts() {
    const base::MutexLock lock(mutex_);
    hash_known_ = false;
  }
  void HangUpAfterSaves(bool hang_up) {
    const base::MutexLock lock(mutex_);
    hang_up_after_saves_ = hang_up;
  }
  void Clear() {
    const base::MutexLock lock(mutex_);
    values_.clear();
  }
  std::string Get(const std::string& key) {
    const base::MutexLock lock(mutex_);
    const auto found = values_.find(key);
    return found == values_.end() ? "" : found->second;
  }
  void Put(const std::string& key, std::string value) {
    const base::MutexLock lock(mutex_);
    values_[key] = std::move(value);
  }

 private:
  base::Mutex mutex_;
  std::map<std::string, std::string> values_ LOQUAT_GUARDED_BY(mutex_);
  bool silent_ LOQUAT_GUARDED_BY(mutex_) = false;
  bool hash_known_ LOQUAT_GUARDED_BY(mutex_) = true;
  bool hang_up_after_saves_ LOQUAT_GUARDED_BY(mutex_) = false;
  std::string refusal_ LOQUAT_GUARDED_BY(mutex_);
};

// One server's store on loops of its own.
class TestStore {
 public:
  TestStore(std::uint16_t port, bool fallback, const base::Clock& clock)
      : loops_({.threads = 2, .tick = milliseconds(5)}), store_(Options(port, fallback), clock, log_, registry) {
    store_.Start(loops_);
    loops_.Start();
  }
  ~TestStore() {
    loops_.Stop();
    loops_.Join();
    store_.Stop();
  }

  base::Result<SessionSnapshot> Load(const std::string& id) { return Run(store_.Load(id)); }
  base::Result<SessionSnapshot> Save(std::unique_ptr<domain::Session> session, std::uint64_t expected) {
    return Run(store_.Save(std::move(session), expected));
  }
  base::Result<bool> Remove(const std::string& id) { return Run(store_.Remove(id)); }
  // A turn as the pipeline takes it.
  base::Result<SessionSnapshot> Say(const std::string& id, const std::string& text) {
    for (;;) {
      const auto before = Load(id);
      if (!before.has_value()) return before;
      auto session =
          *before != nullptr ? std::make_unique<domain::Session>(**before) : std::make_unique<domain::Session>();
      session->id = id;
      session->turns.push_back({.number = ++session->turn_count,
                                .text = text,
                                .intent = {},
                                .reply = {},
                                .at = base::WallTime(milliseconds(++*says_))});
      auto saved = Save(std::move(session), *before != nullptr ? (*before)->version : 0);
      if (saved.has_value() || saved.error().code != Code::kAborted) return saved;
    }
  }
  std::vector<std::string> Texts(const std::string& id) {
    std::vector<std::string> texts;
    const auto session = Load(id);
    if (!session.has_value() || *session == nullptr) return texts;
    for (const domain::Turn& turn : (*session)->turns) texts.push_back(turn.text);
    return texts;
  }
  bool well() const { return store_.health().status.has_value(); }
  void WaitWell() const {
    while (!well()) std::this_thread::yield();
  }
  double Metric(const std::string& line) const {
    const std::string text = registry.Text();
    const std::size_t at = text.find("\n" + line + " ");
    return at == std::string::npos ? 0 : std::strtod(text.c_str() + at + line.size() + 2, nullptr);
  }
  RedisSessionStore& store() { return store_; }
  // Turns have distinct times, also across stores.
  void ShareTimesWith(TestStore& other) { says_ = other.says_; }

  observe::Registry registry;

 private:
  static RedisSessionStoreOptions Options(std::uint16_t port, bool fallback) {
    RedisSessionStoreOptions options;
    options.redis.prefix = "p:";
    options.redis.client.address.port = port;
    options.redis.client.command_timeout = milliseconds(100);
    options.redis.client.connect_timeout = milliseconds(200);
    options.redis.client.backoff = {.first = milliseconds(5), .ceiling = milliseconds(20)};
    options.fallback = fallback;
    return options;
  }
  template <typename T>
  T Run(boost::asio::awaitable<T> work) {
    return boost::asio::co_spawn(loops_.Next().context(), std::move(work), boost::asio::use_future).get();
  }

  observe::Logger log_;
  net::EventLoops loops_;
  std::shared_ptr<std::atomic<int>> says_ = std::make_shared<std::atomic<int>>(0);
  RedisSessionStore store_;
};

class RedisSessionStoreTest : public testing::Test {
 protected:
  base::SystemClock clock_;
  MapRedis map_;
  net::FakeRedis redis_{[this](const auto& command) { return map_.Answer(command); }};
};

TEST_F(RedisSessionStoreTest, SavesByVersionAndLoadsWhatItSaved) {
  TestStore store(redis_.port(), true, clock_);
  EXPECT_EQ(*store.Load("s"), nullptr);
  const auto first = store.Say("s", "a");
  ASSERT_TRUE(first.has_value()) << first.error().message;
  EXPECT_EQ((*first)->version, 1u);
  EXPECT_EQ((*store.Say("s", "b"))->version, 2u);
  EXPECT_THAT(store.Texts("s"), ElementsAre("a", "b"));
  EXPECT_THAT(map_.Get("p:s"), testing::StartsWith("LQS1 2 {"));
  EXPECT_EQ(store.Save(std::make_unique<domain::Session>(**first), 1).error().code, Code::kAborted);
  EXPECT_EQ(store.store().stats().conflicts, 1u);
  EXPECT_TRUE(*store.Remove("s"));
  EXPECT_FALSE(*store.Remove("s"));
  EXPECT_EQ(*store.Load("s"), nullptr);
  EXPECT_TRUE(store.well());
}

TEST_F(RedisSessionStoreTest, SendsTheScriptAgainWhenRedisHasForgottenIt) {
  map_.ForgetScripts();
  TestStore store(redis_.port(), true, clock_);
  EXPECT_TRUE(store.Say("s", "a").has_value());
  EXPECT_THAT(map_.Get("p:s"), testing::StartsWith("LQS1 1 {"));
}

TEST_F(RedisSessionStoreTest, GoesOnInMemoryAndWritesBack) {
  TestStore store(redis_.port(), true, clock_);
  ASSERT_TRUE(store.Say("s", "a").has_value());
  redis_.Stop();
  ASSERT_TRUE(store.Say("s", "b").has_value());
  ASSERT_TRUE(store.Say("new", "x").has_value());
  EXPECT_THAT(store.Texts("s"), ElementsAre("a", "b"));
  EXPECT_FALSE(store.well());
  EXPECT_TRUE(store.store().health().usable);
  EXPECT_EQ(store.Metric("loquat_sessions_fallback_active"), 1);
  EXPECT_EQ(store.Metric("loquat_sessions_owed"), 2);
  redis_.Restart();
  store.WaitWell();
  EXPECT_THAT(map_.Get("p:s"), testing::HasSubstr("\"b\""));
  EXPECT_THAT(map_.Get("p:new"), testing::HasSubstr("\"x\""));
  EXPECT_THAT(store.Texts("s"), ElementsAre("a", "b"));
  EXPECT_EQ(store.Metric("loquat_sessions_written_back_total{outcome=\"written\"}"), 2);
  EXPECT_EQ(store.Metric("loquat_sessions_merged_total"), 0);
  EXPECT_EQ(store.Metric("loquat_sessions_fallback_active"), 0);
}

TEST_F(RedisSessionStoreTest, MergesWithTurnsThatAnotherServerTook) {
  TestStore store(redis_.port(), true, clock_);
  ASSERT_TRUE(store.Say("s", "a").has_value());
  const std::string before = map_.Get("p:s");
  redis_.Stop();
  ASSERT_TRUE(store.Say("s", "b").has_value());
  // What another server, which could reach Redis, would have written.
  base::JsonParser parser = SessionParser();
  auto other = DecodeSession(before, "s", parser);
  ASSERT_TRUE(other.has_value());
  other->version = 2;
  other->turn_count = 2;
  other->taken_by["elsewhere.0"] = 1;
  other->turns.push_back(
      {.number = 2, .text = "c", .intent = {}, .reply = {}, .at = base::WallTime(milliseconds(500))});
  map_.Put("p:s", *EncodeSession(*other));
  redis_.Restart();
  store.WaitWell();
  EXPECT_THAT(store.Texts("s"), ElementsAre("a", "b", "c"));
  EXPECT_EQ((*store.Load("s"))->turn_count, 3u);
  EXPECT_GT((*store.Load("s"))->version, 2u);
  EXPECT_EQ(store.Metric("loquat_sessions_merged_total"), 1);
}

TEST_F(RedisSessionStoreTest, AnUpdateWhoseReplyWasLostIsNotCountedTwice) {
  TestStore store(redis_.port(), true, clock_);
  ASSERT_TRUE(store.Say("s", "a").has_value());
  map_.HangUpAfterSaves(true);
  ASSERT_TRUE(store.Say("s", "b").has_value());
  map_.HangUpAfterSaves(false);
  ASSERT_TRUE(store.Say("s", "c").has_value());
  store.WaitWell();
  EXPECT_THAT(store.Texts("s"), ElementsAre("a", "b", "c"));
  EXPECT_EQ((*store.Load("s"))->turn_count, 3u);
  EXPECT_EQ(store.Metric("loquat_sessions_merged_total"), 0);
}

TEST_F(RedisSessionStoreTest, GivesItsCopiesToARedisThatLostItsData) {
  TestStore store(redis_.port(), true, clock_);
  ASSERT_TRUE(store.Say("s", "a").has_value());
  ASSERT_TRUE(store.Say("t", "b").has_value());
  redis_.Stop();
  map_.Clear();
  redis_.Restart();
  while (map_.Get("p:s").empty() || map_.Get("p:t").empty()) std::this_thread::yield();
  EXPECT_THAT(store.Texts("s"), ElementsAre("a"));
  ASSERT_TRUE(store.Say("s", "c").has_value());
  EXPECT_THAT(store.Texts("s"), ElementsAre("a", "c"));
  EXPECT_EQ((*store.Load("s"))->turn_count, 2u);
}

TEST_F(RedisSessionStoreTest, TwoServersLoseNoTurnWhenRedisLosesItsData) {
  TestStore one(redis_.port(), true, clock_);
  TestStore two(redis_.port(), true, clock_);
  two.ShareTimesWith(one);
  ASSERT_TRUE(one.Say("s", "a").has_value());
  ASSERT_TRUE(two.Say("s", "b").has_value());
  redis_.Stop();
  ASSERT_TRUE(one.Say("s", "c").has_value());
  ASSERT_TRUE(two.Say("s", "d").has_value());
  map_.Clear();
  redis_.Restart();
  one.WaitWell();
  two.WaitWell();
  while (one.Texts("s").size() < 4 || two.Texts("s").size() < 4) std::this_thread::yield();
  EXPECT_THAT(one.Texts("s"), ElementsAre("a", "b", "c", "d"));
  EXPECT_THAT(two.Texts("s"), ElementsAre("a", "b", "c", "d"));
  EXPECT_EQ((*two.Load("s"))->turn_count, 4u);
}

TEST_F(RedisSessionStoreTest, ARemovalIsWrittenBack) {
  TestStore store(redis_.port(), true, clock_);
  ASSERT_TRUE(store.Say("s", "a").has_value());
  redis_.Stop();
  EXPECT_TRUE(*store.Remove("s"));
  EXPECT_EQ(*store.Load("s"), nullptr);
  redis_.Restart();
  store.WaitWell();
  EXPECT_EQ(map_.Get("p:s"), "");
  EXPECT_EQ(*store.Load("s"), nullptr);
}

TEST_F(RedisSessionStoreTest, ASilentRedisCountsAsAway) {
  TestStore store(redis_.port(), true, clock_);
  ASSERT_TRUE(store.Say("s", "a").has_value());
  map_.SetSilent(true);
  ASSERT_TRUE(store.Say("s", "b").has_value());
  EXPECT_FALSE(store.well());
  map_.SetSilent(false);
  store.WaitWell();
  EXPECT_THAT(map_.Get("p:s"), testing::HasSubstr("\"b\""));
}

TEST_F(RedisSessionStoreTest, ARedisThatTakesNoWritesCountsAsAway) {
  TestStore store(redis_.port(), true, clock_);
  ASSERT_TRUE(store.Say("s", "a").has_value());
  map_.Refuse("OOM command not allowed when used memory > 'maxmemory'.");
  ASSERT_TRUE(store.Say("s", "b").has_value());
  EXPECT_THAT(store.Texts("s"), ElementsAre("a", "b"));
  map_.Refuse("");
  store.WaitWell();
  EXPECT_THAT(map_.Get("p:s"), testing::HasSubstr("\"b\""));
}

TEST_F(RedisSessionStoreTest, WhatSomethingElseWroteIsAnErrorOfThatSessionAlone) {
  TestStore store(redis_.port(), true, clock_);
  map_.Put("p:s", "{\"user\": 7}");
  for (int i = 0; i < 2; ++i) {
    const auto foreign = store.Say("s", "a");
    ASSERT_FALSE(foreign.has_value());
    EXPECT_EQ(foreign.error().code, Code::kDataLoss);
    EXPECT_EQ(foreign.error().reason, "session_unreadable");
    EXPECT_THAT(foreign.error().message, testing::HasSubstr("\"p:s\""));
  }
  EXPECT_EQ(map_.Get("p:s"), "{\"user\": 7}");
  EXPECT_TRUE(store.Say("t", "a").has_value());
  EXPECT_TRUE(store.well());
  EXPECT_TRUE(*store.Remove("s"));
  EXPECT_TRUE(store.Say("s", "a").has_value());
}

TEST_F(RedisSessionStoreTest, WithoutFallbackRequestsAreRefusedWhileRedisIsAway) {
  TestStore store(redis_.port(), false, clock_);
  ASSERT_TRUE(store.Say("s", "a").has_value());
  redis_.Stop();
  auto refused = store.Say("s", "b");
  while (refused.has_value()) refused = store.Say("s", "b");
  EXPECT_EQ(refused.error().code, Code::kUnavailable);
  EXPECT_EQ(refused.error().reason, "session_store_away");
  EXPECT_GT(refused.error().retry_after.count(), 0);
  EXPECT_FALSE(store.store().health().usable);
  EXPECT_EQ(store.Remove("s").error().code, Code::kUnavailable);
  EXPECT_EQ(store.store().stats().sessions, 0u);
  redis_.Restart();
  store.WaitWell();
  EXPECT_THAT(store.Texts("s"), ElementsAre("a"));
}

TEST_F(RedisSessionStoreTest, ServesCallersThatRunOnNoLoopOfIts) {
  TestStore store(redis_.port(), true, clock_);
  boost::asio::io_context elsewhere;
  auto loaded = boost::asio::co_spawn(elsewhere, store.store().Load("s"), boost::asio::use_future);
  elsewhere.run();
  EXPECT_EQ(*loaded.get(), nullptr);
}

}  // namespace
}  // namespace loquat::context
