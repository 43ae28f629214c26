// A streaming call between gRPC's threads and a coroutine on one event loop: messages are handed over through bounded
// queues in both directions. A client that sends faster than it is served is held back by HTTP/2's flow control; one
// that takes nothing is waited for a while and then cut; one that says nothing for long is let go.
//
// Reactions run on gRPC's threads, everything else on the thread of the call's loop. gRPC holds the call until OnDone,
// the coroutine until its end.

#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "base/cancel.h"
#include "base/mutex.h"
#include "base/result.h"
#include "ingress/grpc/call.h"
#include "net/deadline_sweep.h"
#include "net/event_loop.h"
#include "pipeline/signal.h"

namespace google::protobuf {
class MessageLite;
}

namespace loquat::ingress::grpc {

inline constexpr std::size_t kReadAheadMessagesMax = 16;

using BidiReactor = ::grpc::ServerBidiReactor<::grpc::ByteBuffer, ::grpc::ByteBuffer>;

// What a stream is told that a server which stops lets go of: unavailable "draining".
base::Error StoppingStream();

enum class Heard : std::uint8_t { kMessage, kEnd, kWake };

class StreamCall final : public BidiReactor, public std::enable_shared_from_this<StreamCall> {
 public:
  // Serves a call until it has nothing more to say; what it returns is the call's status.
  using Serve = std::function<boost::asio::awaitable<base::Status>(StreamCall& call)>;

  // A reactor for gRPC: one that serves on the next loop, or one that refuses at once.
  static BidiReactor* Start(CallShared& shared, Method method, Access access, ::grpc::CallbackServerContext& grpc,
                            Serve serve);

  // A reactor that refuses a method that there is not.
  static BidiReactor* Refuse(CallShared& shared, ::grpc::CallbackServerContext& grpc, const base::Error& error);

  StreamCall(CallShared& shared, Method method, Access access, ::grpc::CallbackServerContext& grpc);
  ~StreamCall() override;
  StreamCall(const StreamCall&) = delete;
  StreamCall& operator=(const StreamCall&) = delete;

  Call& call() { return call_; }
  const base::CallContext& context() { return call_.context(); }

  boost::asio::any_io_executor executor() { return loop_.executor(); }

  // Loop thread from here on. Read and Pause: one coroutine at a time.
  //
  // kEnd: the client has said all it will say. kWake: the time has come, or Wake was called. Errors: invalid_argument
  // "malformed_message"; cancelled; deadline_exceeded "idle_timeout"; unavailable "draining" when this server stops.
  boost::asio::awaitable<base::Result<Heard>> Read(google::protobuf::MessageLite& message,
                                                   base::TimePoint wake_at = base::TimePoint::max());
  // Whether a message is there at once.
  bool HasMessage() const LOQUAT_EXCLUDES(mutex_);
  // Until then, or Wake is called, or this server begins to drain; for who wants to hear nothing. Errors: cancelled.
  boost::asio::awaitable<base::Status> Pause(base::TimePoint wake_at);
  void Wake();
  bool draining() const { return call_.shared().draining.cancelled(); }

  // Sends after all that was sent before, without waiting: whoever sends much waits for room in between.
  void Send(const google::protobuf::MessageLite& message) LOQUAT_EXCLUDES(mutex_);
  // There is no room: Room would wait.
  bool congested() const LOQUAT_EXCLUDES(mutex_);
  // Any number of coroutines. Errors: cancelled; resource_exhausted "slow_reader".
  boost::asio::awaitable<base::Status> Room();
  // Both.
  boost::asio::awaitable<base::Status> Write(const google::protobuf::MessageLite& message);

 private:
  // Looks at the times of a call ten times a second.
  class Watch final : public net::DeadlineNode {
   public:
    explicit Watch(StreamCall& call) : call_(call) {}
    void OnTick(base::TimePoint now) override { call_.OnTick(now); }

   private:
    StreamCall& call_;
  };

  enum class ReadEvent : std::uint8_t { kMessage, kEnd, kCancelled, kNone };

  static boost::asio::awaitable<void> Run(std::shared_ptr<StreamCall> call, Serve serve);
  void OnReadDone(bool ok) override LOQUAT_EXCLUDES(mutex_);
  void OnWriteDone(bool ok) override LOQUAT_EXCLUDES(mutex_);
  void OnCancel() override LOQUAT_EXCLUDES(mutex_);
  void OnDone() override;

  ReadEvent TakeMessage(::grpc::ByteBuffer& buffer) LOQUAT_EXCLUDES(mutex_);
  void NotifyWriters() LOQUAT_REQUIRES(mutex_);
  // Waits until at most `bytes_left` are on their way.
  boost::asio::awaitable<base::Status> AwaitWrites(std::size_t bytes_left);
  void WakeAt(base::TimePoint at);
  void OnTick(base::TimePoint now);

  Call call_;
  net::EventLoop& loop_;
  base::CancelSource cancel_;
  pipeline::Signal read_news_;
  std::shared_ptr<StreamCall> self_;  // What gRPC holds.

  // Loop thread only.
  Watch watch_{*this};
  base::TimePoint reading_since_ = base::TimePoint::max();
  base::TimePoint writing_since_ = base::TimePoint::max();
  boost::asio::steady_timer timer_;
  bool idle_ = false, woken_ = false, stalled_ = false;
  bool cut_ = false;  // Told to gRPC; only its last word is waited for.

  ::grpc::ByteBuffer incoming_;  // Of the read under way.
  mutable base::Mutex mutex_;
  std::deque<::grpc::ByteBuffer> read_ LOQUAT_GUARDED_BY(mutex_);
  bool reading_ LOQUAT_GUARDED_BY(mutex_) = true;
  bool read_all_ LOQUAT_GUARDED_BY(mutex_) = false;
  std::deque<::grpc::ByteBuffer> written_ LOQUAT_GUARDED_BY(mutex_);  // The first one is on its way.
  std::size_t written_bytes_ LOQUAT_GUARDED_BY(mutex_) = 0;
  std::size_t taken_ LOQUAT_GUARDED_BY(mutex_) = 0;  // Messages that gRPC has taken: a sign of life of the client.
  bool cancelled_ LOQUAT_GUARDED_BY(mutex_) = false;
  std::vector<pipeline::Signal*> waiting_for_room_ LOQUAT_GUARDED_BY(mutex_);
};

}  // namespace loquat::ingress::grpc
