#include "net/sse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "net/test_client.h"
#include "net/test_server.h"

namespace loquat::net {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string Format(const SseEvent& event) {
  std::string out;
  AppendSseEvent(out, event);
  return out;
}

TEST(Sse, FormatsEachField) {
  EXPECT_EQ(Format({.data = "x"}), "data: x\n\n");
  EXPECT_EQ(Format({.data = "", .event = "ping"}), "event: ping\ndata: \n\n");
  EXPECT_EQ(Format({.data = "x", .event = "frame", .id = "7", .retry = std::chrono::milliseconds(1500)}),
            "event: frame\nid: 7\nretry: 1500\ndata: x\n\n");
}

TEST(Sse, EveryKindOfLineEndBecomesAField) {
  EXPECT_EQ(Format({.data = "a\nb\r\nc\rd"}), "data: a\ndata: b\ndata: c\ndata: d\n\n");
  EXPECT_EQ(Format({.data = "a\n"}), "data: a\ndata: \n\n");
}

TEST(Sse, CallersCannotForgeFields) {
  EXPECT_EQ(Format({.data = "x", .event = "a\nid: 9", .id = "1\r\ndata: y"}),
            "event: aid: 9\nid: 1data: y\ndata: x\n\n");
  EXPECT_EQ(Format({.data = "x", .id = std::string_view("1\0", 2)}), "data: x\n\n");
  std::string comment;
  AppendSseComment(comment, "a\n\ndata: forged");
  EXPECT_EQ(comment, ": adata: forged\n\n");
}

asio::awaitable<void> SendTwo(HttpExchange& exchange) {
  SseStream stream(exchange);
  if (!co_await stream.Send({.data = "one", .id = "1"})) co_return;
  if (!co_await stream.Heartbeat()) co_return;
  if (!co_await stream.Send({.data = "two\nlines", .event = "e"})) co_return;
  (void)co_await stream.Finish();
}

TEST(Sse, CurlReadsAStreamOverBothVersions) {
  TestServer server(SendTwo);
  const std::string expected = "id: 1\ndata: one\n\n: keep-alive\n\nevent: e\ndata: two\ndata: lines\n\n";
  for (const std::string version : {"--http1.1", "--http2-prior-knowledge"}) {
    const std::string out = RunCommand("curl -sNi " + version + " " + server.Url("/")).output;
    EXPECT_THAT(out, AllOf(testing::ContainsRegex("[Cc]ontent-[Tt]ype: text/event-stream"), HasSubstr(expected)));
  }
}

}  // namespace
}  // namespace loquat::net
