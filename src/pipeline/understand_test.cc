// The main road on a small trained model: what goes in, what comes out, and what may go wrong between two stages.

#include "pipeline/understand.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "pipeline/test_assistant.h"

namespace loquat::pipeline {
namespace {

using base::Code;
using boost::asio::awaitable;
using context::SessionSnapshot;
using std::chrono::milliseconds;
using testing::HasSubstr;

constexpr std::string_view kWeather = "what is the weather in paris";

UnderstandRequest Ask(std::string_view text, std::string_view session = {}) {
  UnderstandRequest request;
  request.utterance.text = text;
  request.utterance.session = session;
  request.want_reply = true;
  return request;
}

// Delegates to another store; a hook runs before each load and each save, and a save may be refused by it.
class HookedStore final : public context::SessionStore {
 public:
  explicit HookedStore(context::SessionStore& store) : store_(store) {}

  awaitable<base::Result<SessionSnapshot>> Load(std::string_view id) override {
    ++loads;
    if (before_load) before_load();
    co_return co_await store_.Load(id);
  }
  awaitable<base::Result<SessionSnapshot>> Save(std::unique_ptr<domain::Session> session,
                                                std::uint64_t expected_version) override {
    ++saves;
    if (before_save) LOQUAT_CO_TRY(before_save(*session));
    co_return co_await store_.Save(std::move(session), expected_version);
  }
  awaitable<base::Result<bool>> Remove(std::string_view id) override { co_return co_await store_.Remove(id); }
  context::SessionStoreStats stats() const override { return store_.stats(); }

  std::function<void()> before_load;
  std::function<base::Status(const domain::Session&)> before_save;
  int loads = 0;
  int saves = 0;

 private:
  context::SessionStore& store_;
};

base::Error Conflict() {
  return {.code = Code::kAborted, .message = "another came first", .reason = "session_conflict"};
}

class UnderstandPipelineTest : public testing::Test {
 protected:
  base::Status Run(const UnderstandRequest& request) { return Run(request, test_.Call()); }
  base::Status Run(const UnderstandRequest& request, const base::CallContext& call) {
    return RunNow(test_.pipeline.Run(call, request, answer_));
  }
  UnderstandSettings Settings() const { return *test_.pipeline.settings(); }

  TestPipeline test_;
  UnderstandAnswer answer_;
};

TEST_F(UnderstandPipelineTest, UnderstandsWithoutASession) {
  ASSERT_TRUE(Run(Ask(kWeather)).has_value());
  ASSERT_FALSE(answer_.frame.intent_ranking.empty());
  EXPECT_EQ(answer_.frame.intent_ranking.front().name, "weather");
  EXPECT_EQ(answer_.frame.locale, domain::Locale::kEnglish);
  EXPECT_EQ(answer_.session, nullptr);
  EXPECT_EQ(answer_.delivery.mode, domain::DeliveryMode::kSync);
  EXPECT_THAT(answer_.delivery.reason, HasSubstr("confidence"));
  ASSERT_TRUE(answer_.reply.has_value());
  EXPECT_FALSE(answer_.reply->text.empty());
  EXPECT_EQ(test_.sessions.stats().sessions, 0u);
}

TEST_F(UnderstandPipelineTest, GivesNoReplyThatNobodyAskedFor) {
  UnderstandRequest request = Ask(kWeather, "s");
  request.want_reply = false;
  ASSERT_TRUE(Run(request).has_value());
  EXPECT_FALSE(answer_.reply.has_value());
  EXPECT_EQ(answer_.session->turns.back().reply, "");
}

TEST_F(UnderstandPipelineTest, ComputesOnlyWhatIsAskedFor) {
  UnderstandRequest request = Ask(kWeather);
  request.want_slots = false;
  ASSERT_TRUE(Run(request).has_value());
  EXPECT_TRUE(answer_.frame.slots.empty());
  EXPECT_FALSE(answer_.frame.intent_ranking.empty());
}

TEST_F(UnderstandPipelineTest, GivesSlotsTheNormalFormOfTheirKind) {
  UnderstandRequest request = Ask("set an alarm for 7 am");
  // The first and the last moment that a request may count from are as good as any.
  for (const milliseconds reference :
       {milliseconds(0), milliseconds(1'763'715'600'000), milliseconds(7'258'118'399'999)}) {
    request.reference_time = base::WallTime(reference);
    request.utc_offset_minutes = 840;
    ASSERT_TRUE(Run(request).has_value());
    ASSERT_EQ(answer_.frame.slots.size(), 1u);
    EXPECT_EQ(answer_.frame.slots.front().value, "7 am");
    EXPECT_EQ(answer_.frame.slots.front().normalized, "07:00");
    EXPECT_EQ(answer_.frame.slots.front().kind, "time");
  }
  ASSERT_TRUE(Run(Ask("play some jazz")).has_value());
  ASSERT_EQ(answer_.frame.slots.size(), 1u);
  EXPECT_EQ(answer_.frame.slots.front().normalized, "");  // No time of day.
}

TEST_F(UnderstandPipelineTest, KeepsTheTurnTheStateAndTheReplyOfASession) {
  ASSERT_TRUE(Run(Ask(kWeather, "s-1")).has_value());
  ASSERT_NE(answer_.session, nullptr);
  EXPECT_EQ(answer_.session->id, "s-1");
  EXPECT_EQ(answer_.session->version, 1u);
  EXPECT_EQ(answer_.session->turn_count, 1u);
  ASSERT_EQ(answer_.session->turns.size(), 1u);
  const domain::Turn& turn = answer_.session->turns.front();
  EXPECT_EQ(turn.number, 1u);
  EXPECT_EQ(turn.text, kWeather);
  EXPECT_EQ(turn.intent, "weather");
  EXPECT_EQ(turn.confidence, answer_.frame.intent_ranking.front().confidence);
  EXPECT_EQ(turn.reply, answer_.reply->text);
  EXPECT_FALSE(turn.reply.empty());
  EXPECT_EQ(answer_.session->state.active_intent, "weather");
  EXPECT_EQ(test_.sessions.LoadNow("s-1"), answer_.session);
}

TEST_F(UnderstandPipelineTest, AReusedAnswerHasNothingOfTheOneBefore) {
  ASSERT_TRUE(Run(Ask(kWeather, "s-1")).has_value());
  UnderstandRequest plain = Ask("播放爵士乐");
  plain.want_reply = false;
  ASSERT_TRUE(Run(plain).has_value());
  EXPECT_EQ(answer_.session, nullptr);
  EXPECT_FALSE(answer_.reply.has_value());
  EXPECT_EQ(answer_.frame.locale, domain::Locale::kChinese);
}

TEST_F(UnderstandPipelineTest, AWindowOfTenTurnsMovesAndTheCountGoesOn) {
  for (std::size_t i = 1; i <= kSessionTurnsMax + 1; ++i) {
    ASSERT_TRUE(Run(Ask(kWeather, "s")).has_value());
    EXPECT_EQ(answer_.session->turn_count, i);
    EXPECT_EQ(answer_.session->turns.size(), std::min(i, kSessionTurnsMax));
  }
  EXPECT_EQ(kSessionTurnsMax, 10u);
  EXPECT_EQ(answer_.session->turns.front().number, 2u);
  EXPECT_EQ(answer_.session->turns.back().number, 11u);
}

TEST_F(UnderstandPipelineTest, SaysNothingUnderstoodForTextWithoutATokenAndKeepsTheTurn) {
  ASSERT_TRUE(Run(Ask("", "s")).has_value());
  EXPECT_TRUE(answer_.frame.intent_ranking.empty());
  EXPECT_TRUE(answer_.frame.out_of_scope);
  EXPECT_EQ(answer_.session->turn_count, 1u);
  EXPECT_EQ(answer_.session->turns.back().intent, "");
  EXPECT_FALSE(answer_.reply->text.empty());
}

TEST_F(UnderstandPipelineTest, RefusesWhoIsGoneBeforeUnderstanding) {
  base::CancelSource client;
  base::CallContext call = test_.Call();
  call.cancel = client.token();
  ASSERT_TRUE(Run(Ask(kWeather, "s"), call).has_value());
  client.Cancel();
  const base::Status done = Run(Ask(kWeather, "s"), call);
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, Code::kCancelled);
  EXPECT_EQ(test_.sessions.LoadNow("s")->turn_count, 1u);
}

TEST_F(UnderstandPipelineTest, RefusesAfterTheDeadlineAndNotOneTickBefore) {
  base::CallContext call = test_.Call();
  call.deadline = base::Deadline(test_.clock.Now() + milliseconds(5));
  test_.clock.Advance(milliseconds(5) - base::Duration(1));
  EXPECT_TRUE(Run(Ask(kWeather), call).has_value());
  test_.clock.Advance(base::Duration(1));
  const base::Status done = Run(Ask(kWeather), call);
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, Code::kDeadlineExceeded);
  EXPECT_THAT(done.error().message, HasSubstr("before understanding"));
}

TEST_F(UnderstandPipelineTest, TheModesTimeoutCountsFromTheArrival) {
  const base::CallContext call = test_.Call();
  test_.clock.Advance(milliseconds(800));
  for (const std::string_view session : {"", "s"}) {
    const base::Status done = Run(Ask(kWeather, session), call);
    ASSERT_FALSE(done.has_value()) << session;
    EXPECT_EQ(done.error().code, Code::kDeadlineExceeded);
  }
  EXPECT_EQ(test_.sessions.stats().sessions, 0u);

  UnderstandRequest events = Ask(kWeather);
  events.wants_events = true;  // A stream has no limit of its own.
  EXPECT_TRUE(Run(events, call).has_value());
  EXPECT_EQ(answer_.delivery.mode, domain::DeliveryMode::kStream);
}

TEST_F(UnderstandPipelineTest, RefusesDeliveriesThatItCannotMake) {
  UnderstandRequest request = Ask(kWeather);
  request.delivery = domain::DeliveryMode::kCallback;
  EXPECT_EQ(Run(request).error().reason, "callback_url_missing");
  request.callback_url = "https://example.org/hook";
  EXPECT_EQ(Run(request).error().reason, "callback_unavailable");
  request.delivery = domain::DeliveryMode::kStream;
  EXPECT_EQ(Run(request).error().param, "/delivery");
}

TEST_F(UnderstandPipelineTest, ARefusedDeliveryLeavesTheSessionAsItWas) {
  UnderstandSettings settings = Settings();
  settings.delivery.callback_intents = {"weather"};
  test_.pipeline.SetSettings(settings);
  const base::Status done = Run(Ask(kWeather, "s"));
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, Code::kFailedPrecondition);
  EXPECT_EQ(test_.sessions.stats().sessions, 0u);
  EXPECT_TRUE(Run(Ask("play some jazz", "s")).has_value());
}

TEST_F(UnderstandPipelineTest, NewSettingsHoldFromTheNextRequestOn) {
  ASSERT_TRUE(Run(Ask(kWeather)).has_value());
  EXPECT_GT(answer_.frame.intent_ranking.size(), 1u);
  UnderstandSettings settings = Settings();
  settings.ranking_max = 1;
  settings.tokens_max = 2;
  test_.pipeline.SetSettings(settings);
  ASSERT_TRUE(Run(Ask(kWeather)).has_value());
  EXPECT_EQ(answer_.frame.intent_ranking.size(), 1u);
  EXPECT_GT(answer_.frame.truncated_tokens, 0u);
  settings.truncation = understanding::Truncation::kError;
  test_.pipeline.SetSettings(settings);
  const base::Status refused = Run(Ask(kWeather));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, "text_too_long");
}

class RacedSessionTest : public testing::Test {
 protected:
  base::Status Run(const UnderstandRequest& request) { return Run(request, test_.Call()); }
  base::Status Run(const UnderstandRequest& request, const base::CallContext& call) {
    return RunNow(test_.pipeline.Run(call, request, answer_));
  }

  base::ManualClock clock_;
  context::MemorySessionStore memory_{{}, clock_};
  HookedStore store_{memory_};
  TestPipeline test_{&store_};
  UnderstandAnswer answer_;
};

TEST_F(RacedSessionTest, ALostRaceStartsAgainFromTheWinnersState) {
  store_.before_save = [this](const domain::Session&) -> base::Status {
    if (store_.saves > 1) return {};
    auto winner = std::make_unique<domain::Session>();
    winner->id = "s";
    winner->turn_count = 7;
    winner->turns.push_back({.number = 7, .text = "won", .intent = "play_music", .reply = "Playing."});
    EXPECT_TRUE(memory_.SaveNow(std::move(winner), 0).has_value());
    return {};
  };
  ASSERT_TRUE(Run(Ask(kWeather, "s")).has_value());
  EXPECT_EQ(store_.saves, 2);
  EXPECT_EQ(answer_.session->turn_count, 8u);
  EXPECT_EQ(answer_.session->version, 2u);
  ASSERT_EQ(answer_.session->turns.size(), 2u);
  EXPECT_EQ(answer_.session->turns.front().text, "won");
  EXPECT_EQ(answer_.session->turns.back().text, kWeather);
}

TEST_F(RacedSessionTest, RetriesUpToTheBoundAndThenSaysConflict) {
  int refusals = 0;
  store_.before_save = [&](const domain::Session&) -> base::Status {
    if (refusals-- > 0) return Conflict();
    return {};
  };
  refusals = kSessionSaveAttemptsMax - 1;
  ASSERT_TRUE(Run(Ask(kWeather, "s")).has_value());
  EXPECT_EQ(store_.saves, kSessionSaveAttemptsMax);

  store_.saves = 0;
  refusals = kSessionSaveAttemptsMax;
  const base::Status done = Run(Ask(kWeather, "s"));
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, Code::kAborted);
  EXPECT_EQ(done.error().reason, "session_conflict");
  EXPECT_EQ(store_.saves, kSessionSaveAttemptsMax);
  EXPECT_EQ(memory_.LoadNow("s")->turn_count, 1u);
}

TEST_F(RacedSessionTest, AStoreThatCannotBeReachedIsNotTriedAgain) {
  store_.before_save = [](const domain::Session&) -> base::Status { return base::Unavailable("the store is away"); };
  const base::Status done = Run(Ask(kWeather, "s"));
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, Code::kUnavailable);
  EXPECT_EQ(store_.saves, 1);
}

TEST_F(RacedSessionTest, ADeadlineThatPassesDuringTheRacesEndsThem) {
  store_.before_save = [this](const domain::Session&) -> base::Status {
    test_.clock.Advance(milliseconds(300));
    return Conflict();
  };
  const base::Status done = Run(Ask(kWeather, "s"));
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, Code::kDeadlineExceeded);
  EXPECT_THAT(done.error().message, HasSubstr("before the session was saved"));
  EXPECT_EQ(store_.saves, 3);  // At 0, 300 and 600 of 800 ms.
}

TEST_F(RacedSessionTest, AClientThatGoesAwayDuringTheRacesEndsThem) {
  base::CancelSource client;
  base::CallContext call = test_.Call();
  call.cancel = client.token();
  store_.before_save = [&](const domain::Session&) -> base::Status {
    client.Cancel();
    return Conflict();
  };
  const base::Status done = Run(Ask(kWeather, "s"), call);
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, Code::kCancelled);
  EXPECT_EQ(store_.saves, 1);
}

TEST_F(RacedSessionTest, RequestsUnderWayKeepTheSettingsThatTheyStartedWith) {
  store_.before_load = [this] {
    UnderstandSettings settings = TestPipeline::Settings();
    settings.delivery.sync_timeout = milliseconds(1);
    test_.pipeline.SetSettings(settings);
    test_.clock.Advance(milliseconds(2));
  };
  ASSERT_TRUE(Run(Ask(kWeather, "s")).has_value());
  const base::CallContext old_call = test_.Call();
  test_.clock.Advance(milliseconds(2));
  EXPECT_FALSE(Run(Ask(kWeather, "s"), old_call).has_value());
}

TEST(UnderstandPipelineThreads, FourThreadsOnOneSessionLoseNoTurn) {
  constexpr int kThreads = 4;
  constexpr int kTurns = 200;
  TestPipeline test;
  std::atomic<int> failures{0};  // Relaxed: read after the threads have ended.
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&test, &failures, i] {
        UnderstandAnswer answer;
        for (int turn = 0; turn < kTurns; ++turn) {
          const auto request = Ask(turn % 2 == i % 2 ? kWeather : "播放爵士乐", "one");
          const base::Status done = RunNow(test.pipeline.Run(test.Call(), request, answer));
          if (!done.has_value()) failures.fetch_add(1, std::memory_order_relaxed);
        }
      });
    }
  }
  EXPECT_EQ(failures.load(), 0);
  const SessionSnapshot session = test.sessions.LoadNow("one");
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(session->turn_count, std::uint64_t{kThreads * kTurns});
  EXPECT_EQ(session->version, session->turn_count);
  for (std::size_t i = 0; i < session->turns.size(); ++i) {
    EXPECT_EQ(session->turns[i].number, session->turn_count - session->turns.size() + i + 1);
  }
}

}  // namespace
}  // namespace loquat::pipeline
