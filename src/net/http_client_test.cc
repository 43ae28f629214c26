// The client against our own server and against scripted peers.

#include "net/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <future>
#include <string>

#include "net/test_client.h"
#include "net/test_server.h"
#include "net/tls.h"

namespace loquat::net {
namespace {

using testing::HasSubstr;

// Runs a coroutine on a loop and waits for its value.
template <typename T>
T RunOn(EventLoop& loop, asio::awaitable<T> coroutine) {
  return asio::co_spawn(loop.context(), std::move(coroutine), asio::use_future).get();
}

class ClientLoop {
 public:
  ClientLoop() { loops.Start(); }
  ~ClientLoop() {
    loops.Stop();
    loops.Join();
  }
  EventLoops loops{{.threads = 1, .tick = std::chrono::milliseconds(5)}};
  EventLoop& loop = loops.at(0);
};

asio::awaitable<base::Result<HttpFetched>> FetchWith(HttpClient* client, HttpFetch fetch) {
  co_return co_await client->Fetch(std::move(fetch));
}

TEST(HttpClient, FetchesAndReusesItsConnection) {
  std::atomic<int> connections{0};
  struct Observer final : NetObserver {
    explicit Observer(std::atomic<int>& the_count) : count(the_count) {}
    void OnConnectionOpened(bool) override { ++count; }
    std::atomic<int>& count;
  } observer(connections);
  TestServer server(Echo, {}, &observer);
  ClientLoop side;
  auto client = std::make_unique<HttpClient>(side.loop);
  for (int i = 0; i < 20; ++i) {
    const std::string body = "body " + std::to_string(i);
    const auto got =
        RunOn(side.loop, FetchWith(client.get(), {.method = "POST", .url = server.Url("/x"), .body = body}));
    ASSERT_TRUE(got.has_value()) << got.error().message;
    EXPECT_EQ(got->status, 200);
    EXPECT_EQ(got->body, body);
    EXPECT_EQ(got->Header("content-type"), "text/plain");
  }
  EXPECT_EQ(connections, 1);
  side.loops.Stop();
  side.loops.Join();
}

asio::awaitable<void> StreamLarge(HttpExchange& exchange) {
  exchange.BeginStream(200, {});
  const std::string chunk(10'000, 's');
  for (int i = 0; i < 100; ++i) {
    if (!co_await exchange.Write(chunk)) co_return;
  }
  (void)co_await exchange.Finish();
}

TEST(HttpClient, ReadsChunkedBodiesAndBoundsThem) {
  TestServer server(StreamLarge);
  ClientLoop side;
  HttpClient client(side.loop);
  const auto all = RunOn(side.loop, FetchWith(&client, {.url = server.Url("/")}));
  ASSERT_TRUE(all.has_value());
  EXPECT_EQ(all->body.size(), 1'000'000U);
  HttpClient bounded(side.loop, {.body_bytes_max = 999'999});
  const auto over = RunOn(side.loop, FetchWith(&bounded, {.url = server.Url("/")}));
  ASSERT_FALSE(over.has_value());
  EXPECT_EQ(over.error().code, base::Code::kResourceExhausted);
  side.loops.Stop();
  side.loops.Join();
}

// A peer that accepts one connection, reads a request, and sends fixed bytes.
class ScriptedPeer {
 public:
  explicit ScriptedPeer(std::string answer, bool hold_open = false) {
    fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    ::listen(fd_, 1);
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this, answer = std::move(answer), hold_open] {
      const int peer = ::accept(fd_, nullptr, nullptr);
      char room[4096];
      [[maybe_unused]] auto n = ::recv(peer, room, sizeof(room), 0);
      n = ::send(peer, answer.data(), answer.size(), MSG_NOSIGNAL);
      if (hold_open) n = ::recv(peer, room, sizeof(room), 0);
      ::close(peer);
    });
  }
  ~ScriptedPeer() {
    thread_.join();
    ::close(fd_);
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/"; }

 private:
  int fd_;
  std::uint16_t port_ = 0;
  std::jthread thread_;
};

base::Result<HttpFetched> FetchFrom(const std::string& answer, bool hold_open = false, HttpClientOptions options = {}) {
  ScriptedPeer peer(answer, hold_open);
  ClientLoop side;
  HttpClient client(side.loop, std::move(options));
  auto got = RunOn(side.loop, FetchWith(&client, {.url = peer.url()}));
  side.loops.Stop();
  side.loops.Join();
  return got;
}

TEST(HttpClient, UnderstandsEveryFraming) {
  EXPECT_EQ(FetchFrom("HTTP/1.1 200 OK\r\n\r\nuntil the end")->body, "until the end");
  EXPECT_EQ(FetchFrom("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 OK\r\nContent-Length: 2\r\n\r\nok")->status, 201);
  EXPECT_EQ(FetchFrom("HTTP/1.1 204 No Content\r\n\r\n")->body, "");
  EXPECT_EQ(FetchFrom("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")->body, "hi");
}

TEST(HttpClient, BrokenAnswersAreErrors) {
  EXPECT_FALSE(FetchFrom("").has_value());
  EXPECT_FALSE(FetchFrom("HTTP/1.1 200 OK\r\nContent-Le").has_value());
  EXPECT_EQ(FetchFrom("nonsense\r\n\r\n").error().code, base::Code::kDataLoss);
  EXPECT_EQ(FetchFrom("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort").error().code, base::Code::kDataLoss);
  EXPECT_EQ(FetchFrom("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz").error().code, base::Code::kDataLoss);
}

TEST(HttpClient, SilentServersTimeOut) {
  HttpClientOptions options;
  options.head_timeout = std::chrono::milliseconds(30);
  EXPECT_EQ(FetchFrom("HTTP/1.1 200", true, options).error().code, base::Code::kDeadlineExceeded);
  options.head_timeout = std::chrono::seconds(30);
  options.stall_timeout = std::chrono::milliseconds(30);
  EXPECT_EQ(FetchFrom("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", true, options).error().code,
            base::Code::kDeadlineExceeded);
}

TEST(HttpClient, IdleConnectionsOfManyOriginsHaveABound) {
  std::vector<std::unique_ptr<TestServer>> servers;
  for (int i = 0; i < 4; ++i) servers.push_back(std::make_unique<TestServer>(Echo));
  ClientLoop side;
  HttpClient client(side.loop, {.idle_connections_max = 2, .connections_max = 3});
  const auto connections = [&] {
    return RunOn(side.loop,
                 [](HttpClient* of) -> asio::awaitable<std::size_t> { co_return of->connections(); }(&client));
  };
  for (int turn = 0; turn < 2; ++turn) {
    for (const auto& server : servers) {
      EXPECT_TRUE(RunOn(side.loop, FetchWith(&client, {.url = server->Url("/")})).has_value());
      EXPECT_LE(connections(), 2U);
    }
  }
  EXPECT_EQ(connections(), 2U);
  side.loops.Stop();
  side.loops.Join();
}

TEST(HttpClient, IdleConnectionsMakeRoomForNewOnes) {
  TestServer one(Echo);
  TestServer two(Echo);
  ClientLoop side;
  HttpClient client(side.loop, {.connections_max = 1});
  EXPECT_TRUE(RunOn(side.loop, FetchWith(&client, {.url = one.Url("/")})).has_value());
  EXPECT_TRUE(RunOn(side.loop, FetchWith(&client, {.url = two.Url("/")})).has_value());
  side.loops.Stop();
  side.loops.Join();
}

TEST(HttpClient, ConnectsToTheGivenAddressAndKeepsTheNameOfTheHost) {
  std::string host;
  TestServer server([&host](HttpExchange& exchange) -> asio::awaitable<void> {
    host = exchange.request().authority;
    exchange.Respond(200, {}, "");
    co_return;
  });
  ClientLoop side;
  HttpClient client(side.loop);
  const std::string url = "http://callbacks.example:" + std::to_string(server.port) + "/";
  const HttpRoute pin = {.addresses = {{asio::ip::make_address("127.0.0.1"), server.port}}};
  const auto pinned = RunOn(side.loop, FetchWith(&client, {.url = url, .route = pin}));
  ASSERT_TRUE(pinned.has_value()) << pinned.error().message;
  EXPECT_EQ(host, "callbacks.example:" + std::to_string(server.port));
  // The connection that is kept serves the same pin alone: this one goes to nobody.
  const HttpRoute other = {.addresses = {{asio::ip::make_address("127.0.0.1"), 1}}};
  EXPECT_FALSE(RunOn(side.loop, FetchWith(&client, {.url = url, .route = other})).has_value());
  side.loops.Stop();
  side.loops.Join();
}

asio::awaitable<void> Drip(HttpExchange& exchange) {
  exchange.BeginStream(200, {});
  while (co_await exchange.Write("x")) co_await SleepFor(std::chrono::milliseconds(5));
}

TEST(HttpClient, AnAnswerThatDripsForEverEndsAtTheRoutesLimit) {
  TestServer server(Drip);
  ClientLoop side;
  HttpClient client(side.loop);
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
  const auto got = RunOn(side.loop, FetchWith(&client, {.url = server.Url("/"), .route = {.until = until}}));
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().code, base::Code::kDeadlineExceeded);
  side.loops.Stop();
  side.loops.Join();
}

TEST(HttpClient, RefusedConnectionsAndBadRequestsSayWhy) {
  ClientLoop side;
  HttpClient client(side.loop);
  const auto refused = RunOn(side.loop, FetchWith(&client, {.url = "http://127.0.0.1:1/"}));
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr("127.0.0.1 port 1"));
  const auto split = RunOn(side.loop, FetchWith(&client, {.url = "http://h/", .headers = {{"A", "b\r\nC: d"}}}));
  ASSERT_FALSE(split.has_value());
  EXPECT_EQ(split.error().code, base::Code::kInvalidArgument);
  const auto tls = RunOn(side.loop, FetchWith(&client, {.url = "https://127.0.0.1:1/"}));
  ASSERT_FALSE(tls.has_value());
  EXPECT_EQ(tls.error().code, base::Code::kFailedPrecondition);
  side.loops.Stop();
  side.loops.Join();
}

TEST(HttpClient, VerifiesTheServersCertificate) {
  TempFolder folder;
  const std::string certificate = folder.File("c.pem");
  const std::string key = folder.File("k.pem");
  ASSERT_EQ(
      RunCommand("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
                 " -addext subjectAltName=DNS:localhost -keyout " +
                 key + " -out " + certificate)
          .exit_code,
      0);
  TestServer server(Echo, {}, nullptr,
                    TlsContext::ForServer({.certificate_file = certificate, .key_file = key}).value());
  const std::string url = "https://localhost:" + std::to_string(server.port) + "/";
  ClientLoop side;
  HttpClient trusting(side.loop, {.tls = TlsContext::ForClient({.ca_file = certificate}).value()});
  const auto good = RunOn(side.loop, FetchWith(&trusting, {.url = url}));
  ASSERT_TRUE(good.has_value()) << good.error().message;
  EXPECT_EQ(good->body, "hello");
  HttpClient strict(side.loop, {.tls = TlsContext::ForClient({}).value()});
  EXPECT_FALSE(RunOn(side.loop, FetchWith(&strict, {.url = url})).has_value()) << "not signed by anyone we know";
  const std::string by_address = "https://127.0.0.1:" + std::to_string(server.port) + "/";
  EXPECT_FALSE(RunOn(side.loop, FetchWith(&trusting, {.url = by_address})).has_value()) << "not the name it is for";
  side.loops.Stop();
  side.loops.Join();
}

asio::awaitable<std::uint64_t> LeanTrips(EventLoop* loop, std::string url, int count) {
  auto connection = co_await HttpClientConnection::Connect(*loop, ParseHttpUrl(url).value(), {});
  if (!connection) co_return 0;
  const std::string request = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc";
  std::uint64_t bytes = 0;
  for (int i = 0; i < count; ++i) {
    const auto reply = co_await (*connection)->RoundTrip(request);
    if (!reply || reply->status != 200) co_return 0;
    bytes += reply->body_bytes;
  }
  co_return bytes;
}

TEST(HttpClient, LeanRoundTripsCountBodies) {
  TestServer server(Echo);
  ClientLoop side;
  EXPECT_EQ(RunOn(side.loop, LeanTrips(&side.loop, server.Url("/"), 1000)), 3000U);
}

}  // namespace
}  // namespace loquat::net
