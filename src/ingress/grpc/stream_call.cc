#include "ingress/grpc/stream_call.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <utility>

#include "ingress/grpc/wire.h"

namespace loquat::ingress::grpc {
namespace {

using boost::asio::awaitable;

// A call that was refused before it began.
class Refusal final : public BidiReactor {
 public:
  explicit Refusal(::grpc::Status status) { Finish(std::move(status)); }
  void OnDone() override { delete this; }
};

base::Error ClientGone() {
  return base::Cancelled("the client went away");
}

base::Error Idle(std::chrono::milliseconds limit) {
  return {.code = base::Code::kDeadlineExceeded,
          .message =
              fmt::format("nothing came on this stream for {} ms (grpc.stream_idle); open another one", limit.count()),
          .reason = "idle_timeout"};
}

base::Error SlowReader(std::chrono::milliseconds limit) {
  return {
      .code = base::Code::kResourceExhausted,
      .message = fmt::format("the stream was cut: its client took nothing for {} ms (grpc.write_stall)", limit.count()),
      .reason = "slow_reader"};
}

}  // namespace

base::Error StoppingStream() {
  return {.code = base::Code::kUnavailable,
          .message = "this server is stopping; go on with another one",
          .reason = "draining",
          .retry_after = kBusyRetryAfter};
}

StreamCall::StreamCall(CallShared& shared, Method method, Access access, ::grpc::CallbackServerContext& grpc)
    : call_(shared, method, access, grpc), loop_(shared.loops.Next()), timer_(loop_.context()) {
  call_.context().cancel = cancel_.token();
}

StreamCall::~StreamCall() = default;

BidiReactor* StreamCall::Start(CallShared& shared, Method method, Access access, ::grpc::CallbackServerContext& grpc,
                               Serve serve) {
  auto call = std::make_shared<StreamCall>(shared, method, access, grpc);
  base::Status admitted = call->call_.status();
  const std::size_t streams = shared.streams.fetch_add(1, std::memory_order_relaxed);
  if (admitted.has_value() && streams >= shared.options.streams_max) {
    admitted = Busy("streams", shared.options.streams_max, "grpc.streams_max", "too_many_streams");
  }
  if (!admitted.has_value()) {
    shared.streams.fetch_sub(1, std::memory_order_relaxed);
    return new Refusal(call->call_.End(admitted));
  }
  call->self_ = call;
  grpc.AddInitialMetadata(std::string(kRequestIdKey), call->context().request_id);
  call->StartSendInitialMetadata();
  call->StartRead(&call->incoming_);
  StreamCall* reactor = call.get();
  boost::asio::co_spawn(call->loop_.executor(), Run(std::move(call), std::move(serve)), boost::asio::detached);
  return reactor;
}

BidiReactor* StreamCall::Refuse(CallShared& shared, ::grpc::CallbackServerContext& grpc, const base::Error& error) {
  Call call(shared, Method::kUnknown, Access::kOpen, grpc);
  return new Refusal(call.End(error));
}

awaitable<void> StreamCall::Run(std::shared_ptr<StreamCall> call, Serve serve) {
  CallShared& shared = call->call_.shared();
  call->loop_.AddDeadline(call->watch_);
  base::Status status;
  {
    const base::CancelCallback drain(shared.draining.token(), [&call] { call->read_news_.Notify(); });
    status = co_await serve(*call);
  }
  // What was said before still goes out, also before an error.
  const base::Status flushed = co_await call->AwaitWrites(0);
  if (status.has_value()) status = flushed;
  if (call->stalled_) {
    // A client that takes nothing would not take the status either: it stands behind what it did not take.
    call->cut_ = true;
    call->call_.grpc().TryCancel();
    (void)(co_await call->AwaitWrites(0)).has_value();
  }
  call->loop_.RemoveDeadline(call->watch_);
  call->timer_.cancel();
  shared.streams.fetch_sub(1, std::memory_order_relaxed);
  call->Finish(call->call_.End(status));
}

StreamCall::ReadEvent StreamCall::TakeMessage(::grpc::ByteBuffer& buffer) {
  bool read_on = false;
  {
    const base::MutexLock lock(mutex_);
    if (cancelled_) return ReadEvent::kCancelled;
    if (read_.empty()) return read_all_ ? ReadEvent::kEnd : ReadEvent::kNone;
    buffer.Swap(&read_.front());
    read_.pop_front();
    read_on = !read_all_ && !std::exchange(reading_, true);
  }
  if (read_on) StartRead(&incoming_);
  return ReadEvent::kMessage;
}

awaitable<base::Result<Heard>> StreamCall::Read(google::protobuf::MessageLite& message, base::TimePoint wake_at) {
  const CallShared& shared = call_.shared();
  ::grpc::ByteBuffer buffer;
  idle_ = false;
  reading_since_ = shared.clock.Now();
  WakeAt(wake_at);
  for (;;) {
    const ReadEvent event = TakeMessage(buffer);
    if (event != ReadEvent::kNone) reading_since_ = base::TimePoint::max();
    if (event == ReadEvent::kCancelled) co_return ClientGone();
    if (event == ReadEvent::kEnd) co_return Heard::kEnd;
    if (event == ReadEvent::kMessage) {
      call_.metrics().messages_in->Increment();
      LOQUAT_CO_TRY(ReadMessage(buffer, message));
      co_return Heard::kMessage;
    }
    if (std::exchange(woken_, false)) co_return Heard::kWake;
    if (draining()) co_return StoppingStream();
    if (idle_) co_return Idle(shared.options.stream_idle);
    co_await read_news_.Wait();
  }
}

bool StreamCall::HasMessage() const {
  const base::MutexLock lock(mutex_);
  return !read_.empty();
}

awaitable<base::Status> StreamCall::Pause(base::TimePoint wake_at) {
  WakeAt(wake_at);
  const bool drained = draining();
  for (;;) {
    {
      const base::MutexLock lock(mutex_);
      if (cancelled_) co_return ClientGone();
    }
    if (std::exchange(woken_, false) || draining() != drained) co_return base::Status();
    co_await read_news_.Wait();
  }
}

void StreamCall::Wake() {
  woken_ = true;
  read_news_.Notify();
}

void StreamCall::WakeAt(base::TimePoint at) {
  timer_.cancel();
  if (at == base::TimePoint::max()) return;
  timer_.expires_after(std::max(base::Duration::zero(), at - call_.shared().clock.Now()));
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto call = weak.lock();
    if (call != nullptr && !error) call->Wake();
  });
}

void StreamCall::OnReadDone(bool ok) {
  bool read_on = false;
  {
    const base::MutexLock lock(mutex_);
    if (ok) {
      read_.emplace_back().Swap(&incoming_);
      read_on = reading_ = read_.size() < kReadAheadMessagesMax;
    } else {
      read_all_ = true;
    }
  }
  if (read_on) StartRead(&incoming_);
  read_news_.Notify();
}

void StreamCall::Send(const google::protobuf::MessageLite& message) {
  ::grpc::ByteBuffer buffer;
  WriteMessage(message, buffer);
  const ::grpc::ByteBuffer* first = nullptr;
  {
    const base::MutexLock lock(mutex_);
    if (cancelled_) return;
    written_bytes_ += buffer.Length();
    written_.emplace_back().Swap(&buffer);
    if (written_.size() == 1) first = &written_.front();
  }
  call_.metrics().messages_out->Increment();
  if (first != nullptr) StartWrite(first);
}

bool StreamCall::congested() const {
  const base::MutexLock lock(mutex_);
  return written_bytes_ > call_.shared().options.write_buffer_bytes_max;
}

awaitable<base::Status> StreamCall::Room() {
  return AwaitWrites(call_.shared().options.write_buffer_bytes_max);
}

awaitable<base::Status> StreamCall::Write(const google::protobuf::MessageLite& message) {
  Send(message);
  return Room();
}

void StreamCall::OnWriteDone(bool ok) {
  const ::grpc::ByteBuffer* next = nullptr;
  {
    const base::MutexLock lock(mutex_);
    written_bytes_ -= written_.front().Length();
    written_.pop_front();
    ++taken_;
    if (!ok) {
      // The stream is broken: nothing of what waits will go out, and OnCancel says so to whoever waits.
      cancelled_ = true;
      written_.clear();
      written_bytes_ = 0;
    } else if (!written_.empty()) {
      next = &written_.front();
    }
    NotifyWriters();
  }
  if (next != nullptr) StartWrite(next);
}

void StreamCall::NotifyWriters() {
  for (pipeline::Signal* waiting : waiting_for_room_) waiting->Notify();
}

awaitable<base::Status> StreamCall::AwaitWrites(std::size_t bytes_left) {
  const CallShared& shared = call_.shared();
  pipeline::Signal news;
  std::size_t taken = 0;
  for (bool first = true;; first = false) {
    {
      const base::MutexLock lock(mutex_);
      if (!first) std::erase(waiting_for_room_, &news);
      // What gRPC has been given is waited for also after the client has gone: Finish comes after the last OnWriteDone.
      const bool waits = cancelled_ ? bytes_left == 0 && !written_.empty() : written_bytes_ > bytes_left;
      if (!waits) {
        writing_since_ = base::TimePoint::max();
        if (cancelled_) co_return ClientGone();
        co_return base::Status();
      }
      if (stalled_ && !cut_) co_return SlowReader(shared.options.write_stall);
      if (first || taken != taken_) writing_since_ = shared.clock.Now();
      taken = taken_;
      waiting_for_room_.push_back(&news);
    }
    co_await news.Wait();
  }
}

void StreamCall::OnTick(base::TimePoint now) {
  const GrpcOptions& options = call_.shared().options;
  if (reading_since_ != base::TimePoint::max() && now - reading_since_ > options.stream_idle && !idle_) {
    idle_ = true;
    read_news_.Notify();
  }
  if (writing_since_ != base::TimePoint::max() && now - writing_since_ > options.write_stall && !stalled_) {
    stalled_ = true;
    cancel_.Cancel();
    const base::MutexLock lock(mutex_);
    NotifyWriters();
  }
}

void StreamCall::OnCancel() {
  {
    const base::MutexLock lock(mutex_);
    cancelled_ = true;
    NotifyWriters();
  }
  cancel_.Cancel();
  read_news_.Notify();
}

void StreamCall::OnDone() {
  // Destroys this, unless the coroutine is still about to let go.
  const std::shared_ptr<StreamCall> last = std::move(self_);
}

}  // namespace loquat::ingress::grpc
