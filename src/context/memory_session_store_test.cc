#include "context/memory_session_store.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace loquat::context {
namespace {

using base::ManualClock;
using std::chrono::minutes;

std::unique_ptr<domain::Session> NewSession(std::string id, std::string text = "hi") {
  auto session = std::make_unique<domain::Session>();
  session->id = std::move(id);
  session->turn_count = 1;
  session->turns.push_back({.number = 1, .text = std::move(text)});
  return session;
}

TEST(MemorySessionStore, GivesBackWhatWasSaved) {
  ManualClock clock;
  MemorySessionStore store({}, clock);
  EXPECT_EQ(store.LoadNow("a"), nullptr);
  ASSERT_TRUE(store.SaveNow(NewSession("a", "你好"), 0).has_value());
  const SessionSnapshot loaded = store.LoadNow("a");
  ASSERT_NE(loaded, nullptr);
  EXPECT_EQ(loaded->version, 1u);
  EXPECT_EQ(loaded->turns.front().text, "你好");
}

TEST(MemorySessionStore, RefusesASaveThatMissedAnUpdate) {
  ManualClock clock;
  MemorySessionStore store({}, clock);
  ASSERT_TRUE(store.SaveNow(NewSession("a"), 0).has_value());
  const auto stale = store.SaveNow(NewSession("a"), 0);
  ASSERT_FALSE(stale.has_value());
  EXPECT_EQ(stale.error().code, base::Code::kAborted);
  EXPECT_EQ(store.stats().conflicts, 1u);
  EXPECT_TRUE(store.SaveNow(NewSession("a"), 1).has_value());
  EXPECT_EQ(store.LoadNow("a")->version, 2u);
}

TEST(MemorySessionStore, RefusesAnUpdateOfASessionThatWasRemoved) {
  ManualClock clock;
  MemorySessionStore store({}, clock);
  ASSERT_TRUE(store.SaveNow(NewSession("a"), 0).has_value());
  EXPECT_TRUE(store.RemoveNow("a"));
  EXPECT_FALSE(store.RemoveNow("a"));
  EXPECT_EQ(store.SaveNow(NewSession("a"), 1).error().code, base::Code::kAborted);
  EXPECT_EQ(store.stats().bytes, 0u);
}

TEST(MemorySessionStore, ForgetsAfterTheTimeToLiveSinceLastUse) {
  ManualClock clock;
  MemorySessionStore store({.ttl = minutes(30)}, clock);
  ASSERT_TRUE(store.SaveNow(NewSession("a"), 0).has_value());
  clock.Advance(minutes(29));
  ASSERT_NE(store.LoadNow("a"), nullptr);  // Counts as use.
  clock.Advance(minutes(29));
  EXPECT_NE(store.LoadNow("a"), nullptr);
  clock.Advance(minutes(30));
  EXPECT_EQ(store.LoadNow("a"), nullptr);
  EXPECT_EQ(store.stats().expired, 1u);
  EXPECT_EQ(store.stats().sessions, 0u);
}

TEST(MemorySessionStore, KeepsToItsCountBoundByDroppingTheLeastRecentlyUsed) {
  ManualClock clock;
  MemorySessionStore store({.sessions_max = 64}, clock);
  for (int i = 0; i < 5000; ++i) ASSERT_TRUE(store.SaveNow(NewSession(fmt::format("s{}", i)), 0).has_value());
  const SessionStoreStats stats = store.stats();
  EXPECT_LE(stats.sessions, 64u);
  EXPECT_EQ(stats.sessions + stats.evicted, 5000u);
  EXPECT_NE(store.LoadNow("s4999"), nullptr);
  EXPECT_EQ(store.LoadNow("s0"), nullptr);
}

TEST(MemorySessionStore, AUseSavesASessionFromEviction) {
  ManualClock clock;
  MemorySessionStore store({.sessions_max = 2 * MemorySessionStore::kShardCount}, clock);
  ASSERT_TRUE(store.SaveNow(NewSession("kept"), 0).has_value());
  for (int i = 0; i < 2000; ++i) {
    ASSERT_TRUE(store.SaveNow(NewSession(fmt::format("s{}", i)), 0).has_value());
    ASSERT_NE(store.LoadNow("kept"), nullptr) << "after " << i;
  }
}

TEST(MemorySessionStore, KeepsToItsByteBound) {
  ManualClock clock;
  constexpr std::size_t kBytesMax = MemorySessionStore::kShardCount * 20'000;
  MemorySessionStore store({.bytes_max = kBytesMax}, clock);
  for (int i = 0; i < 2000; ++i) {
    ASSERT_TRUE(store.SaveNow(NewSession(fmt::format("s{}", i), std::string(4000, 'x')), 0).has_value());
  }
  const SessionStoreStats stats = store.stats();
  EXPECT_LE(stats.bytes, kBytesMax);
  EXPECT_GT(stats.sessions, MemorySessionStore::kShardCount);
  EXPECT_GT(stats.evicted, 0u);
}

TEST(MemorySessionStore, KeepsOneSessionLargerThanTheBound) {
  ManualClock clock;
  MemorySessionStore store({.bytes_max = 32}, clock);
  ASSERT_TRUE(store.SaveNow(NewSession("big", std::string(100'000, 'x')), 0).has_value());
  EXPECT_NE(store.LoadNow("big"), nullptr);
}

// Every update appends its number; whoever loses the race loads again. Nothing may be missing at the end.
TEST(MemorySessionStore, TenThousandConcurrentUpdatesOfOneSessionLoseNoTurn) {
  constexpr int kThreads = 4;
  constexpr int kUpdates = 10'000;
  base::SystemClock clock;
  MemorySessionStore store({}, clock);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kUpdates / kThreads; ++i) {
        for (bool saved = false; !saved;) {
          const SessionSnapshot before = store.LoadNow("shared");
          auto next = before ? std::make_unique<domain::Session>(*before) : std::make_unique<domain::Session>();
          next->id = "shared";
          ++next->turn_count;
          saved = store.SaveNow(std::move(next), before ? before->version : 0).has_value();
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(store.LoadNow("shared")->turn_count, static_cast<std::uint64_t>(kUpdates));
  EXPECT_EQ(store.LoadNow("shared")->version, static_cast<std::uint64_t>(kUpdates));
}

TEST(SessionId, AllowsOnlyWhatIsSafeInLogsUrlsAndKeys) {
  EXPECT_TRUE(IsValidSessionId("s-42"));
  EXPECT_TRUE(IsValidSessionId("user@example.com:7_a.b"));
  EXPECT_TRUE(IsValidSessionId(std::string(kSessionIdBytesMax, 'a')));
  EXPECT_FALSE(IsValidSessionId(std::string(kSessionIdBytesMax + 1, 'a')));
  EXPECT_FALSE(IsValidSessionId(""));
  for (const std::string_view bad : {"a b", "a/b", "../x", "a\nb", "会话", "a\"b", "a;b", "a%00"}) {
    EXPECT_FALSE(IsValidSessionId(bad)) << bad;
  }
  EXPECT_FALSE(IsValidSessionId(std::string_view("a\0b", 3)));
}

}  // namespace
}  // namespace loquat::context
