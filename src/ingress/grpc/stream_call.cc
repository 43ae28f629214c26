#include "ingress/grpc/stream_call.h"

#include <fmt/format.h>

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

base::Error Draining() {
  return {.code = base::Code::kUnavailable,
          .message = "this server is stopping; go on with another one",
          .reason = "draining",
          .retry_after = kBusyRetryAfter};
}

base::Error SlowReader(std::chrono::milliseconds limit) {
  return {
      .code = base::Code::kResourceExhausted,
      .message = fmt::format("the stream was cut: its client took nothing for {} ms (grpc.write_stall)", limit.count()),
      .reason = "slow_reader"};
}

}  // namespace

StreamCall::StreamCall(CallShared& shared, Method method, Access access, ::grpc::CallbackServerContext& grpc)
    : call_(shared, method, access, grpc), loop_(shared.loops.Next()) {
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

awaitable<base::Result<bool>> StreamCall::Read(google::protobuf::MessageLite& message) {
  const CallShared& shared = call_.shared();
  ::grpc::ByteBuffer buffer;
  idle_ = false;
  reading_since_ = shared.clock.Now();
  for (;;) {
    const ReadEvent event = TakeMessage(buffer);
    if (event != ReadEvent::kNone) reading_since_ = base::TimePoint::max();
    if (event == ReadEvent::kCancelled) co_return ClientGone();
    if (event == ReadEvent::kEnd) co_return false;
    if (event == ReadEvent::kMessage) {
      call_.metrics().messages_in->Increment();
      LOQUAT_CO_TRY(ReadMessage(buffer, message));
      co_return true;
    }
    if (shared.draining.cancelled()) co_return Draining();
    if (idle_) co_return Idle(shared.options.stream_idle);
    co_await read_news_.Wait();
  }
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

awaitable<base::Status> StreamCall::Write(const google::protobuf::MessageLite& message) {
  ::grpc::ByteBuffer buffer;
  WriteMessage(message, buffer);
  const ::grpc::ByteBuffer* first = nullptr;
  {
    const base::MutexLock lock(mutex_);
    if (cancelled_) co_return ClientGone();
    written_bytes_ += buffer.Length();
    written_.emplace_back().Swap(&buffer);
    if (written_.size() == 1) first = &written_.front();
  }
  call_.metrics().messages_out->Increment();
  if (first != nullptr) StartWrite(first);
  co_return co_await AwaitWrites(call_.shared().options.write_buffer_bytes_max);
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
  }
  if (next != nullptr) StartWrite(next);
  write_news_.Notify();
}

awaitable<base::Status> StreamCall::AwaitWrites(std::size_t bytes_left) {
  const CallShared& shared = call_.shared();
  std::size_t taken = 0;
  for (bool first = true;; first = false) {
    {
      const base::MutexLock lock(mutex_);
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
    }
    co_await write_news_.Wait();
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
    write_news_.Notify();
  }
}

void StreamCall::OnCancel() {
  {
    const base::MutexLock lock(mutex_);
    cancelled_ = true;
  }
  cancel_.Cancel();
  read_news_.Notify();
  write_news_.Notify();
}

void StreamCall::OnDone() {
  // Destroys this, unless the coroutine is still about to let go.
  const std::shared_ptr<StreamCall> last = std::move(self_);
}

}  // namespace loquat::ingress::grpc
