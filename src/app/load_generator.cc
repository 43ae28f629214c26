#include "app/load_generator.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <thread>
#include <utility>

#include "base/mutex.h"
#include "net/event_loop.h"
#include "net/http_client.h"

namespace loquat::app {
namespace {

using boost::asio::awaitable;
using std::chrono::nanoseconds;

// Enough for every connection to be made before the first request is due.
constexpr std::chrono::milliseconds kWarmUp{300};
constexpr std::chrono::seconds kProgressEvery{1};
constexpr std::chrono::milliseconds kReconnectAfter{50};

struct Run {
  Run(const LoadPlan& load_plan, net::EventLoop& event_loop) : plan(load_plan), loop(event_loop) {}

  const LoadPlan& plan;
  net::EventLoop& loop;
  base::SystemClock clock;
  base::TimePoint start, end;
  LoadResult result;
  std::uint32_t running = 0;

  base::Mutex mutex;
  base::CondVar done_changed;
  bool done LOQUAT_GUARDED_BY(mutex) = false;

  // Between two requests of one connection.
  nanoseconds Spacing() const {
    const double nanos = std::clamp(1e9 * plan.connections / plan.rate, 1.0, 1e9 * kLoadSecondsMax);
    return nanoseconds(static_cast<std::int64_t>(nanos));
  }
  // How many requests of one connection are planned from `planned` on.
  std::uint64_t PlannedFrom(base::TimePoint planned) const {
    if (plan.rate <= 0 || planned >= end) return 0;
    const nanoseconds spacing = Spacing();
    return static_cast<std::uint64_t>((nanoseconds(end - planned) + spacing - nanoseconds(1)) / spacing);
  }
  void Failed(const base::Error& error) {
    if (result.errors++ == 0) result.first_error = error.message;
  }
  void OneEnded() {
    if (--running > 0) return;
    const base::MutexLock lock(mutex);
    done = true;
    done_changed.NotifyAll();
  }
};

awaitable<void> WaitUntil(boost::asio::steady_timer& timer, base::TimePoint at) {
  timer.expires_at(at);
  boost::system::error_code ignored;
  co_await timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
}

// Sends at its planned moments: late ones at once, one after the other, with their latency counted from the plan.
awaitable<void> Talk(Run& run, std::uint32_t index) {
  boost::asio::steady_timer timer(run.loop.executor());
  std::unique_ptr<net::HttpClientConnection> connection;
  const std::vector<std::string>& requests = run.plan.requests[index];
  const bool paced = run.plan.rate > 0;
  const nanoseconds spacing = paced ? run.Spacing() : nanoseconds(0);
  const double share = static_cast<double>(index) / run.plan.connections;
  base::TimePoint planned = run.start + std::chrono::duration_cast<nanoseconds>(spacing * share);
  co_await WaitUntil(timer, run.start - std::chrono::duration_cast<nanoseconds>(kWarmUp * share / 2));
  for (std::uint64_t sent = 0;;) {
    if (paced && planned >= run.end) break;
    if (run.clock.Now() >= run.end) {
      run.result.unsent += run.PlannedFrom(planned);
      break;
    }
    if (connection == nullptr) {
      auto connected = co_await net::HttpClientConnection::Connect(run.loop, run.plan.url, {});
      if (!connected.has_value()) {
        run.Failed(connected.error());
        co_await WaitUntil(timer, run.clock.Now() + kReconnectAfter);
        continue;
      }
      connection = std::move(*connected);
      continue;
    }
    const base::TimePoint due = paced ? planned : std::max(run.start, run.clock.Now());
    if (run.clock.Now() < due) co_await WaitUntil(timer, due);
    const base::TimePoint sending = run.clock.Now();
    planned += spacing;
    const auto reply = co_await connection->RoundTrip(requests[sent++ % requests.size()]);
    const base::TimePoint answered = run.clock.Now();
    if (!reply.has_value()) {
      run.Failed(reply.error());
      connection.reset();
      continue;
    }
    run.result.latency.Record(static_cast<std::uint64_t>(nanoseconds(answered - (paced ? due : sending)).count()));
    run.result.service.Record(static_cast<std::uint64_t>(nanoseconds(answered - sending).count()));
    ++run.result.statuses[reply->status];
    if (!connection->reusable()) connection.reset();
  }
  run.OneEnded();
}

awaitable<void> ShowProgress(Run& run) {
  boost::asio::steady_timer timer(run.loop.executor());
  const auto whole = std::chrono::duration<double>(run.end - run.start).count();
  while (run.clock.Now() < run.end) {
    co_await WaitUntil(timer, std::min(run.end, run.clock.Now() + kProgressEvery));
    const auto past = std::chrono::duration<double>(run.clock.Now() - run.start).count();
    if (run.plan.progress) run.plan.progress(std::min(1.0, past / whole), run.result.latency.count());
  }
  run.OneEnded();
}

}  // namespace

base::Result<LoadResult> RunLoad(const LoadPlan& plan) {
  if (plan.connections == 0 || plan.requests.size() != plan.connections ||
      std::ranges::any_of(plan.requests, [](const auto& requests) { return requests.empty(); })) {
    return base::InvalidArgument("a load needs one connection or more, each with its requests");
  }
  // Written so that NaN is refused as well.
  if (!(plan.rate >= 0 && plan.duration.count() > 0 && plan.duration.count() <= kLoadSecondsMax)) {
    return base::InvalidArgument(
        fmt::format("a load has a rate of 0 or more and lasts more than 0 and at most {} seconds", kLoadSecondsMax));
  }
  net::EventLoops loops;
  auto run = std::make_unique<Run>(plan, loops.at(0));
  run->start = run->clock.Now() + kWarmUp;
  run->end = run->start + std::chrono::duration_cast<base::Duration>(plan.duration);
  run->running = plan.connections + 1;
  for (std::uint32_t i = 0; i < plan.connections; ++i) {
    boost::asio::co_spawn(loops.at(0).executor(), Talk(*run, i), boost::asio::detached);
  }
  boost::asio::co_spawn(loops.at(0).executor(), ShowProgress(*run), boost::asio::detached);
  loops.Start();
  {
    const base::MutexLock lock(run->mutex);
    while (!run->done) run->done_changed.Wait(run->mutex);
  }
  loops.Stop();
  loops.Join();
  run->result.seconds = std::chrono::duration<double>(run->clock.Now() - run->start).count();
  return std::move(run->result);
}

}  // namespace loquat::app
