// WebSockets of a running server, seen by a client made by hand and by the handler.

#include "net/websocket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "net/test_server.h"
#include "net/test_websocket.h"
#include "net/websocket_deflate.h"

namespace loquat::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// Counts what the server says of its WebSockets.
class Events final : public NetObserver {
 public:
  void OnWebSocketOpened(bool compressed) override { Count(compressed ? "opened compressed" : "opened"); }
  void OnWebSocketClosed(std::uint16_t code, bool by_peer) override {
    Count("closed " + std::to_string(code) + (by_peer ? " by client" : " by server"));
  }
  void OnWebSocketRefused(std::string_view reason) override { Count("refused " + std::string(reason)); }
  void OnWebSocketMessage(Direction direction, std::uint64_t bytes) override {
    Count(direction == Direction::kSent ? "sent" : "received", bytes);
  }
  void OnWebSocketPingMissed() override { Count("ping missed"); }
  void OnWebSocketSlow(SlowAction action, std::uint64_t messages) override {
    Count("slow " + std::to_string(static_cast<int>(action)), messages);
  }
  std::uint64_t Seen(const std::string& what) {
    base::MutexLock lock(mutex_);
    return seen_[what];
  }
  // Waits for it; false after 20 seconds.
  bool Await(const std::string& what) {
    const auto until = std::chrono::steady_clock::now() + seconds(20);
    base::MutexLock lock(mutex_);
    while (seen_[what] == 0) {
      if (!changed_.WaitUntil(mutex_, until)) return false;
    }
    return true;
  }

 private:
  void Count(const std::string& what, std::uint64_t by = 1) {
    base::MutexLock lock(mutex_);
    seen_[what] += by;
    changed_.NotifyAll();
  }

  base::Mutex mutex_;
  base::CondVar changed_;
  std::map<std::string, std::uint64_t> seen_ LOQUAT_GUARDED_BY(mutex_);
};

using Life = std::function<asio::awaitable<void>(WebSocket&)>;

// A server whose every exchange becomes a WebSocket that lives `life`.
class SocketServer {
 public:
  explicit SocketServer(Life life, WebSocketOptions options = {})
      : life_(std::move(life)),
        options_(std::make_shared<const WebSocketOptions>(std::move(options))),
        server([this](HttpExchange& exchange) { return Serve(exchange); }, {}, &events) {}

  std::uint16_t port() const { return server.port; }

 private:
  asio::awaitable<void> Serve(HttpExchange& exchange) {
    if (exchange.request().path == "/plain") {
      exchange.Respond(200, {}, "plain");
      co_return;
    }
    const auto socket = co_await exchange.AcceptWebSocket({.options = options_, .subprotocol = "loquat.v1"});
    if (!socket) {
      const base::Error& error = socket.error();
      exchange.Respond(HttpStatusOf(error), WebSocketRefusalHeaders(error), error.reason + ": " + error.message);
      co_return;
    }
    co_await life_(**socket);
  }

  const Life life_;
  const std::shared_ptr<const WebSocketOptions> options_;

 public:
  Events events;
  TestServer server;
};

asio::awaitable<void> EchoAll(WebSocket& socket) {
  for (;;) {
    auto message = co_await socket.Read();
    if (!message) co_return;
    if (!socket.Send(message->data, {.kind = message->kind})) co_return;
  }
}

// Echoes, and keeps what ended it.
Life EchoInto(std::promise<base::Error>& end) {
  return [&end](WebSocket& socket) -> asio::awaitable<void> {
    for (;;) {
      auto message = co_await socket.Read();
      if (!message) {
        end.set_value(message.error());
        co_return;
      }
      if (!socket.Send(message->data)) co_return;
    }
  };
}

TEST(WebSocket, TheHandshakeIsAnsweredAndMessagesAreEchoed) {
  SocketServer server(EchoAll);
  WebSocketClient client(server.port(), "Sec-WebSocket-Protocol: other, loquat.v1\r\n");
  EXPECT_THAT(client.head(), StartsWith("HTTP/1.1 101 Switching Protocols\r\n"));
  EXPECT_THAT(client.head(), HasSubstr("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
  EXPECT_THAT(client.head(), HasSubstr("\r\nSec-WebSocket-Protocol: loquat.v1\r\n"));
  EXPECT_THAT(client.head(), HasSubstr("\r\nConnection: Upgrade\r\n"));
  EXPECT_THAT(client.head(), Not(HasSubstr("Content-Length")));
  client.Send(ClientText("hello") + ClientFrame(0x9, "ping") + ClientFrame(0x2, "\x01\xff"));
  EXPECT_EQ(client.ReadText(), "hello");
  ServerFrame pong = client.ReadFrame();
  EXPECT_EQ(pong.first, 0x8a);
  EXPECT_EQ(pong.payload, "ping");
  ServerFrame binary = client.ReadFrame();
  EXPECT_EQ(binary.first, 0x82);
  EXPECT_EQ(binary.payload, "\x01\xff");
  client.Send(ClientClose(1000, "done"));
  EXPECT_EQ(client.ReadClose(), 1000);
  EXPECT_TRUE(client.AtEnd());
  EXPECT_TRUE(server.events.Await("closed 1000 by client"));
  EXPECT_EQ(server.events.Seen("received"), 7u);
  EXPECT_EQ(server.events.Seen("sent"), 7u);
}

TEST(WebSocket, FramesRightBehindTheRequestAreNotLost) {
  SocketServer server(EchoAll);
  RawClient raw(server.port());
  raw.Send("GET /plain HTTP/1.1\r\nHost: x\r\n\r\n" + UpgradeRequest() + ClientText("early") + ClientClose(1001));
  const std::string all = raw.ReadToEnd();
  EXPECT_THAT(all, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(all, HasSubstr("plainHTTP/1.1 101 Switching Protocols\r\n"));
  EXPECT_THAT(all, HasSubstr("\r\n\r\n\x81\x05"
                             "early"
                             "\x88\x02\x03\xe9"));
}

TEST(WebSocket, ABrokenProtocolClosesWithItsCodeAndTellsTheHandler) {
  struct Case {
    std::string bytes;
    std::uint16_t code;
    std::string reason;
  };
  WebSocketOptions options;
  options.message_bytes_max = 1000;
  options.fragments_max = 2;
  for (const Case& wrong :
       {Case{ClientFrame(0x1, "a", {.masked = false}), 1002, "websocket_protocol"},
        {ClientFrame(0x3, "a"), 1002, "websocket_protocol"},
        {ClientText("\xff"), 1007, "websocket_payload"},
        {ClientText(std::string(1001, 'a')), 1009, "message_too_large"},
        {ClientFrame(0x1, "a", {.fin = false}) + ClientFrame(0x0, "a", {.fin = false}) + ClientFrame(0x0, "a"), 1008,
         "too_many_fragments"}}) {
    std::promise<base::Error> end;
    SocketServer server(EchoInto(end), options);
    WebSocketClient client(server.port());
    // What follows a fault is not read as frames.
    client.Send(ClientText("fine") + wrong.bytes + ClientText("too late"));
    EXPECT_EQ(client.ReadText(), "fine");
    EXPECT_EQ(client.ReadClose(), wrong.code);
    EXPECT_EQ(end.get_future().get().reason, wrong.reason);
    EXPECT_TRUE(client.AtEnd());
    EXPECT_EQ(server.events.Seen("received"), 4u);
  }
}

TEST(WebSocket, TheEndOfTheHandlerIsTheEndOfTheSocket) {
  SocketServer server([](WebSocket& socket) -> asio::awaitable<void> {
    const auto message = co_await socket.Read();
    if (message && message->data == "throw") throw std::runtime_error("as asked");
    if (message && message->data == "close") socket.Close(4321, std::string(122, 'r') + "\xc3\xa9");
  });
  for (const auto& [said, code] : std::map<std::string, int>{{"end", 1000}, {"throw", 1011}, {"close", 4321}}) {
    WebSocketClient client(server.port());
    client.Send(ClientText(said));
    const ServerFrame close = client.ReadFrame();
    EXPECT_EQ(close.close_code(), code) << said;
    // A reason is cut at the start of a code point.
    if (said == "close") EXPECT_EQ(close.payload.substr(2), std::string(122, 'r'));
    client.Send(ClientText("dropped") + ClientClose(1000));
    EXPECT_TRUE(client.AtEnd());
  }
  EXPECT_TRUE(server.events.Await("closed 4321 by server"));
}

TEST(WebSocket, AClientThatGoesWithoutAWordIsNoticed) {
  std::promise<base::Error> end;
  SocketServer server(EchoInto(end));
  WebSocketClient client(server.port());
  client.raw().Close();
  EXPECT_EQ(end.get_future().get().reason, "websocket_lost");
  EXPECT_TRUE(server.events.Await("closed 1006 by client"));
}

TEST(WebSocket, ACloseWithoutCodeIsAnsweredWithoutCode) {
  std::promise<base::Error> end;
  SocketServer server(EchoInto(end));
  WebSocketClient client(server.port());
  client.Send(ClientFrame(0x8, ""));
  const ServerFrame close = client.ReadFrame();
  EXPECT_EQ(close.first, 0x88);
  EXPECT_EQ(close.payload, "");
  EXPECT_EQ(end.get_future().get().reason, "websocket_closed");
  EXPECT_TRUE(server.events.Await("closed 1005 by client"));
}

TEST(WebSocket, APauseIsNoticedAndHarmsNothing) {
  SocketServer server([](WebSocket& socket) -> asio::awaitable<void> {
    for (;;) {
      auto message = co_await socket.ReadUntil(std::chrono::steady_clock::now() + milliseconds(30));
      if (!message) co_return;
      (void)socket.Send(*message ? (*message)->data : "pause");
    }
  });
  WebSocketClient client(server.port());
  EXPECT_EQ(client.ReadText(), "pause");
  EXPECT_EQ(client.ReadText(), "pause");
  const std::string frame = ClientText("in two pieces");
  client.Send(frame.substr(0, 7));
  EXPECT_EQ(client.ReadText(), "pause");
  client.Send(frame.substr(7));
  std::string said = client.ReadText();
  while (said == "pause") said = client.ReadText();
  EXPECT_EQ(said, "in two pieces");
}

TEST(WebSocket, MessagesThatHaveComeCanBeTakenWithoutWaiting) {
  SocketServer server([](WebSocket& socket) -> asio::awaitable<void> {
    auto last = co_await socket.Read();
    // What came with the first is there at once.
    const auto second = socket.TryRead();
    EXPECT_TRUE(second && *second && (*second)->data == "1");
    int taken = 2;
    while (taken < 51) {
      auto more = socket.TryRead();
      if (!more) co_return;
      if (*more) {
        last = **std::move(more);
        ++taken;
      } else {
        co_await SleepFor(milliseconds(1));
      }
    }
    EXPECT_FALSE(*socket.TryRead());
    (void)socket.Send("last: " + last->data);
  });
  WebSocketClient client(server.port());
  client.Send(ClientText("0") + ClientText("1"));
  for (int i = 2; i <= 50; ++i) client.Send(ClientText(std::to_string(i)));
  EXPECT_EQ(client.ReadText(), "last: 50");
}

asio::awaitable<void> SendNumbers(WebSocket& socket, std::shared_ptr<std::atomic<bool>> done) {
  for (int i = 0; i < 3; ++i) {
    co_await SleepFor(milliseconds(1));
    (void)socket.Send(std::to_string(i));
  }
  done->store(true);
}

TEST(WebSocket, OneCoroutineSendsWhileAnotherReads) {
  SocketServer server([](WebSocket& socket) -> asio::awaitable<void> {
    auto done = std::make_shared<std::atomic<bool>>(false);
    asio::co_spawn(co_await asio::this_coro::executor, SendNumbers(socket, done), asio::detached);
    const auto message = co_await socket.Read();
    EXPECT_TRUE(message && message->data == "end");
    EXPECT_TRUE(done->load());
  });
  WebSocketClient client(server.port());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.ReadText(), std::to_string(i));
  client.Send(ClientText("end"));
  EXPECT_EQ(client.ReadClose(), 1000);
}

// Sends 64 KiB messages to a client that does not read until the send fails or `count` are out.
Life Flood(int count, std::uint64_t revision_of, std::promise<base::Status>& end) {
  return [=, &end](WebSocket& socket) -> asio::awaitable<void> {
    (void)co_await socket.Read();
    base::Status sent;
    for (int i = 0; i < count && sent; ++i) {
      sent = socket.Send(std::to_string(i) + ":" + std::string(64 * 1024, 'x'), {.revision_of = revision_of});
      EXPECT_LE(socket.queued_bytes(), std::size_t{1} << 20);
    }
    if (sent) sent = socket.Send("last");
    end.set_value(sent);
    (void)co_await socket.Read();
  };
}

TEST(WebSocket, AClientThatDoesNotReadIsClosedAtTheBound) {
  std::promise<base::Status> end;
  WebSocketOptions options;
  options.close_timeout = milliseconds(200);
  SocketServer server(Flood(1000, 0, end), options);
  WebSocketClient client(server.port());
  client.Send(ClientText("go"));
  const base::Status sent = end.get_future().get();
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().reason, "slow_consumer");
  // It is cut, though it never reads.
  EXPECT_TRUE(server.events.Await("closed 1013 by server"));
  EXPECT_EQ(server.events.Seen("slow 2"), 1u);
}

TEST(WebSocket, ASlowClientThatWakesUpSeesTheCode) {
  std::promise<base::Status> end;
  SocketServer server(Flood(1000, 0, end));
  WebSocketClient client(server.port());
  client.Send(ClientText("go"));
  ASSERT_FALSE(end.get_future().get());
  ServerFrame frame = client.ReadFrame();
  int messages = 0;
  for (; frame.first == 0x81; frame = client.ReadFrame()) {
    EXPECT_THAT(frame.payload, StartsWith(std::to_string(messages++) + ":"));
  }
  EXPECT_EQ(frame.close_code(), 1013);
  EXPECT_GT(messages, 0);
}

TEST(WebSocket, RevisionsGiveWayAndTheLastArrives) {
  std::promise<base::Status> end;
  SocketServer server(Flood(1000, 7, end));
  WebSocketClient client(server.port());
  client.Send(ClientText("go"));
  ASSERT_TRUE(end.get_future().get());
  std::vector<int> numbers;
  for (std::string text = client.ReadText(); text != "last" && !text.empty(); text = client.ReadText()) {
    numbers.push_back(std::stoi(text));
  }
  ASSERT_FALSE(numbers.empty());
  EXPECT_LT(numbers.size(), 1000u);
  EXPECT_TRUE(std::ranges::is_sorted(numbers));
  EXPECT_EQ(numbers.back(), 999);
  EXPECT_EQ(server.events.Seen("slow 0"), 1000 - numbers.size());
}

TEST(WebSocket, SendAwaitKeepsTheClientsPace) {
  SocketServer server([](WebSocket& socket) -> asio::awaitable<void> {
    (void)co_await socket.Read();
    for (int i = 0; i < 200; ++i) {
      const std::string text = std::to_string(i) + ":" + std::string(64 * 1024, 'x');
      EXPECT_TRUE(co_await socket.SendAwait(text));
      EXPECT_LE(socket.queued_bytes(), std::size_t{1} << 20);
    }
  });
  WebSocketClient client(server.port());
  client.Send(ClientText("go"));
  for (int i = 0; i < 200; ++i) EXPECT_THAT(client.ReadText(), StartsWith(std::to_string(i) + ":"));
  EXPECT_EQ(client.ReadClose(), 1000);
}

TEST(WebSocket, OneMoreThanTheLimitIsRefusedAndAPlaceBecomesFree) {
  WebSocketOptions options;
  options.connections_max = 2;
  SocketServer server(EchoAll, options);
  {
    WebSocketClient first(server.port());
    WebSocketClient second(server.port());
    RawClient third(server.port());
    third.Send(UpgradeRequest());
    const std::string answer = third.ReadResponse();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 Service Unavailable\r\n"));
    EXPECT_THAT(answer, HasSubstr("too_many_websockets: the server already has 2 WebSockets"));
    EXPECT_EQ(server.events.Seen("refused too_many_websockets"), 1u);
    // A refusal does not cost the connection.
    third.Send("GET /plain HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(third.ReadResponse(), HasSubstr("\r\n\r\nplain"));
    second.Send(ClientClose(1000));
    EXPECT_EQ(second.ReadClose(), 1000);
    EXPECT_TRUE(second.AtEnd());
    third.Send(UpgradeRequest());
    EXPECT_THAT(third.ReadUntil("\r\n\r\n"), StartsWith("HTTP/1.1 101 "));
  }
}

TEST(WebSocket, SilentClientsArePingedAndDeadOnesClosed) {
  std::promise<base::Error> end;
  WebSocketOptions options;
  options.ping_interval = milliseconds(50);
  options.idle_timeout = milliseconds(1000);
  SocketServer server(EchoInto(end), options);
  WebSocketClient client(server.port());
  for (int i = 0; i < 30; ++i) {
    ASSERT_EQ(client.ReadFrame().first, 0x89) << "an answered ping keeps it open";
    client.Send(ClientFrame(0xa, ""));
  }
  ServerFrame frame = client.ReadFrame();
  while (frame.first == 0x89) frame = client.ReadFrame();
  EXPECT_EQ(frame.close_code(), 1001);
  EXPECT_EQ(end.get_future().get().reason, "websocket_idle");
  EXPECT_GT(server.events.Seen("ping missed"), 0u);
}

TEST(WebSocket, PingsAreAnsweredUpToABound) {
  std::promise<base::Error> end;
  SocketServer server(EchoInto(end));
  WebSocketClient client(server.port());
  std::string pings;
  for (std::size_t i = 0; i < WebSocketOptions().control_frames_max; ++i) pings += ClientFrame(0x9, "");
  client.Send(pings + ClientText("still here"));
  ServerFrame frame = client.ReadFrame();
  while (frame.first == 0x8a) frame = client.ReadFrame();
  EXPECT_EQ(frame.payload, "still here");
  client.Send(ClientFrame(0x9, ""));
  EXPECT_EQ(client.ReadClose(), 1008);
  EXPECT_EQ(end.get_future().get().reason, "control_flood");
}

TEST(WebSocket, AMessageMustNotTakeForever) {
  std::promise<base::Error> end;
  WebSocketOptions options;
  options.message_timeout = milliseconds(150);
  SocketServer server(EchoInto(end), options);
  WebSocketClient client(server.port());
  client.Send(ClientText("whole") + ClientFrame(0x1, "a part", {.fin = false}));
  EXPECT_EQ(client.ReadText(), "whole");
  EXPECT_EQ(client.ReadClose(), 1008);
  EXPECT_EQ(end.get_future().get().reason, "message_timeout");
}

TEST(WebSocket, DrainingLetsTheHandlerFinishAndSaysGoodbye) {
  SocketServer server([](WebSocket& socket) -> asio::awaitable<void> {
    (void)co_await socket.Read();
    const auto message = co_await socket.Read();
    EXPECT_TRUE(!message && message.error().reason == "draining");
    EXPECT_TRUE(socket.draining());
    co_await SleepFor(milliseconds(20));
    EXPECT_TRUE(socket.Send("the last answer"));
  });
  WebSocketClient client(server.port());
  client.Send(ClientText("go") + ClientFrame(0x9, ""));
  EXPECT_EQ(client.ReadFrame().first, 0x8a) << "it reads again";
  server.server.server.BeginDrain();
  EXPECT_EQ(client.ReadText(), "the last answer");
  EXPECT_EQ(client.ReadClose(), 1001);
  client.Send(ClientClose(1001));
  EXPECT_TRUE(client.AtEnd());
  const DrainReport report = server.server.server.Drain(seconds(20));
  EXPECT_EQ(report.connections_cut, 0u);
}

asio::awaitable<void> UntilCancelled(WebSocket& socket) {
  const base::CancelToken token = socket.token();
  (void)socket.Send("here");
  while (!token.cancelled()) co_await SleepFor(milliseconds(1));
}

TEST(WebSocket, AHandlerThatDoesNotEndIsCutAfterTheDrainsTime) {
  SocketServer server(UntilCancelled);
  WebSocketClient client(server.port());
  EXPECT_EQ(client.ReadText(), "here");
  const DrainReport report = server.server.server.Drain(milliseconds(50));
  EXPECT_EQ(report.connections_cut, 1u);
  EXPECT_EQ(client.ReadClose(), 1001) << "even then it is told";
}

TEST(WebSocket, ADrainingServerTakesNoNewSocket) {
  std::promise<void> draining;
  auto begun = draining.get_future();
  std::promise<void> arrived;
  LambdaHandler::Function handler = [&](HttpExchange& exchange) -> asio::awaitable<void> {
    arrived.set_value();
    while (begun.wait_for(seconds(0)) != std::future_status::ready) co_await SleepFor(milliseconds(1));
    const auto socket = co_await exchange.AcceptWebSocket({.options = std::make_shared<const WebSocketOptions>()});
    exchange.Respond(socket ? 500 : HttpStatusOf(socket.error()), {}, socket ? "" : socket.error().reason);
  };
  TestServer server(handler);
  RawClient client(server.port);
  client.Send(UpgradeRequest());
  arrived.get_future().get();
  server.server.BeginDrain();
  draining.set_value();
  const std::string answer = client.ReadResponse();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(answer, HasSubstr("\r\n\r\ndraining"));
}

TEST(WebSocket, TheTokenOfTheExchangeIsThatOfTheSocket) {
  std::promise<bool> early;
  std::promise<bool> late;
  LambdaHandler::Function handler = [&](HttpExchange& exchange) -> asio::awaitable<void> {
    const base::CancelToken before = exchange.WatchDisconnect();
    co_await SleepFor(milliseconds(5));  // The watch waits on the socket by now.
    const auto socket = co_await exchange.AcceptWebSocket({.options = std::make_shared<const WebSocketOptions>()});
    const base::CancelToken after = exchange.WatchDisconnect();
    const auto message = co_await (*socket)->Read();
    EXPECT_EQ(message->data, "hello");
    EXPECT_FALSE(before.cancelled());
    (void)co_await (*socket)->Read();
    early.set_value(before.cancelled());
    late.set_value(after.cancelled());
  };
  TestServer server(handler);
  WebSocketClient client(server.port);
  client.Send(ClientText("hello"));
  client.Send(ClientClose(1000));
  EXPECT_TRUE(early.get_future().get());
  EXPECT_TRUE(late.get_future().get());
}

TEST(WebSocket, LongMessagesAreCompressedForThoseWhoAsked) {
  WebSocketOptions options;
  options.compress_bytes_min = 100;
  SocketServer server(EchoAll, options);
  WebSocketClient client(server.port(), "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n");
  EXPECT_THAT(client.head(), HasSubstr("\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
                                       "client_no_context_takeover; server_max_window_bits=10\r\n"));
  client.Send(ClientText(std::string(99, 'a')) + ClientText(std::string(5000, 'a')));
  EXPECT_EQ(client.ReadText(), std::string(99, 'a'));
  const ServerFrame frame = client.ReadFrame();
  EXPECT_EQ(frame.first, 0xc1);
  EXPECT_LT(frame.payload.size(), 100u);
  WebSocketInflater inflater;
  std::string text;
  EXPECT_EQ(inflater.Inflate(frame.payload, 5000, text), WebSocketInflater::Outcome::kDone);
  EXPECT_EQ(text, std::string(5000, 'a'));
  EXPECT_EQ(server.events.Seen("opened compressed"), 1u);
}

TEST(WebSocket, OverHttp2ThereIsNone) {
  if (!HasProgram("curl")) GTEST_SKIP() << "curl is not installed";
  SocketServer server(EchoAll);
  const auto result =
      RunCommand("curl -sS --max-time 20 --http2-prior-knowledge -w ' %{http_code}' " + server.server.Url("/"));
  EXPECT_THAT(result.output, HasSubstr("websocket_http_version: a WebSocket starts as an HTTP/1.1 request"));
  EXPECT_THAT(result.output, testing::EndsWith(" 400"));
}

}  // namespace
}  // namespace loquat::net
