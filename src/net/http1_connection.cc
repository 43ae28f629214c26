#include "net/http1_connection.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

namespace loquat::net {
namespace {

constexpr HttpFailure kHeadTimeout{408, "request_timeout", "the request head did not arrive in time"};
constexpr HttpFailure kBodyTimeout{408, "request_timeout", "the request body arrives too slowly"};
constexpr HttpFailure kBodyLarge{413, "body_too_large", "the request body is larger than this server accepts"};
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::size_t kKeptHeaders = 32;  // Room for more is given back after the request.

base::TimePoint Now() {
  return std::chrono::steady_clock::now();
}

}  // namespace

Http1Connection::Http1Connection(Conn& conn, ServerShard& shard)
    : conn_(conn),
      shard_(shard),
      options_(shard.shared->options),
      exchange_(conn, shard),
      draining_(shard.shared->draining.load(std::memory_order_relaxed)) {
  shard_.Add(*this);
}

Http1Connection::~Http1Connection() {
  shard_.Remove(*this);
}

void Http1Connection::BeginDrain() {
  draining_ = true;
  exchange_.BeginDrain();
  if (idle_) conn_.SetReadDeadline(Now() + options_.timeouts.drain_idle_grace);
}

void Http1Connection::Abort() {
  exchange_.Abort();
  conn_.Close();
}

bool Http1Connection::IsHttp2() {
  return requests_ == 0 && buffered().starts_with(kHttp2Preface);
}

bool Http1Connection::MayBecomeHttp2() {
  return requests_ == 0 && buffered().size() < kHttp2Preface.size() && kHttp2Preface.starts_with(buffered());
}

asio::awaitable<Http1Connection::Outcome> Http1Connection::Run() {
  for (;;) {
    Step step = co_await ReadHead();
    if (step == Step::kGo && !BodyIsThere()) step = co_await ReadBody();
    if (step == Step::kHttp2) co_return Outcome::kHttp2;
    if (step == Step::kClose) co_return Outcome::kClose;
    if (step == Step::kRefused) {
      co_return (co_await exchange_.Flush()).has_value() ? Outcome::kLinger : Outcome::kClose;
    }
    ++requests_;
    const bool last = options_.requests_per_connection_max != 0 && requests_ >= options_.requests_per_connection_max;
    exchange_.Begin(head_, {in_.data().data() + head_.size, request_bytes_ - head_.size}, received_at_,
                    head_.keep_alive && !draining_ && !last, buffered().substr(request_bytes_));
    const bool handler_ended = co_await RunHandler();
    if (!co_await exchange_.End(!handler_ended)) co_return Outcome::kClose;
    in_.Consume(request_bytes_);
    if (head_.headers.capacity() > kKeptHeaders) head_.headers = {};
    if (!exchange_.keep_alive()) {
      if (!(co_await exchange_.Flush())) co_return Outcome::kClose;
      co_return in_.empty() ? Outcome::kClose : Outcome::kLinger;
    }
  }
}

asio::awaitable<bool> Http1Connection::RunHandler() {
  auto& running = shard_.shared->exchanges;
  running.fetch_add(1, std::memory_order_relaxed);
  bool ended = false;
  try {
    co_await shard_.shared->handler.Handle(exchange_);
    ended = true;
  } catch (const std::exception&) {
    shard_.shared->observer.OnProtocolError("handler_exception");
  }
  running.fetch_sub(1, std::memory_order_relaxed);
  co_return ended;
}

asio::awaitable<base::Result<std::size_t>> Http1Connection::ReadMore(std::size_t wanted) {
  in_.Reserve(wanted);
  auto got = co_await conn_.Read(in_.free());
  if (got) {
    in_.Commit(*got);
    shard_.shared->observer.OnBytes(*got, 0);
  }
  co_return got;
}

Http1Connection::Step Http1Connection::Refuse(const HttpFailure& failure) {
  shard_.shared->observer.OnProtocolError(failure.reason);
  exchange_.Refuse(failure.status, ToError(failure), false);
  return Step::kRefused;
}

Http1Connection::Step Http1Connection::AfterReadError(const base::Error& error, const HttpFailure& timeout) {
  return error.code == base::Code::kDeadlineExceeded ? Refuse(timeout) : Step::kClose;
}

asio::awaitable<Http1Connection::Step> Http1Connection::ReadHead() {
  scanned_ = 0;
  request_bytes_ = 0;
  base::TimePoint started{};
  for (;;) {
    // An empty line after a body is an old client's mistake that RFC 9112 section 2.2 lets pass.
    if (scanned_ == 0 && requests_ != 0 && buffered().starts_with("\r\n")) in_.Consume(2);
    if (IsHttp2()) co_return Step::kHttp2;
    if (!in_.empty() && !MayBecomeHttp2()) {
      const ParseOutcome outcome = ParseRequestHead(in_.data(), scanned_, options_.http1, head_);
      if (outcome.state == ParseState::kDone) break;
      if (outcome.state == ParseState::kFailed) co_return Refuse(outcome.failure);
    }
    if (exchange_.has_pending_output() && !(co_await exchange_.Flush())) co_return Step::kClose;
    const base::TimePoint now = Now();
    idle_ = in_.empty();
    if (idle_) {
      in_.Tidy();
      const auto& timeouts = options_.timeouts;
      conn_.SetReadDeadline(now + (draining_ ? timeouts.drain_idle_grace : timeouts.idle));
    } else {
      if (started == base::TimePoint{}) started = now;
      conn_.SetReadDeadline(started + options_.timeouts.head);
    }
    const auto got = co_await ReadMore(0);
    const bool was_idle = std::exchange(idle_, false);
    if (!got) co_return was_idle ? Step::kClose : AfterReadError(got.error(), kHeadTimeout);
    if (*got == 0) co_return Step::kClose;
  }
  received_at_ = Now();
  request_bytes_ = head_.size;
  if (head_.content_length.value_or(0) > options_.body_bytes_max) co_return Refuse(kBodyLarge);
  co_return Step::kGo;
}

bool Http1Connection::BodyIsThere() {
  if (head_.chunked || in_.size() < head_.size + head_.content_length.value_or(0)) return false;
  request_bytes_ = head_.size + head_.content_length.value_or(0);
  return true;
}

base::TimePoint Http1Connection::BodyDeadline(std::uint64_t received) const {
  const std::uint64_t rate = std::max<std::uint32_t>(options_.timeouts.body_bytes_per_second_min, 1);
  return received_at_ + options_.timeouts.body_grace + std::chrono::milliseconds(received * 1000 / rate);
}

asio::awaitable<Http1Connection::Step> Http1Connection::ReadBody() {
  if (head_.expect_continue && in_.size() == head_.size) {
    if (!(co_await exchange_.Flush()) || !(co_await conn_.WriteAll(kContinue))) co_return Step::kClose;
  }
  if (head_.chunked) co_return co_await ReadChunked();
  co_return co_await ReadSized(*head_.content_length);
}

asio::awaitable<Http1Connection::Step> Http1Connection::ReadSized(std::uint64_t length) {
  request_bytes_ = head_.size + length;
  while (in_.size() < request_bytes_) {
    const char* before = in_.data().data();
    in_.Reserve(request_bytes_);
    head_.Rebase(before, in_.data().data());
    conn_.SetReadDeadline(BodyDeadline(in_.size() - head_.size));
    auto got = co_await conn_.Read(in_.free());
    if (!got) co_return AfterReadError(got.error(), kBodyTimeout);
    if (*got == 0) co_return Step::kClose;
    in_.Commit(*got);
    shard_.shared->observer.OnBytes(*got, 0);
  }
  co_return Step::kGo;
}

// The buffer holds [head][decoded body][raw bytes]; the raw ones are decoded where they lie.
asio::awaitable<Http1Connection::Step> Http1Connection::ReadChunked() {
  ChunkedDecoder decoder(options_.body_bytes_max);
  std::size_t raw = in_.size() - head_.size;
  for (;;) {
    const std::span<char> tail = in_.data().subspan(request_bytes_, raw);
    const ChunkedDecoder::Progress progress = decoder.Feed(tail);
    if (progress.state == ParseState::kFailed) co_return Refuse(progress.failure);
    request_bytes_ += progress.produced;
    // What follows the consumed bytes is the next request: it moves down to the end of the body.
    const std::size_t rest = raw - progress.consumed;
    std::copy_n(tail.data() + progress.consumed, rest, tail.data() + progress.produced);
    in_.Truncate(progress.consumed - progress.produced);
    if (progress.state == ParseState::kDone) co_return Step::kGo;
    const char* before = in_.data().data();
    in_.Reserve(in_.size() + kInlineReadBytes);
    head_.Rebase(before, in_.data().data());
    conn_.SetReadDeadline(BodyDeadline(request_bytes_ - head_.size));
    auto got = co_await conn_.Read(in_.free());
    if (!got) co_return AfterReadError(got.error(), kBodyTimeout);
    if (*got == 0) co_return Step::kClose;
    in_.Commit(*got);
    shard_.shared->observer.OnBytes(*got, 0);
    raw = *got;
  }
}

}  // namespace loquat::net
