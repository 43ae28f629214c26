// HTTP/2 with real clients (curl, h2load, nghttp) and with frames made by hand.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>

#include "net/http1_connection.h"
#include "net/test_client.h"
#include "net/test_server.h"

namespace loquat::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

class ErrorWords final : public NetObserver {
 public:
  void OnProtocolError(std::string_view reason) override {
    base::MutexLock lock(mutex_);
    words_ += std::string(reason) + ";";
  }
  std::string words() {
    base::MutexLock lock(mutex_);
    return words_;
  }

 private:
  base::Mutex mutex_;
  std::string words_ LOQUAT_GUARDED_BY(mutex_);
};

// A frame (RFC 9113 section 4.1).
std::string Frame(int type, int flags, std::uint32_t stream, const std::string& payload) {
  std::string out;
  const auto byte = [&out](std::size_t value) { out += static_cast<char>(value & 0xff); };
  byte(payload.size() >> 16);
  byte(payload.size() >> 8);
  byte(payload.size());
  byte(static_cast<std::size_t>(type));
  byte(static_cast<std::size_t>(flags));
  for (int shift = 24; shift >= 0; shift -= 8) byte(stream >> shift);
  return out + payload;
}

constexpr int kData = 0, kHeaders = 1, kRst = 3, kSettings = 4, kPing = 6, kContinuation = 9;
constexpr int kEndStream = 1, kEndHeaders = 4;

// `:method GET, :scheme http, :path /, :authority h` in HPACK (RFC 7541), the last one literal without indexing.
const std::string kGetBlock = std::string("\x82\x86\x84\x01\x01h", 6);
const std::string kPostBlock = std::string("\x83\x86\x84\x01\x01h", 6);
const std::string kHello = std::string(kHttp2Preface) + Frame(kSettings, 0, 0, "");

std::string Curl(const TestServer& server, const std::string& options, const std::string& path = "/") {
  return RunCommand("curl -s --max-time 20 --http2-prior-knowledge " + options + " '" + server.Url(path) + "'").output;
}

TEST(Http2, CurlSpeaksItWithPriorKnowledge) {
  TestServer server([](HttpExchange& exchange) -> asio::awaitable<void> {
    const HttpRequest& r = exchange.request();
    const HttpHeader headers[] = {{"X-Upper", "v"}, {"Connection", "close"}};
    exchange.Respond(201, headers,
                     std::string(r.method) + "|" + std::string(r.path) + "|" + std::string(r.query) + "|" +
                         std::string(r.Header("x-a")) + "|" + std::string(r.authority) + "|" + std::string(r.body) +
                         (r.version == HttpVersion::kHttp2 ? "|2" : "|1"));
    co_return;
  });
  const std::string out = Curl(server, "-i -X PUT -H 'X-A: b' -d body", "/p?q=1");
  EXPECT_THAT(out, AllOf(StartsWith("HTTP/2 201"), HasSubstr("x-upper: v\r\n"), HasSubstr("date: "),
                         EndsWith("PUT|/p|q=1|b|127.0.0.1:" + std::to_string(server.port) + "|body|2")));
}

TEST(Http2, OneListenerServesBothVersions) {
  TestServer server(Echo);
  EXPECT_EQ(Curl(server, ""), "hello");
  EXPECT_EQ(RunCommand("curl -s --http1.1 " + server.Url("/")).output, "hello");
}

TEST(Http2, LargeBodiesFlowBothWays) {
  TempFolder folder;
  std::string body;
  for (int i = 0; i < 900'000; ++i) body += static_cast<char>('a' + i % 26);
  const std::string file = folder.Write("body", body);
  TestServer server(Echo);
  EXPECT_EQ(Curl(server, "--data-binary @" + file), body);
}

TEST(Http2, HeadAndBodilessStatusesHaveNoBody) {
  TestServer server([](HttpExchange& exchange) -> asio::awaitable<void> {
    exchange.Respond(exchange.request().path == "/204" ? 204 : 200, {}, "hello");
    co_return;
  });
  EXPECT_THAT(Curl(server, "-I"), AllOf(HasSubstr("content-length: 5"), EndsWith("\r\n\r\n")));
  EXPECT_THAT(Curl(server, "-i", "/204"), AllOf(StartsWith("HTTP/2 204"), EndsWith("\r\n\r\n")));
}

TEST(Http2, BodyLimitAnswers413) {
  TempFolder folder;
  TestServer server(Echo, {.body_bytes_max = 1000});
  const std::string over = folder.Write("over", std::string(1001, 'x'));
  const std::string exact = folder.Write("exact", std::string(1000, 'x'));
  EXPECT_THAT(Curl(server, "-i --data-binary @" + over), StartsWith("HTTP/2 413"));
  EXPECT_THAT(Curl(server, "-i --data-binary @" + exact), StartsWith("HTTP/2 200"));
  // Without a declared length the bytes themselves are counted.
  EXPECT_THAT(Curl(server, "-i -H content-length: -T - < " + over), StartsWith("HTTP/2 413"));
}

TEST(Http2, HeaderAndTargetLimitsAnswer431And414) {
  TestServer server(Echo);
  const std::string big(5000, 'v');
  EXPECT_THAT(Curl(server, "-i -H 'a: " + big + "' -H 'b: " + big + "' -H 'c: " + big + "' -H 'd: " + big + "'"),
              StartsWith("HTTP/2 431"));
  EXPECT_THAT(Curl(server, "-i", "/" + std::string(8192, 'p')), StartsWith("HTTP/2 414"));
  EXPECT_THAT(Curl(server, "-i", "/" + std::string(8191, 'p')), StartsWith("HTTP/2 200"));
}

TEST(Http2, StreamsWithBackpressure) {
  std::atomic<std::size_t> written{0};
  TestServer server([&written](HttpExchange& exchange) -> asio::awaitable<void> {
    std::atomic<std::size_t>& count = written;
    exchange.BeginStream(200, {});
    const std::string chunk(1000, 'c');
    for (int i = 0; i < 3000; ++i) {
      if (!co_await exchange.Write(chunk)) co_return;
      count += chunk.size();
    }
    (void)co_await exchange.Finish();
  });
  EXPECT_EQ(Curl(server, "").size(), 3'000'000U);
  written = 0;
  RawClient stuck(server.port);
  stuck.Send(kHello + Frame(kHeaders, kEndStream | kEndHeaders, 1, kGetBlock));
  EXPECT_FALSE(stuck.ReadUntil("cccc").empty());
  // It never opens its window of 65,535 bytes: the handler stops at that and its buffer.
  stuck.Send(Frame(kPing, 0, 0, "12345678"));
  EXPECT_THAT(stuck.ReadUntil("12345678"), HasSubstr("12345678"));
  EXPECT_LE(written, 65'535U + 64U * 1024U + 1000U);
}

TEST(Http2, ResetCancelsTheHandler) {
  std::atomic<bool> inside{false}, cancelled{false};
  TestServer server([&](HttpExchange& exchange) -> asio::awaitable<void> {
    auto& entered = inside;
    auto& seen = cancelled;
    const base::CancelToken token = exchange.WatchDisconnect();
    entered = true;
    while (!token.cancelled()) co_await SleepFor(milliseconds(1));
    seen = true;
  });
  RawClient client(server.port);
  client.Send(kHello + Frame(kHeaders, kEndStream | kEndHeaders, 1, kGetBlock));
  while (!inside) std::this_thread::yield();
  client.Send(Frame(kRst, 0, 1, std::string("\0\0\0\x08", 4)));
  while (!cancelled) std::this_thread::yield();
  // The connection goes on.
  client.Send(Frame(kPing, 0, 0, "stillhere"));
}

// CVE-2023-44487: requests opened and reset at once, as fast as they can be written.
TEST(Http2, RapidResetEndsTheConnection) {
  ErrorWords words;
  TestServer server(Echo, {}, &words);
  RawClient client(server.port);
  std::string flood = kHello;
  for (std::uint32_t i = 0; i < 2000; ++i) {
    flood += Frame(kHeaders, kEndHeaders, 2 * i + 1, kPostBlock);
    flood += Frame(kRst, 0, 2 * i + 1, std::string("\0\0\0\x08", 4));
  }
  client.Send(flood);
  const std::string answer = client.ReadToEnd();
  EXPECT_THAT(answer, HasSubstr(std::string("\x07\x00\x00\x00\x00\x00", 6))) << "a GOAWAY";
  EXPECT_THAT(words.words(), HasSubstr("http2_reset_flood"));
  EXPECT_EQ(Curl(server, ""), "hello");
}

TEST(Http2, PingAndSettingsFloodsEndTheConnection) {
  for (const auto& [frame, word] : {std::pair(Frame(kPing, 0, 0, "12345678"), "http2_ping_flood"),
                                    std::pair(Frame(kSettings, 0, 0, ""), "http2_settings_flood")}) {
    ErrorWords words;
    TestServer server(Echo, {}, &words);
    RawClient client(server.port);
    std::string flood = kHello;
    for (int i = 0; i < 400; ++i) flood += frame;
    client.Send(flood);
    client.ReadToEnd();
    EXPECT_THAT(words.words(), HasSubstr(word));
  }
}

// CVE-2024-28182: a header block that never ends.
TEST(Http2, EndlessContinuationEndsTheConnection) {
  TestServer server(Echo);
  RawClient client(server.port);
  client.Send(kHello + Frame(kHeaders, 0, 1, kGetBlock));
  std::string more;
  for (int i = 0; i < 1000; ++i)
    more += Frame(kContinuation, 0, 1,
                  std::string("\x00\x01"
                              "a\x01"
                              "b",
                              5));
  client.Send(more);
  client.ReadToEnd();
  EXPECT_EQ(Curl(server, ""), "hello");
}

TEST(Http2, GarbageAfterThePrefaceEndsTheConnection) {
  ErrorWords words;
  TestServer server(Echo, {}, &words);
  RawClient client(server.port);
  client.Send(std::string(kHttp2Preface) + std::string(200, '\xff'));
  client.ReadToEnd();
  EXPECT_EQ(Curl(server, ""), "hello");
}

TEST(Http2, SlowRequestsAndIdleConnectionsEnd) {
  ErrorWords words;
  HttpServerOptions options;
  options.timeouts.body_grace = milliseconds(100);
  options.timeouts.body_bytes_per_second_min = 1'000'000;
  options.timeouts.idle = milliseconds(100);
  TestServer server(Echo, options, &words);
  RawClient slow(server.port);
  slow.Send(kHello + Frame(kHeaders, kEndHeaders, 1, kPostBlock) + Frame(kData, 0, 1, "abc"));
  // 408 answered, then the stream is reset, then the connection is idle and closes.
  EXPECT_THAT(slow.ReadToEnd(), HasSubstr("request_timeout"));
  RawClient idle(server.port);
  idle.Send(kHello);
  EXPECT_THAT(idle.ReadToEnd(), HasSubstr(std::string("\x07\x00\x00\x00\x00\x00", 6)));
}

TEST(Http2, DrainSendsGoawayAndFinishesStreams) {
  std::atomic<bool> open{false}, inside{false};
  TestServer server([&](HttpExchange& exchange) -> asio::awaitable<void> {
    auto& go = open;
    auto& entered = inside;
    entered = true;
    while (!go) co_await SleepFor(milliseconds(1));
    exchange.Respond(200, {}, "finished");
  });
  RawClient client(server.port);
  client.Send(kHello + Frame(kHeaders, kEndStream | kEndHeaders, 1, kGetBlock));
  while (!inside) std::this_thread::yield();
  server.server.BeginDrain();
  const std::string before = client.ReadUntil(std::string("\x07\x00\x00\x00\x00\x00", 6));
  open = true;
  EXPECT_THAT(client.ReadToEnd(), HasSubstr("finished"));
  EXPECT_EQ(server.server.Drain(seconds(5)).connections_cut, 0U);
}

TEST(Http2, HandlersThatForgetOrStopMidwayAreSeen) {
  TestServer server([](HttpExchange& exchange) -> asio::awaitable<void> {
    if (exchange.request().path == "/cut") {
      exchange.BeginStream(200, {});
      (void)co_await exchange.Write("partial");
    }
  });
  EXPECT_THAT(Curl(server, "-i"), StartsWith("HTTP/2 500"));
  const auto cut = RunCommand("curl -s --http2-prior-knowledge " + server.Url("/cut"));
  EXPECT_EQ(cut.exit_code, 92) << "curl: a stream error, not a whole answer";
}

TEST(Http2, H2loadRunsManyStreams) {
  if (!HasProgram("h2load")) GTEST_SKIP() << "h2load is not installed";
  TestServer server(Echo, {}, nullptr, nullptr, 2);
  const auto result = RunCommand("h2load -n5000 -c20 -m50 " + server.Url("/"));
  EXPECT_THAT(result.output, HasSubstr("5000 succeeded, 0 failed, 0 errored"));
}

}  // namespace
}  // namespace loquat::net
