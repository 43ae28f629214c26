#include "net/http2_connection.h"

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <exception>
#include <memory>
#include <utility>
#include <vector>

#include "net/http2_session.h"

namespace loquat::net {
namespace {

constexpr std::size_t kWriteBatchBytes = 64 * 1024;
constexpr std::size_t kIdleReadBytes = 1024;  // What an idle connection keeps ready; bulk goes through shared room.
constexpr base::Duration kSweepInterval = std::chrono::seconds(1);

base::TimePoint Now() {
  return std::chrono::steady_clock::now();
}

class Http2Connection final : public ServerConnection, public Http2Session::Host {
 public:
  Http2Connection(Conn& conn, ServerShard& shard)
      : conn_(conn),
        shard_(shard),
        options_(shard.shared->options),
        session_(*this, options_, shard.shared->observer),
        quiet_(shard.loop.context()) {
    shard_.Add(*this);
  }
  ~Http2Connection() override { shard_.Remove(*this); }

  asio::awaitable<void> Run(std::string early) {
    if (shard_.shared->draining.load(std::memory_order_relaxed)) BeginDrain();
    next_sweep_ = Now() + kSweepInterval;
    if (Take(early)) co_await ReadLoop();
    Flush();
    session_.CloseStreams();
    // Handlers and the writer use this object: it waits for them, and ends what they could wait for.
    while (tasks_ != 0) {
      if (!writing_) conn_.Close();
      quiet_.expires_after(std::chrono::hours(1));
      co_await quiet_.async_wait(asio::as_tuple(asio::use_awaitable));
    }
  }

  void BeginDrain() override {
    if (std::exchange(draining_, true)) return;
    drain_at_ = Now() + options_.timeouts.drain_idle_grace;
    session_.GoAwaySoon();
    conn_.CancelRead();
  }
  void Abort() override {
    session_.CloseStreams();
    conn_.Close();
  }

  // Http2Session::Host
  void OnRequest(std::shared_ptr<Http2Stream> stream) override { ready_.push_back(std::move(stream)); }
  void OnOutput() override {
    if (batching_ || flush_posted_) return;
    flush_posted_ = true;
    ++tasks_;
    asio::post(shard_.loop.context(), [this] {
      flush_posted_ = false;
      Flush();
      TaskDone();
    });
  }
  EventLoop& loop() override { return shard_.loop; }
  std::string_view peer() const override { return conn_.peer(); }
  bool secure() const override { return conn_.secure(); }
  std::size_t running_handlers() const override { return handlers_; }
  std::string FormatError(int status, const base::Error& error) const override {
    return shard_.shared->FormatError(status, error);
  }

 private:
  asio::awaitable<void> ReadLoop() {
    for (;;) {
      conn_.SetReadDeadline(NextWake());
      const auto got = co_await conn_.Read(small_);
      const base::TimePoint now = Now();
      if (got) {
        if (*got == 0) co_return;
        shard_.shared->observer.OnBytes(*got, 0);
        if (!Take({small_.data(), *got})) co_return;
        if (*got == small_.size() && !TakeBulk()) co_return;
      } else if (got.error().code != base::Code::kDeadlineExceeded && got.error().code != base::Code::kCancelled) {
        co_return;
      }
      if (Over(now)) co_return;
    }
  }

  // Feeds what arrived, starts the handlers it completes, and sends what they answered at once, all in one batch.
  bool Take(std::string_view bytes) {
    batching_ = true;
    const bool go_on = session_.Feed(bytes, Now());
    for (auto& stream : std::exchange(ready_, {})) {
      ++handlers_;
      ++tasks_;
      asio::co_spawn(shard_.loop.context(), RunHandler(this, std::move(stream)), asio::detached);
    }
    batching_ = false;
    if (handlers_ == 0) {
      Flush();
    } else {
      OnOutput();  // After the handlers that were just started have had their turn.
    }
    return go_on && !broken_ && (writing_ || !session_.finished());
  }

  bool TakeBulk() {
    for (;;) {
      const std::span<char> room = shard_.loop.read_scratch();
      const auto got = conn_.TryRead(room);
      if (!got || (got->bytes == 0 && !got->blocked)) return false;
      if (got->blocked) return true;
      shard_.shared->observer.OnBytes(got->bytes, 0);
      // TLS writes through the same room, and Take may write.
      const std::string copy(room.data(), conn_.secure() ? got->bytes : 0);
      if (!Take(conn_.secure() ? std::string_view(copy) : std::string_view(room.data(), got->bytes))) return false;
    }
  }

  base::TimePoint NextWake() const {
    if (draining_) return std::min(drain_at_, Now() + kSweepInterval);
    if (session_.open_streams() != 0) return next_sweep_;
    return session_.idle_since() + options_.timeouts.idle;
  }

  // Housekeeping between reads. True: the connection is over.
  bool Over(base::TimePoint now) {
    if (now >= next_sweep_) {
      next_sweep_ = now + kSweepInterval;
      batching_ = true;
      session_.Sweep(now);
      batching_ = false;
      Flush();
    }
    const bool quiet = session_.open_streams() == 0 && handlers_ == 0;
    if (draining_ && now >= drain_at_) {
      if (!std::exchange(last_goaway_sent_, true)) session_.GoAwayNow();
      drain_at_ = now + std::chrono::milliseconds(50);
      if (quiet) return true;
    }
    if (!draining_ && quiet && now >= session_.idle_since() + options_.timeouts.idle) {
      session_.GoAwayNow();
      return true;
    }
    return broken_ || (session_.finished() && !writing_);
  }

  static asio::awaitable<void> RunHandler(Http2Connection* self, std::shared_ptr<Http2Stream> stream) {
    auto& running = self->shard_.shared->exchanges;
    running.fetch_add(1, std::memory_order_relaxed);
    try {
      co_await self->shard_.shared->handler.Handle(*stream);
    } catch (const std::exception&) {
      self->shard_.shared->observer.OnProtocolError("handler_exception");
    }
    running.fetch_sub(1, std::memory_order_relaxed);
    self->session_.OnHandlerDone(stream);
    --self->handlers_;
    self->TaskDone();
  }

  void TaskDone() {
    if (--tasks_ == 0) quiet_.cancel();
  }

  void Flush() {
    if (writing_ || broken_) return;
    for (;;) {
      std::string& batch = shard_.loop.scratch();
      batch.clear();
      session_.Produce(batch, kWriteBatchBytes, Now());
      if (batch.empty()) return;
      const std::string_view piece = batch;
      const auto sent = conn_.TryWrite({&piece, 1});
      if (!sent) return Break();
      shard_.shared->observer.OnBytes(0, sent->bytes);
      if (sent->bytes < batch.size()) {
        out_.assign(batch, sent->bytes);
        writing_ = true;
        ++tasks_;
        asio::co_spawn(shard_.loop.context(), WriteLoop(this), asio::detached);
        return;
      }
    }
  }

  // Runs while the socket takes less than the session has.
  static asio::awaitable<void> WriteLoop(Http2Connection* self) {
    while (!self->out_.empty()) {
      self->conn_.SetWriteDeadline(Now() + self->options_.timeouts.write_stall);
      const auto written = co_await self->conn_.WriteAll(self->out_);
      if (!written) {
        if (written.error().code == base::Code::kDeadlineExceeded) {
          self->shard_.shared->observer.OnProtocolError("write_stalled");
        }
        self->Break();
        break;
      }
      self->shard_.shared->observer.OnBytes(0, self->out_.size());
      self->out_.clear();
      self->session_.Produce(self->out_, kWriteBatchBytes, Now());
    }
    self->out_ = std::string();
    self->writing_ = false;
    self->TaskDone();
  }

  void Break() {
    broken_ = true;
    conn_.Close();
  }

  Conn& conn_;
  ServerShard& shard_;
  const HttpServerOptions& options_;
  Http2Session session_;
  std::array<char, kIdleReadBytes> small_;
  std::vector<std::shared_ptr<Http2Stream>> ready_;
  std::string out_;
  asio::steady_timer quiet_;  // Cancelled when the last task ends.
  base::TimePoint next_sweep_;
  base::TimePoint drain_at_;
  std::size_t handlers_ = 0;
  std::size_t tasks_ = 0;  // Coroutines and posts that use this object.
  bool batching_ = false;
  bool flush_posted_ = false;
  bool writing_ = false;
  bool broken_ = false;
  bool draining_ = false;
  bool last_goaway_sent_ = false;
};

}  // namespace

asio::awaitable<void> ServeHttp2(Conn& conn, ServerShard& shard, std::string early) {
  const auto connection = std::make_unique<Http2Connection>(conn, shard);
  co_await connection->Run(std::move(early));
}

}  // namespace loquat::net
