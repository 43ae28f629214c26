#include "net/event_loop.h"

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>
#include <optional>
#include <utility>

#include "base/this_thread.h"

namespace loquat::net {
namespace {

constexpr std::size_t kReadScratchBytes = 64 * 1024;

void AppendTwoDigits(char*& out, int value) {
  *out++ = static_cast<char>('0' + value / 10);
  *out++ = static_cast<char>('0' + value % 10);
}

// IMF-fixdate: "Sun, 06 Nov 1994 08:49:37 GMT". Written by hand because strftime speaks the locale's language.
std::size_t FormatHttpDate(std::time_t now, char* out) {
  static constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                               "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::tm utc{};
  gmtime_r(&now, &utc);
  char* const begin = out;
  const auto text = [&out](std::string_view piece) { out += piece.copy(out, piece.size()); };
  text(kDays[static_cast<std::size_t>(utc.tm_wday)]);
  text(", ");
  AppendTwoDigits(out, utc.tm_mday);
  text(" ");
  text(kMonths[static_cast<std::size_t>(utc.tm_mon)]);
  text(" ");
  AppendTwoDigits(out, (utc.tm_year + 1900) / 100);
  AppendTwoDigits(out, (utc.tm_year + 1900) % 100);
  text(" ");
  AppendTwoDigits(out, utc.tm_hour);
  text(":");
  AppendTwoDigits(out, utc.tm_min);
  text(":");
  AppendTwoDigits(out, utc.tm_sec);
  text(" GMT");
  return static_cast<std::size_t>(out - begin);
}

}  // namespace

EventLoop::EventLoop(std::size_t index, std::chrono::milliseconds tick)
    : index_(index), tick_(tick), tick_timer_(context_) {}

EventLoop::~EventLoop() = default;

void EventLoop::Post(std::function<void()> task) {
  asio::post(context_, std::move(task));
}

void EventLoop::After(base::Duration delay, std::function<void()> task) {
  asio::post(context_, [this, delay, task = std::move(task)]() mutable {
    auto timer = std::make_shared<asio::steady_timer>(context_, delay);
    timer->async_wait([timer, task = std::move(task)](const boost::system::error_code& error) {
      if (!error) task();
    });
  });
}

void EventLoop::AddDeadline(DeadlineNode& node) {
  sweep_.Add(node);
  if (!tick_armed_) ArmTick();
}

// The tick stops by itself when nothing has a deadline, so an idle loop sleeps.
void EventLoop::ArmTick() {
  tick_armed_ = true;
  tick_timer_.expires_after(tick_);
  tick_timer_.async_wait([this](const boost::system::error_code& error) {
    tick_armed_ = false;
    if (error || sweep_.size() == 0) return;
    sweep_.Tick(std::chrono::steady_clock::now());
    ArmTick();
  });
}

std::span<char> EventLoop::read_scratch() {
  if (!read_scratch_) read_scratch_ = std::make_unique_for_overwrite<char[]>(kReadScratchBytes);
  return {read_scratch_.get(), kReadScratchBytes};
}

std::string_view EventLoop::HttpDate() {
  const std::time_t now = std::time(nullptr);
  if (now != date_second_ || date_size_ == 0) {
    date_second_ = now;
    date_size_ = FormatHttpDate(now, date_);
  }
  return {date_, date_size_};
}

void EventLoop::Run() {
  thread_id_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  auto guard = asio::make_work_guard(context_);
  context_.run();
}

EventLoops::EventLoops(EventLoopOptions options) : pin_(options.pin) {
  const std::size_t count = options.threads == 0 ? 1 : options.threads;
  for (std::size_t i = 0; i < count; ++i) loops_.push_back(std::make_unique<EventLoop>(i, options.tick));
}

EventLoops::~EventLoops() {
  Stop();
  Join();
}

void EventLoops::Start() {
  const std::vector<int> cores = pin_ ? base::AllowedCores() : std::vector<int>{};
  for (auto& loop : loops_) {
    const std::optional<int> core = loop->index() < cores.size() ? std::optional(cores[loop->index()]) : std::nullopt;
    threads_.emplace_back([loop = loop.get(), core] {
      base::NameThisThread("loquat-io");
      if (core) base::PinThisThread(*core);
      loop->Run();
    });
  }
}

void EventLoops::Stop() {
  for (auto& loop : loops_) loop->context_.stop();
}

void EventLoops::Join() {
  for (auto& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

asio::awaitable<void> SleepFor(base::Duration delay) {
  asio::steady_timer timer(co_await asio::this_coro::executor, delay);
  co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

}  // namespace loquat::net
