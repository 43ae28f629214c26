#include "ingress/stream/websocket_endpoint.h"

#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <functional>
#include <utility>
#include <variant>

#include "ingress/http/json_body.h"
#include "pipeline/signal.h"

namespace loquat::ingress {
namespace {

using boost::asio::awaitable;

constexpr std::size_t kIdleParsersMax = 64;

base::Error OutOfOrder(std::string reason, std::string message) {
  return {.code = base::Code::kFailedPrecondition,
          .message = std::move(message),
          .reason = std::move(reason),
          .param = "/type"};
}

}  // namespace

// One client. Lives in the coroutine of Serve.
class WebSocketEndpoint::Connection final : public EventOutlet {
 public:
  Connection(WebSocketEndpoint& endpoint, HttpCall& call, net::WebSocket& socket)
      : endpoint_(endpoint), call_(call), socket_(socket) {}

  // Until the client or the server ends it. End() must follow, whatever happens.
  awaitable<void> Run() {
    bool more = co_await Hear();
    while (more && !(Draining() && Quiet())) more = co_await Hear();
    if (!more || socket_.closed()) co_return;
    socket_.Close(net::kCloseGoingAway, "the server stops");
  }

  // A turn may go on without its client; nothing of it uses the socket when this is over.
  awaitable<void> End(std::uint16_t code) {
    if (stream_ != nullptr) stream_->Leave();
    socket_.Close(code);
    while (waiting_for_room_ > 0) co_await room_left_.Wait();
  }

  void Put(const OutgoingEvent& event) override {
    // A socket that cannot send any more tells the reader, too.
    static_cast<void>(socket_.Send(event.json, {.revision_of = event.revision_of}).has_value());
  }
  awaitable<base::Status> Room() override {
    ++waiting_for_room_;
    base::Status room = co_await socket_.AwaitRoom();
    --waiting_for_room_;
    room_left_.Notify();
    co_return room;
  }

 private:
  bool Draining() const { return socket_.draining(); }
  bool Quiet() const { return stream_ == nullptr || stream_->quiet(); }

  // Waits for what the client says, or for the time to wake, and deals with all that has come. False: it is over.
  awaitable<bool> Hear() {
    auto message = co_await socket_.ReadUntil(WakeAt());
    if (!message.has_value()) co_return co_await GoOnAfter(message.error());
    for (int taken = 1; message->has_value(); ++taken) {
      if (!Take(**message)) co_return false;
      if (taken == kEventsAtOnceMax) {
        co_await boost::asio::post(call_.exchange().executor(), boost::asio::use_awaitable);
        break;
      }
      message = socket_.TryRead();
      if (!message.has_value()) break;
    }
    if (stream_ == nullptr) co_return InTimeToOpen();
    stream_->understand().Flush();
    stream_->understand().Wake();
    co_return true;
  }

  base::TimePoint WakeAt() const {
    return stream_ == nullptr ? call_.exchange().received_at() + kOpenTimeout : stream_->understand().wake_at();
  }
  bool InTimeToOpen() {
    if (endpoint_.clock_.Now() < WakeAt()) return true;
    socket_.Close(net::kClosePolicy, "the client sent no open event");
    return false;
  }

  // A server that stops still answers what it was asked.
  awaitable<bool> GoOnAfter(const base::Error& error) {
    if (error.reason != net::kWebSocketDraining) co_return false;
    if (!Quiet()) {
      pipeline::Signal quiet;
      stream_->set_on_quiet([&quiet] { quiet.Notify(); });
      const base::CancelCallback closed(socket_.token(), std::function<void()>([&quiet] { quiet.Notify(); }));
      while (!Quiet() && !socket_.closed()) co_await quiet.Wait();
      stream_->set_on_quiet(nullptr);
    }
    co_return !socket_.closed();
  }

  // False: the connection is to end.
  bool Take(const net::WebSocketMessage& message) {
    if (message.kind == net::WebSocketKind::kBinary) {
      socket_.Close(net::kCloseUnsupportedData, "loquat.v1 speaks JSON in text messages");
      return false;
    }
    const auto parser = endpoint_.parsers_.Acquire();
    auto event = ParseClientEvent(message.data, *parser);
    if (!event.has_value()) return Refuse(event.error());
    bad_events_ = 0;
    if (auto* open = std::get_if<OpenEvent>(&*event)) return Open(std::move(*open));
    if (stream_ == nullptr) {
      return Refuse(OutOfOrder("not_open", "the first event is {\"type\": \"open\"}; send it before any other"));
    }
    pipeline::UnderstandStream& stream = stream_->understand();
    if (auto* update = std::get_if<pipeline::TextUpdate>(&*event)) stream.Update(std::move(*update));
    if (auto* final = std::get_if<pipeline::FinalText>(&*event)) stream.Final(std::move(*final));
    if (auto* cancel = std::get_if<pipeline::StreamCancel>(&*event)) stream.Cancel(*cancel);
    return true;
  }

  bool Open(OpenEvent event) {
    if (stream_ != nullptr) {
      return Refuse(OutOfOrder("already_open", "the stream is open; an open event comes once, at the beginning"));
    }
    const std::string last_event_id = event.last_event_id;
    stream_ =
        EventStream::Open(endpoint_.streams_, call_.exchange().executor(), call_.context(), std::move(event), *this);
    stream_->Greet(last_event_id);
    return true;
  }

  bool Refuse(const base::Error& error) {
    if (stream_ != nullptr) {
      stream_->Refuse(error);
    } else {
      Put({.type = "error", .json = ErrorJson({.id = call_.context().request_id}, error)});
    }
    if (++bad_events_ < kBadEventsMax) return true;
    socket_.Close(net::kClosePolicy, "too many events that cannot be read");
    return false;
  }

  WebSocketEndpoint& endpoint_;
  HttpCall& call_;
  net::WebSocket& socket_;
  std::shared_ptr<EventStream> stream_;  // Null before the open event.
  int bad_events_ = 0;
  int waiting_for_room_ = 0;  // Turns that wait in Room.
  pipeline::Signal room_left_;
};

WebSocketEndpoint::WebSocketEndpoint(EventStreams& streams, net::WebSocketOptions options, const base::Clock& clock)
    : streams_(streams),
      clock_(clock),
      parsers_(kIdleParsersMax,
               [] { return std::make_unique<base::JsonParser>(base::JsonLimits{.max_depth = kJsonDepthMax}); }),
      options_(std::move(options)) {}

WebSocketEndpoint::~WebSocketEndpoint() = default;

void WebSocketEndpoint::SetOptions(net::WebSocketOptions options) {
  options_.Swap(std::move(options));
}

awaitable<void> WebSocketEndpoint::Serve(HttpCall& call) {
  auto socket =
      co_await call.exchange().AcceptWebSocket({.options = options_.Get(), .subprotocol = kStreamSubprotocol});
  if (!socket.has_value()) {
    for (const net::HttpHeader& header : net::WebSocketRefusalHeaders(socket.error())) {
      call.AddHeader(header.name, std::string(header.value));
    }
    call.Fail(socket.error());
    co_return;
  }
  Connection connection(*this, call, **socket);
  std::exception_ptr thrown;
  try {
    co_await connection.Run();
  } catch (...) {
    thrown = std::current_exception();
  }
  co_await connection.End(thrown ? net::kCloseInternal : net::kCloseNormal);
  if (thrown) std::rethrow_exception(thrown);
}

}  // namespace loquat::ingress
