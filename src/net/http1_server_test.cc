// The HTTP/1.1 server over loopback sockets, byte by byte.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include "net/test_client.h"
#include "net/test_server.h"

namespace loquat::net {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

std::string Post(const std::string& body, const std::string& headers = "") {
  return "POST / HTTP/1.1\r\nHost: h\r\n" + headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

asio::awaitable<void> Describe(HttpExchange& exchange) {
  const HttpRequest& r = exchange.request();
  std::string text = std::string(r.method) + " " + std::string(r.path) + " ?" + std::string(r.query) + " @" +
                     std::string(r.authority) + " [" + std::string(r.Header("x-a")) + "] " + std::string(r.body);
  exchange.Respond(200, {}, text);
  co_return;
}

TEST(Http1Server, AnswersAndKeepsTheConnection) {
  TestServer server(Describe);
  RawClient client(server.port);
  client.Send("PUT /p/q?x=1 HTTP/1.1\r\nHost: host:1\r\nX-A: b c\r\nContent-Length: 4\r\n\r\nbody");
  const std::string first = client.ReadResponse();
  EXPECT_THAT(first, StartsWith("HTTP/1.1 200 OK\r\nDate: "));
  EXPECT_THAT(first, EndsWith("\r\n\r\nPUT /p/q ?x=1 @host:1 [b c] body"));
  client.Send(kGet);
  EXPECT_THAT(client.ReadResponse(), EndsWith("GET / ? @h [] "));
}

TEST(Http1Server, AnswersPipelinedRequestsInOrder) {
  TestServer server(Echo);
  RawClient client(server.port);
  std::string batch;
  for (int i = 0; i < 500; ++i) batch += Post("request " + std::to_string(i));
  ASSERT_TRUE(client.Send(batch));
  for (int i = 0; i < 500; ++i) {
    ASSERT_THAT(client.ReadResponse(), EndsWith("\r\n\r\nrequest " + std::to_string(i)));
  }
}

TEST(Http1Server, TakesARequestByteByByte) {
  TestServer server(Echo);
  RawClient client(server.port);
  const std::string text =
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
  for (const char c : text) ASSERT_TRUE(client.Send({&c, 1}));
  EXPECT_THAT(client.ReadResponse(), EndsWith("abcde"));
}

TEST(Http1Server, ChunkedBodiesOfManySizesArriveWhole) {
  TestServer server(Echo);
  RawClient client(server.port);
  for (const std::size_t size : {1UL, 2047UL, 2048UL, 5000UL, 70'000UL, 1'000'000UL}) {
    std::string body;
    for (std::size_t i = 0; i < size; ++i) body += static_cast<char>('a' + i % 23);
    std::string wire = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (std::size_t at = 0; at < size; at += 777) {
      const std::string piece = body.substr(at, 777);
      char line[16];
      std::snprintf(line, sizeof(line), "%zx\r\n", piece.size());
      wire += line + piece + "\r\n";
    }
    // The next request rides along and must survive the decoding in place.
    ASSERT_TRUE(client.Send(wire + "0\r\n\r\n" + Post("next")));
    const std::string answer = client.ReadResponse();
    EXPECT_EQ(answer.substr(answer.find("\r\n\r\n") + 4), body) << size;
    EXPECT_THAT(client.ReadResponse(), EndsWith("next"));
  }
}

TEST(Http1Server, HeadHasHeadersOnly) {
  TestServer server(Echo);
  RawClient client(server.port);
  client.Send("HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  const std::string answer = client.ReadToEnd();
  EXPECT_THAT(answer, HasSubstr("Content-Length: 5\r\n"));
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
}

TEST(Http1Server, OldClientsGetOldManners) {
  TestServer server(Echo);
  RawClient once(server.port);
  once.Send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_THAT(once.ReadToEnd(), AllOf(HasSubstr("Connection: close\r\n"), EndsWith("hello")));
  RawClient kept(server.port);
  kept.Send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_THAT(kept.ReadResponse(), HasSubstr("Connection: keep-alive\r\n"));
  kept.Send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_THAT(kept.ReadToEnd(), EndsWith("hello"));
}

TEST(Http1Server, ContinueIsSentOnlyWhenTheBodyIsWelcome) {
  TestServer server(Echo, {.body_bytes_max = 10});
  RawClient client(server.port);
  client.Send("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.ReadUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("ok");
  EXPECT_THAT(client.ReadResponse(), EndsWith("ok"));
  client.Send("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n");
  EXPECT_THAT(client.ReadToEnd(), StartsWith("HTTP/1.1 413 "));
}

TEST(Http1Server, BodyLimitIsExactAndRefusesEarly) {
  TestServer server(Echo, {.body_bytes_max = 100});
  RawClient fits(server.port);
  fits.Send(Post(std::string(100, 'x')));
  EXPECT_THAT(fits.ReadResponse(), StartsWith("HTTP/1.1 200 "));
  RawClient declared(server.port);
  declared.Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n");
  const std::string answer = declared.ReadToEnd();
  EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 413 "), HasSubstr("Connection: close"), HasSubstr("body_too_large")));
  RawClient chunked(server.port);
  chunked.Send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n");
  EXPECT_THAT(chunked.ReadToEnd(), StartsWith("HTTP/1.1 413 "));
}

TEST(Http1Server, ARefusedUploaderStillReadsTheRefusal) {
  TestServer server(Echo, {.body_bytes_max = 100});
  RawClient client(server.port);
  // Far more than the socket buffers hold: a server that closes at once would reset the connection under the answer.
  ASSERT_TRUE(client.Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4000000\r\n\r\n"));
  ASSERT_TRUE(client.Send(std::string(4'000'000, 'x')));
  EXPECT_THAT(client.ReadToEnd(), StartsWith("HTTP/1.1 413 "));
}

TEST(Http1Server, MalformedRequestsAreRefusedAndClosed) {
  TestServer server(Echo);
  const std::pair<std::string, std::string> cases[] = {
      {"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400"},
      {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400"},
      {std::string("\x16\x03\x01\x00\xff\x00", 6), "400"},
      {"GET / HTTP/9.9\r\nHost: h\r\n\r\n", "505"},
      {"GET / HTTP/1.1\r\n\r\n", "400"},
      {"GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n", "414"},
      {"GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(20'000, 'a') + "\r\n\r\n", "431"},
      {"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "505"},
  };
  for (const auto& [wire, status] : cases) {
    RawClient client(server.port);
    client.Send(wire);
    const std::string answer = client.ReadToEnd();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 " + status + " ")) << wire.substr(0, 60);
    EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  }
  RawClient after(server.port);
  after.Send(kGet);
  EXPECT_THAT(after.ReadResponse(), EndsWith("hello")) << "the server serves on";
}

TEST(Http1Server, ABadRequestBehindGoodOnesIsAnsweredInTurn) {
  TestServer server(Echo);
  RawClient client(server.port);
  client.Send(Post("one") + Post("two") + "bad\r\n\r\n");
  EXPECT_THAT(client.ReadResponse(), EndsWith("one"));
  EXPECT_THAT(client.ReadResponse(), EndsWith("two"));
  EXPECT_THAT(client.ReadToEnd(), StartsWith("HTTP/1.1 400 "));
}

TEST(Http1Server, SlowLorisGets408) {
  HttpServerOptions options;
  options.timeouts.head = milliseconds(50);
  TestServer server(Echo, options);
  RawClient client(server.port);
  client.Send("GET / HTTP/1.1\r\nHost: h\r\nX-Slow:");
  EXPECT_THAT(client.ReadToEnd(), AllOf(StartsWith("HTTP/1.1 408 "), HasSubstr("request_timeout")));
}

TEST(Http1Server, SlowBodyGets408) {
  HttpServerOptions options;
  options.timeouts.body_grace = milliseconds(50);
  options.timeouts.body_bytes_per_second_min = 1'000'000;
  TestServer server(Echo, options);
  RawClient client(server.port);
  client.Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc");
  EXPECT_THAT(client.ReadToEnd(), StartsWith("HTTP/1.1 408 "));
}

TEST(Http1Server, IdleConnectionsCloseInSilence) {
  HttpServerOptions options;
  options.timeouts.idle = milliseconds(50);
  TestServer server(Echo, options);
  RawClient fresh(server.port);
  EXPECT_EQ(fresh.ReadToEnd(), "");
  RawClient used(server.port);
  used.Send(kGet);
  EXPECT_THAT(used.ReadResponse(), EndsWith("hello"));
  EXPECT_EQ(used.ReadToEnd(), "");
}

TEST(Http1Server, HalfClosedClientGetsItsAnswer) {
  TestServer server(Echo);
  RawClient client(server.port);
  client.Send(kGet);
  client.ShutdownWrite();
  EXPECT_THAT(client.ReadToEnd(), EndsWith("hello"));
  RawClient cut(server.port);
  cut.Send("GET / HTTP/1.1\r\nHos");
  cut.ShutdownWrite();
  EXPECT_EQ(cut.ReadToEnd(), "");
  RawClient cut_body(server.port);
  cut_body.Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc");
  cut_body.ShutdownWrite();
  EXPECT_EQ(cut_body.ReadToEnd(), "");
}

TEST(Http1Server, RequestsPerConnectionAreBounded) {
  TestServer server(Echo, {.requests_per_connection_max = 2});
  RawClient client(server.port);
  client.Send(std::string(kGet) + std::string(kGet) + std::string(kGet));
  EXPECT_THAT(client.ReadResponse(), Not(HasSubstr("Connection: close")));
  EXPECT_THAT(client.ReadResponse(), HasSubstr("Connection: close"));
  EXPECT_EQ(client.ReadToEnd(), "");
}

TEST(Http1Server, HandlersThatForgetOrThrowGiveA500) {
  TestServer forgets([](HttpExchange&) -> asio::awaitable<void> { co_return; });
  RawClient client(forgets.port);
  client.Send(kGet);
  EXPECT_THAT(client.ReadToEnd(), StartsWith("HTTP/1.1 500 "));
  TestServer throws([](HttpExchange&) -> asio::awaitable<void> {
    throw std::runtime_error("on purpose");
    co_return;
  });
  RawClient other(throws.port);
  other.Send(kGet);
  EXPECT_THAT(other.ReadToEnd(), StartsWith("HTTP/1.1 500 "));
}

TEST(Http1Server, HeaderValuesCannotSplitTheResponse) {
  TestServer server([](HttpExchange& exchange) -> asio::awaitable<void> {
    const HttpHeader headers[] = {{"X-Id", "a\r\nSet-Cookie: evil=1"}, {"Bad Name", "x"}};
    exchange.Respond(200, headers, "ok");
    co_return;
  });
  RawClient client(server.port);
  client.Send(kGet);
  const std::string answer = client.ReadResponse();
  EXPECT_THAT(answer, HasSubstr("X-Id: a  Set-Cookie: evil=1\r\n"));
  EXPECT_THAT(answer, Not(HasSubstr("Bad Name")));
}

TEST(Http1Server, LargeAnswersArriveWholeAtASlowReader) {
  const std::string large(8'000'000, 'z');
  TestServer server([&large](HttpExchange& exchange) {
    exchange.RespondOwned(200, {}, large);
    return SleepFor(milliseconds(0));
  });
  RawClient client(server.port);
  client.Send(kGet);
  const std::string answer = client.ReadResponse();
  EXPECT_EQ(answer.size() - answer.find("\r\n\r\n") - 4, large.size());
}

asio::awaitable<void> StreamThree(HttpExchange& exchange) {
  exchange.BeginStream(200, {});
  for (const std::string_view piece : {"one", "", "two", "three"}) {
    if (!co_await exchange.Write(piece)) co_return;
  }
  (void)co_await exchange.Finish();
}

TEST(Http1Server, StreamsAreChunked) {
  TestServer server(StreamThree);
  RawClient client(server.port);
  client.Send(kGet);
  EXPECT_THAT(client.ReadUntil("0\r\n\r\n"),
              AllOf(HasSubstr("Transfer-Encoding: chunked\r\n"),
                    EndsWith("\r\n\r\n3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n")));
  client.Send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_THAT(client.ReadToEnd(), AllOf(Not(HasSubstr("chunked")), EndsWith("\r\n\r\nonetwothree")));
}

TEST(Http1Server, AStreamLeftUnfinishedIsVisiblyCut) {
  TestServer server([](HttpExchange& exchange) -> asio::awaitable<void> {
    exchange.BeginStream(200, {});
    (void)co_await exchange.Write("partial");
  });
  RawClient client(server.port);
  client.Send(kGet);
  EXPECT_THAT(client.ReadToEnd(), EndsWith("7\r\npartial\r\n"));
}

}  // namespace
}  // namespace loquat::net
