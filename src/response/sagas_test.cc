// Sagas against a real service on loopback; crashes of the process are in tests/functional/actions.test.mjs.

#include "response/sagas.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <filesystem>
#include <future>

#include "base/file.h"
#include "net/test_server.h"

namespace loquat::response {
namespace {

using boost::asio::awaitable;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

// What the service answers to a path, and the keys that it saw.
struct Script {
  base::Mutex mutex;
  std::map<std::string, std::vector<int>, std::less<>> statuses LOQUAT_GUARDED_BY(mutex);  // The last one goes on.
  std::vector<std::string> keys LOQUAT_GUARDED_BY(mutex);
};

class SagasTest : public testing::Test {
 protected:
  SagasTest() {
    std::string name = testing::TempDir() + "loquat-sagas-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    options_.journal = folder_ + "/journal";
    options_.targets = {.allow_http = true, .allow_networks = {"127.0.0.0/8"}, .ports = {}};
    const std::string yaml = fmt::format(R"(actions:
  a: {{url: "{0}", headers: {{X-Key: secret}}, attempts_max: 100, backoff_first: 20ms,
      backoff_max: 20ms}}
  b: {{url: "{1}", backoff_first: 1ms, backoff_max: 2ms}}
  u: {{url: "{2}", backoff_first: 1ms, backoff_max: 2ms}}
intents: {{go: {{steps: [{{action: a, undo: u}}, {{action: b}}], failed: {{en: [n]}}, pending: {{en: [p]}}}}}}
)",
                                         service_.Url("/a"), service_.Url("/b"), service_.Url("/u"));
    auto set = ActionSet::Compile(yaml, "t.yml");
    EXPECT_TRUE(set.has_value()) << set.error().message;
    set_ = *set;
  }
  ~SagasTest() override {
    Stop();
    std::filesystem::remove_all(folder_);
  }

  void Start(bool run = true) {
    loops_ = std::make_unique<net::EventLoops>(net::EventLoopOptions{.threads = 1, .tick = milliseconds(5)});
    resolver_ = std::make_unique<net::SystemResolver>();
    auto opened = Sagas::Open({.loop = loops_->at(0),
                               .resolver = *resolver_,
                               .clock = clock_,
                               .log = log_,
                               .metrics = metrics_,
                               .tls = nullptr,
                               .user_agent = "test"},
                              options_);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    sagas_ = std::move(*opened);
    sagas_->SetActions(set_);
    if (run) {
      sagas_->Start();
      loops_->Start();
    }
  }
  void Stop() {
    if (!loops_) return;
    loops_->Stop();
    loops_->Join();
    sagas_.reset();
    resolver_.reset();
    loops_.reset();
  }
  void Answer(const std::string& path, std::vector<int> statuses) {
    const base::MutexLock lock(script_.mutex);
    script_.statuses[path] = std::move(statuses);
  }
  std::vector<std::string> Keys() {
    const base::MutexLock lock(script_.mutex);
    return script_.keys;
  }
  base::Result<std::string> Accept(std::string id = {}) {
    return boost::asio::co_spawn(loops_->at(0).context(),
                                 sagas_->Accept({.id = std::move(id),
                                                 .tenant = "t",
                                                 .request_id = "r",
                                                 .traceparent = {},
                                                 .definition = set_->Find("go")->saga,
                                                 .fields = {}}),
                                 boost::asio::use_future)
        .get();
  }
  std::optional<SagaView> Wait(const std::string& id, base::TimePoint until = base::TimePoint::max(),
                               base::CancelToken cancel = {}) {
    return boost::asio::co_spawn(loops_->at(0).context(), sagas_->Wait(id, until, std::move(cancel)),
                                 boost::asio::use_future)
        .get();
  }

  // The tests' own limit ends a wait in vain.
  void WaitCalled() {
    while (Keys().empty()) std::this_thread::yield();
  }

  Script script_;
  net::TestServer service_{[this](net::HttpExchange& exchange) -> awaitable<void> {
    int status = 200;
    {
      const base::MutexLock lock(script_.mutex);
      script_.keys.emplace_back(exchange.request().Header("idempotency-key"));
      auto& statuses = script_.statuses[std::string(exchange.request().path)];
      if (!statuses.empty()) status = statuses.front();
      if (statuses.size() > 1) statuses.erase(statuses.begin());
    }
    exchange.Respond(status, {}, "");
    co_return;
  }};
  std::string folder_;
  ActionOptions options_;
  std::shared_ptr<const ActionSet> set_;
  base::SystemClock clock_;
  observe::Registry metrics_;
  observe::Logger log_{clock_, {}, {}};
  std::unique_ptr<net::EventLoops> loops_;
  std::unique_ptr<net::SystemResolver> resolver_;
  std::unique_ptr<Sagas> sagas_;
};

TEST_F(SagasTest, GoesThroughItsSteps) {
  Answer("/a", {503, 200});
  Start();
  const auto id = Accept("one");
  ASSERT_TRUE(id.has_value()) << id.error().message;
  const auto view = Wait(*id);
  ASSERT_TRUE(view.has_value());
  EXPECT_EQ(view->state, SagaState::kDone);
  EXPECT_EQ(view->steps[0].call.attempts, 2U);
  EXPECT_EQ(Keys(), std::vector<std::string>({"one-a", "one-a", "one-b"}));
  EXPECT_EQ(sagas_->Find("one", "t")->state, SagaState::kDone);
  EXPECT_EQ(sagas_->Find("one", "other").error().reason, "saga_unknown");
  EXPECT_FALSE(Wait("none").has_value());
}

TEST_F(SagasTest, TheSameIdIsNotBegunTwice) {
  Start();
  ASSERT_TRUE(Accept("one").has_value());
  Wait("one");
  EXPECT_EQ(Accept("one").value(), "one");
  EXPECT_EQ(Wait("one")->state, SagaState::kDone);
  EXPECT_THAT(Keys(), testing::SizeIs(2));
}

TEST_F(SagasTest, WhatIsOpenGoesOnAtTheNextStart) {
  Answer("/a", {503});
  options_.in_flight_max = 1;
  Start();
  ASSERT_TRUE(Accept("one").has_value());
  EXPECT_EQ(Accept("two").error().reason, "sagas_full");
  WaitCalled();
  EXPECT_TRUE(sagas_->Drain(seconds(10)));
  EXPECT_EQ(Accept("two").error().reason, "draining");
  Stop();
  Answer("/a", {200});
  Answer("/b", {422});
  Start();
  EXPECT_EQ(Wait("one")->state, SagaState::kCompensated);
  const std::vector<std::string> keys = Keys();
  EXPECT_EQ(keys.back(), "one-a-undo");
  Stop();
  Start();
  EXPECT_EQ(Wait("one")->state, SagaState::kCompensated);
  EXPECT_EQ(Keys(), keys) << "and nothing is called once more";
}

TEST_F(SagasTest, WhoWaitsLeavesAtItsTimeOrWhenItIsGone) {
  Answer("/a", {503});
  Start();
  ASSERT_TRUE(Accept("one").has_value());
  EXPECT_TRUE(Wait("one", clock_.Now()).has_value());
  base::CancelSource gone;
  gone.Cancel();
  EXPECT_TRUE(Wait("one", base::TimePoint::max(), gone.token()).has_value());
}

TEST_F(SagasTest, WhatCannotBeUndoneIsADeadLetter) {
  Answer("/b", {422});
  Answer("/u", {500});
  options_.undo_for = milliseconds(1);
  Start();
  ASSERT_TRUE(Accept("one").has_value());
  EXPECT_EQ(Wait("one")->state, SagaState::kDead);
  Stop();  // The journal's thread writes what is queued.
  const auto letters = base::ReadFile(options_.journal + ".dead.jsonl");
  ASSERT_TRUE(letters.has_value());
  EXPECT_THAT(*letters, HasSubstr("\"id\":\"one-a-undo\""));
  EXPECT_THAT(*letters, HasSubstr("\"reason\":\"out_of_time\""));
}

TEST_F(SagasTest, ACompactedJournalSaysTheSame) {
  options_.compact_bytes = 1;
  Start();
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(Accept(fmt::format("s{}", i)).has_value());
    EXPECT_EQ(Wait(fmt::format("s{}", i))->state, SagaState::kDone);
  }
  Stop();
  Start(false);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(sagas_->Find(fmt::format("s{}", i), "t")->state, SagaState::kDone);
  EXPECT_THAT(Keys(), testing::SizeIs(100));
}

TEST_F(SagasTest, ACallWhoseSecretsAreGoneFailsAndNobodyIsCalled) {
  Answer("/a", {503});
  Start();
  ASSERT_TRUE(Accept("one").has_value());
  WaitCalled();
  EXPECT_TRUE(sagas_->Drain(seconds(10)));
  Stop();
  const std::size_t before = Keys().size();
  const auto other = ActionSet::Compile("version: \"1\"", "t.yml");
  ASSERT_TRUE(other.has_value());
  set_ = *other;
  Start();
  const auto view = Wait("one");
  ASSERT_TRUE(view.has_value());
  EXPECT_EQ(view->state, SagaState::kCompensated);
  EXPECT_EQ(view->steps[0].call.outcome, "no_headers");
  EXPECT_EQ(Keys().size(), before + 1);
  EXPECT_EQ(Keys().back(), "one-a-undo") << "which has no secrets";
}

}  // namespace
}  // namespace loquat::response
