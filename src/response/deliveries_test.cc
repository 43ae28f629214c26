// Deliveries against a real receiver on loopback; crashes of the process are in tests/functional/callbacks.test.mjs.

#include "response/deliveries.h"

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

// What the receiver answers, and what it saw.
struct Script {
  base::Mutex mutex;
  std::vector<int> statuses LOQUAT_GUARDED_BY(mutex);  // The last one for all that follow.
  std::vector<std::string> bodies LOQUAT_GUARDED_BY(mutex);
};

class DeliveriesTest : public testing::Test {
 protected:
  DeliveriesTest() {
    std::string name = testing::TempDir() + "loquat-deliveries-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    options_.journal = folder_ + "/journal";
    options_.secrets = {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"};
    options_.targets = {.allow_http = true, .allow_networks = {"127.0.0.0/8"}, .ports = {}};
    options_.retries = {.attempts_max = 3, .backoff_first = milliseconds(1), .backoff_max = milliseconds(2)};
  }
  ~DeliveriesTest() override {
    Stop();
    std::filesystem::remove_all(folder_);
  }

  void Start(bool run = true) {
    loops_ = std::make_unique<net::EventLoops>(net::EventLoopOptions{.threads = 1, .tick = milliseconds(5)});
    resolver_ = std::make_unique<net::SystemResolver>();
    auto opened = Deliveries::Open({.loop = loops_->at(0),
                                    .resolver = *resolver_,
                                    .clock = clock_,
                                    .log = log_,
                                    .metrics = metrics_,
                                    .tls = nullptr,
                                    .user_agent = "test"},
                                   options_);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    deliveries_ = std::move(*opened);
    if (run) {
      deliveries_->Start([](const CallbackWork& work) -> awaitable<std::string> { co_return "made of " + work.work; });
    }
    loops_->Start();
  }
  void Stop() {
    if (!loops_) return;
    loops_->Stop();
    loops_->Join();
    deliveries_.reset();
    resolver_.reset();
    loops_.reset();
  }
  base::Result<std::string> Accept(std::string work, const std::string& url) {
    return boost::asio::co_spawn(
               loops_->at(0).context(),
               deliveries_->Accept({.url = url, .tenant = "t", .request_id = "r", .work = std::move(work)}),
               boost::asio::use_future)
        .get();
  }
  // The tests' own limit ends a wait in vain.
  DeliveryView WaitFinished(const std::string& id) {
    for (;;) {
      auto view = deliveries_->Find(id, "t");
      if (!view.has_value() || IsFinished(view->state)) return view.value_or(DeliveryView{});
      std::this_thread::yield();
    }
  }

  Script script_;
  net::TestServer receiver_{[this](net::HttpExchange& exchange) -> awaitable<void> {
    int status = 0;
    {
      const base::MutexLock lock(script_.mutex);
      script_.bodies.emplace_back(exchange.request().body);
      if (!script_.statuses.empty()) status = script_.statuses.front();
      if (script_.statuses.size() > 1) script_.statuses.erase(script_.statuses.begin());
    }
    exchange.Respond(status == 0 ? 204 : status, {}, "");
    co_return;
  }};
  std::string folder_;
  base::SystemClock clock_;
  observe::Logger log_;
  observe::Registry metrics_;
  CallbackOptions options_;
  std::unique_ptr<net::EventLoops> loops_;
  std::unique_ptr<net::SystemResolver> resolver_;
  std::unique_ptr<Deliveries> deliveries_;
};

TEST_F(DeliveriesTest, MakesTheAnswerAndSendsIt) {
  Start();
  const auto id = Accept("w", receiver_.Url("/"));
  ASSERT_TRUE(id.has_value()) << id.error().message;
  EXPECT_EQ(WaitFinished(*id).state, DeliveryState::kDelivered);
  const base::MutexLock lock(script_.mutex);
  EXPECT_THAT(script_.bodies, testing::ElementsAre("made of w"));
}

TEST_F(DeliveriesTest, WhatWasAcceptedOutlivesTheProcess) {
  Start(false);
  const auto id = Accept("w", receiver_.Url("/"));
  ASSERT_TRUE(id.has_value());
  EXPECT_EQ(deliveries_->Find(*id, "t")->state, DeliveryState::kQueued);
  Stop();
  Start();
  EXPECT_EQ(WaitFinished(*id).state, DeliveryState::kDelivered);
  Stop();
  Start();
  EXPECT_EQ(deliveries_->Find(*id, "t")->state, DeliveryState::kDelivered) << "and is not sent once more";
  const base::MutexLock lock(script_.mutex);
  EXPECT_THAT(script_.bodies, testing::SizeIs(1));
}

TEST_F(DeliveriesTest, ASpentBudgetIsADeadLetterOnDisk) {
  {
    const base::MutexLock lock(script_.mutex);
    script_.statuses = {500};
  }
  Start();
  const auto id = Accept("w", receiver_.Url("/hook"));
  ASSERT_TRUE(id.has_value());
  const DeliveryView view = WaitFinished(*id);
  EXPECT_EQ(view.state, DeliveryState::kDead);
  EXPECT_EQ(view.reason, "attempts");
  EXPECT_EQ(view.attempts_made, 3U);
  Stop();  // The journal's thread writes what is queued.
  const auto letters = base::ReadFile(options_.journal + ".dead.jsonl");
  ASSERT_TRUE(letters.has_value());
  EXPECT_THAT(*letters, HasSubstr("\"id\":\"" + *id + "\""));
  EXPECT_THAT(*letters, HasSubstr("\"reason\":\"attempts\""));
  EXPECT_THAT(*letters, HasSubstr("\"body\":\"made of w\""));
}

TEST_F(DeliveriesTest, RefusalsPromiseNothing) {
  options_.limits.queue_max = 1;
  Start(false);
  const auto inside = Accept("w", "http://10.0.0.1/");
  ASSERT_FALSE(inside.has_value());
  EXPECT_EQ(inside.error().reason, "target_private");
  EXPECT_EQ(inside.error().param, "/callback_url");
  ASSERT_TRUE(Accept("w", receiver_.Url("/")).has_value());
  const auto full = Accept("w", receiver_.Url("/"));
  ASSERT_FALSE(full.has_value());
  EXPECT_EQ(full.error().reason, "callback_queue_full");
  EXPECT_TRUE(deliveries_->Drain(seconds(1)));
  EXPECT_EQ(Accept("w", receiver_.Url("/")).error().reason, "draining");
  EXPECT_THAT(deliveries_->List("t", {}, 10), testing::SizeIs(1));
}

TEST_F(DeliveriesTest, OthersDoNotSeeIt) {
  Start(false);
  const auto id = Accept("w", receiver_.Url("/"));
  EXPECT_EQ(deliveries_->Find(*id, "other").error().reason, "delivery_unknown");
  EXPECT_EQ(deliveries_->Find("none", "t").error().reason, "delivery_unknown");
}

TEST_F(DeliveriesTest, BadSettingsLeaveTheOldOnes) {
  Start();
  CallbackOptions bad = options_;
  bad.secrets = {"x"};
  EXPECT_FALSE(deliveries_->Configure(bad, {}).has_value());
  EXPECT_EQ(WaitFinished(Accept("w", receiver_.Url("/")).value()).state, DeliveryState::kDelivered);
}

}  // namespace
}  // namespace loquat::response
