// A stream whose client reads JSON events: numbers them, writes them, keeps the last ones for a client that may come
// back, and goes on without a client for a while. WebSocket and server-sent events differ by their outlet alone.
//
// An EventStream belongs to its executor, like the stream below it; shared, because a turn may outlive its client.

#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/call_context.h"
#include "base/result.h"
#include "ingress/stream/client_event.h"
#include "ingress/stream/event_json.h"
#include "ingress/stream/event_log.h"
#include "observe/trace.h"
#include "pipeline/stream/understand_stream.h"

namespace loquat::ingress {

// One event on its way to a client.
struct OutgoingEvent {
  std::string_view type;
  std::string_view id;
  std::string_view json;
  std::uint64_t revision_of = 0;       // Not zero: superseded by the next event with this number.
  const base::Error* error = nullptr;  // Of an error event.
};

// Where a client reads. Called on the stream's executor.
class EventOutlet {
 public:
  virtual ~EventOutlet() = default;
  virtual void Put(const OutgoingEvent& event) = 0;
  virtual boost::asio::awaitable<base::Status> Room() = 0;
};

// What all of them share. Thread-safe; outlives its streams.
class EventStreams {
 public:
  EventStreams(pipeline::UnderstandStreams& streams, StreamLogsOptions logs, std::size_t text_bytes_max)
      : streams_(streams), logs_(logs, streams.clock()), text_bytes_max_(text_bytes_max) {}

  // The log of a stream whose client comes back, as StreamLogs::Take.
  StreamLogs::Found Missed(std::string_view last_event_id, const StreamOwner& owner) {
    return logs_.Take(last_event_id, owner);
  }

 private:
  friend class EventStream;

  pipeline::UnderstandStreams& streams_;
  StreamLogs logs_;
  observe::IdGenerator ids_;
  const std::size_t text_bytes_max_;
};

class EventStream final : public pipeline::StreamSink, public std::enable_shared_from_this<EventStream> {
 public:
  // `outlet` lives until Leave. Resuming needs a session: without one, `resume` is not heeded.
  static std::shared_ptr<EventStream> Open(EventStreams& shared, boost::asio::any_io_executor executor,
                                           const base::CallContext& call, OpenEvent event, EventOutlet& outlet);
  EventStream(EventStreams& shared, boost::asio::any_io_executor executor, EventOutlet& outlet);
  ~EventStream() override;

  pipeline::UnderstandStream& understand() { return *stream_; }
  // Says `opened`, and if the client comes back and nothing is lost, what it missed.
  void Greet(const std::string& last_event_id);
  // An error that speaks of no utterance: an event that could not be read.
  void Refuse(const base::Error& error) { OnError({}, error); }
  // What the client missed is all said, and no turn is under way: nothing more comes by itself.
  bool quiet() const { return missed_ == nullptr && !stream_->busy(); }
  // Hears when quiet() may have become true.
  void set_on_quiet(std::function<void()> on_quiet) { on_quiet_ = std::move(on_quiet); }

  // The client has gone, for good or to come back. The outlet is not used any more.
  void Leave();

  void OnFrame(const pipeline::StreamFrame& frame) override;
  void OnReplyDelta(std::string_view utterance, std::string_view text) override;
  void OnReply(std::string_view utterance, const domain::Reply& reply) override;
  void OnTurnEnd(const pipeline::StreamTurnEnd& end) override;
  void OnError(std::string_view utterance, const base::Error& error) override;
  bool congested() const override { return false; }
  boost::asio::awaitable<base::Status> Room() override;

 private:
  struct Head;
  Head NextHead(std::string_view utterance);
  struct Said {
    std::string_view type;
    std::string_view revision_of = {};
    const base::Error* error = nullptr;
  };
  void Say(const Said& what, const Head& head, std::string json);
  void Forward(const LoggedEvent* missed);
  // Waits for turns to end, and for the client to come back, as long as the log is kept.
  boost::asio::awaitable<void> Linger();

  EventStreams& shared_;
  const boost::asio::any_io_executor executor_;
  EventOutlet* outlet_;  // Null once the client has gone.
  std::string name_;
  std::string call_id_;
  StreamOwner owner_;
  bool single_ = false;
  std::uint64_t events_ = 0;
  std::uint64_t revised_ = 0;          // Number of the utterance whose frames supersede each other,
  std::string revised_utterance_;      // and its name.
  std::shared_ptr<StreamLog> log_;     // Null: the client cannot come back.
  std::shared_ptr<StreamLog> missed_;  // Of the stream before, still being told.
  std::function<void()> on_quiet_;
  boost::asio::steady_timer lingering_;
  std::shared_ptr<pipeline::UnderstandStream> stream_;
};

}  // namespace loquat::ingress
