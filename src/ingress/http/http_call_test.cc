#include "ingress/http/http_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ingress/http/fake_exchange.h"

namespace loquat::ingress {
namespace {

using base::Code;
using std::chrono::milliseconds;
using testing::HasSubstr;

class MakeCallContextTest : public testing::Test {
 protected:
  NewCall Make(FakeExchange::OwnedHeaders headers) {
    const FakeExchange exchange("GET", "/", std::move(headers), {}, received_at_);
    return MakeCallContext(exchange, clock_, ids_);
  }
  // Milliseconds from the arrival to the deadline; -1: none.
  std::int64_t Left(FakeExchange::OwnedHeaders headers) {
    const NewCall call = Make(std::move(headers));
    EXPECT_TRUE(call.status.has_value()) << call.status.error().message;
    if (call.context.deadline.unlimited()) return -1;
    return std::chrono::duration_cast<milliseconds>(call.context.deadline.at() - received_at_).count();
  }
  std::string RefusedParam(FakeExchange::OwnedHeaders headers) {
    const NewCall call = Make(std::move(headers));
    if (call.status.has_value()) return "(taken)";
    EXPECT_EQ(call.status.error().code, Code::kInvalidArgument);
    EXPECT_THAT(call.status.error().message, HasSubstr(call.status.error().param));
    EXPECT_FALSE(call.context.request_id.empty());  // The refusal needs one too.
    return call.status.error().param;
  }

  static constexpr std::int64_t kNowMs = 1'763'715'600'000;
  base::ManualClock clock_{base::WallTime(milliseconds(kNowMs))};
  base::TimePoint received_at_ = clock_.Now();
  observe::IdGenerator ids_{7};
};

TEST_F(MakeCallContextTest, WithoutHeadersACallHasIdsAndNoDeadline) {
  const NewCall a = Make({});
  const NewCall b = Make({});
  EXPECT_TRUE(a.status.has_value());
  EXPECT_EQ(a.context.request_id.size(), observe::kRequestIdBytes);
  EXPECT_NE(a.context.request_id, b.context.request_id);
  EXPECT_NE(a.context.trace.trace_id, b.context.trace.trace_id);
  EXPECT_TRUE(a.context.deadline.unlimited());
  EXPECT_EQ(a.context.priority, base::Priority::kInteractive);
  EXPECT_EQ(a.context.received_at, received_at_);
  EXPECT_FALSE(a.context.cancel.can_be_cancelled());
}

TEST_F(MakeCallContextTest, TakesTheClientsRequestIdIfItIsHarmless) {
  EXPECT_EQ(Make({{"x-request-id", "job-42/a"}}).context.request_id, "job-42/a");
  for (const std::string bad : {"", "a b", "a\nb", "{\"a\"}", "é"}) {
    EXPECT_EQ(Make({{"x-request-id", bad}}).context.request_id.size(), observe::kRequestIdBytes) << bad;
  }
  EXPECT_EQ(Make({{"x-request-id", std::string(128, 'x')}}).context.request_id, std::string(128, 'x'));
  EXPECT_EQ(Make({{"x-request-id", std::string(129, 'x')}}).context.request_id.size(), observe::kRequestIdBytes);
}

TEST_F(MakeCallContextTest, JoinsTheCallersTrace) {
  const auto call =
      Make({{"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, {"tracestate", "a=1,b=2"}});
  EXPECT_EQ(observe::HexId(call.context.trace.trace_id), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(observe::HexId(call.context.trace.parent_span_id), "b7ad6b7169203331");
  EXPECT_NE(call.context.trace.span_id, call.context.trace.parent_span_id);
  EXPECT_TRUE(call.context.trace.sampled);
  EXPECT_EQ(call.context.trace.state, "a=1,b=2");
  const auto broken = Make({{"traceparent", "00-xyz-01"}, {"tracestate", "a=1"}});
  EXPECT_TRUE(broken.status.has_value());
  EXPECT_NE(broken.context.trace.trace_id, (std::array<std::uint8_t, 16>{}));
  EXPECT_EQ(broken.context.trace.state, "");
}

TEST_F(MakeCallContextTest, ATimeoutCountsFromTheArrival) {
  clock_.Advance(milliseconds(30));  // What it took from the arrival to here.
  EXPECT_EQ(Left({{"x-request-timeout-ms", "250"}}), 250);
  EXPECT_EQ(Left({{"x-request-timeout-ms", "0"}}), 0);
  EXPECT_EQ(Left({{"x-request-timeout-ms", "3600000"}}), kTimeoutMsMax);
}

TEST_F(MakeCallContextTest, RefusesTimeoutsThatAreNone) {
  for (const std::string bad :
       {"3600001", "-1", "", " 1", "1 ", "1.5", "1e3", "0x10", "+1", "ten", "99999999999999999999", "１"}) {
    EXPECT_EQ(RefusedParam({{"x-request-timeout-ms", bad}}), "x-request-timeout-ms") << bad;
  }
}

TEST_F(MakeCallContextTest, ADeadlineIsAMomentOfTheWallClock) {
  EXPECT_EQ(Left({{"x-request-deadline-ms", std::to_string(kNowMs + 400)}}), 400);
  clock_.Advance(milliseconds(30));
  EXPECT_EQ(Left({{"x-request-deadline-ms", std::to_string(kNowMs + 400)}}), 400);
}

TEST_F(MakeCallContextTest, ADeadlineInThePastHasPassed) {
  clock_.Advance(std::chrono::hours(1));
  for (const std::int64_t at : {kNowMs, std::int64_t{0}, std::int64_t{1}}) {
    const NewCall call = Make({{"x-request-deadline-ms", std::to_string(at)}});
    EXPECT_TRUE(call.status.has_value());
    EXPECT_TRUE(call.context.deadline.Passed(clock_)) << at;
  }
}

TEST_F(MakeCallContextTest, ADeadlineFarOffIsNoLimit) {
  EXPECT_EQ(Left({{"x-request-deadline-ms", std::to_string(kNowMs + kTimeoutMsMax)}}), kTimeoutMsMax);
  EXPECT_EQ(Left({{"x-request-deadline-ms", std::to_string(kNowMs + kTimeoutMsMax + 1)}}), -1);
  EXPECT_EQ(Left({{"x-request-deadline-ms", "9223372036854775807"}}), -1);
}

TEST_F(MakeCallContextTest, RefusesDeadlinesThatAreNone) {
  for (const std::string bad : {"9223372036854775808", "-1", "", "2026-11-21T09:00:00Z", "1e12", "nan"}) {
    EXPECT_EQ(RefusedParam({{"x-request-deadline-ms", bad}}), "x-request-deadline-ms") << bad;
  }
}

TEST_F(MakeCallContextTest, TheEarlierOfBothHolds) {
  const std::string soon = std::to_string(kNowMs + 100);
  EXPECT_EQ(Left({{"x-request-timeout-ms", "200"}, {"x-request-deadline-ms", soon}}), 100);
  EXPECT_EQ(Left({{"x-request-timeout-ms", "50"}, {"x-request-deadline-ms", soon}}), 50);
}

TEST_F(MakeCallContextTest, APriorityIsOneOfTwoWords) {
  EXPECT_EQ(Make({{"x-priority", "batch"}}).context.priority, base::Priority::kBatch);
  EXPECT_EQ(Make({{"x-priority", "interactive"}}).context.priority, base::Priority::kInteractive);
  for (const std::string bad : {"", "Batch", "high", "0"}) {
    EXPECT_EQ(RefusedParam({{"x-priority", bad}}), "x-priority") << bad;
  }
}

TEST(HttpCall, AnswersWithIdsAndItsOwnHeaders) {
  FakeExchange exchange("GET", "/");
  HttpCall call(exchange, {.request_id = "r-1", .trace = {.trace_id = {1}, .span_id = {2}, .state = {}}, .tenant = {}});
  call.AddHeader("Vary", "Origin");
  const net::HttpHeader more = {"Cache-Control", "no-cache"};
  call.Respond(201, kJson, "{}", {&more, 1});
  EXPECT_EQ(exchange.status(), 201);
  EXPECT_EQ(exchange.body(), "{}");
  EXPECT_EQ(exchange.Header("content-type"), "application/json");
  EXPECT_EQ(exchange.Header("x-request-id"), "r-1");
  EXPECT_EQ(exchange.Header("traceparent"), "00-01000000000000000000000000000000-0200000000000000-00");
  EXPECT_EQ(exchange.Header("vary"), "Origin");
  EXPECT_EQ(exchange.Header("cache-control"), "no-cache");
  EXPECT_EQ(call.failure(), nullptr);
}

TEST(HttpCall, AnAnswerWithoutContentHasNoType) {
  FakeExchange exchange("DELETE", "/");
  HttpCall call(exchange, {});
  call.Respond(204, {}, {});
  EXPECT_EQ(exchange.Header("content-type"), "(none)");
}

TEST(HttpCall, AFailureBecomesTheErrorBodyWithItsStatusAndHints) {
  FakeExchange exchange("GET", "/");
  HttpCall call(exchange, {.request_id = "r-1", .trace = {}, .tenant = {}});
  call.Fail({.code = Code::kUnavailable, .message = "later", .reason = "draining", .retry_after = milliseconds(1001)});
  EXPECT_EQ(exchange.status(), 503);
  EXPECT_EQ(exchange.Header("retry-after"), "2");  // Whole seconds, rounded up.
  EXPECT_EQ(
      exchange.body(),
      "{\"error\":{\"code\":\"unavailable\",\"message\":\"later\",\"reason\":\"draining\",\"retry_after_ms\":1001,"
      "\"request_id\":\"r-1\"}}\n");
  ASSERT_NE(call.failure(), nullptr);
  EXPECT_EQ(call.failure()->reason, "draining");
}

TEST(HttpCall, MapsEachCodeToItsStatus) {
  const std::vector<std::pair<base::Error, int>> cases = {
      {base::InvalidArgument("x"), 400},
      {{.code = Code::kUnauthenticated, .message = "x"}, 401},
      {{.code = Code::kPermissionDenied, .message = "x"}, 403},
      {base::NotFound("x"), 404},
      {{.code = Code::kUnimplemented, .message = "x", .reason = std::string(kMethodNotAllowed)}, 405},
      {{.code = Code::kUnimplemented, .message = "x", .reason = "callback_unavailable"}, 501},
      {{.code = Code::kAborted, .message = "x", .reason = "session_conflict"}, 409},
      {{.code = Code::kAlreadyExists, .message = "x"}, 409},
      {base::ResourceExhausted("x", "text_too_large"), 413},
      {base::ResourceExhausted("x", "rate_limited"), 429},
      {base::Internal("x"), 500},
      {base::DeadlineExceeded("x"), 504},
      {base::Cancelled("x"), 499},
  };
  for (const auto& [error, status] : cases) {
    FakeExchange exchange("GET", "/");
    HttpCall call(exchange, {});
    call.Fail(error);
    EXPECT_EQ(exchange.status(), status) << base::CodeName(error.code) << " " << error.reason;
    EXPECT_EQ(exchange.Header("www-authenticate"), status == 401 ? "Bearer" : "(none)");
    EXPECT_EQ(exchange.Header("retry-after"), "(none)");
  }
}

TEST(HttpCall, AFailureAfterTheAnswerIsOnlyRemembered) {
  FakeExchange exchange("GET", "/");
  HttpCall call(exchange, {});
  call.Respond(200, kJson, "{}");
  call.Fail(base::Internal("too late"));
  EXPECT_EQ(exchange.status(), 200);
  EXPECT_EQ(exchange.body(), "{}");
  ASSERT_NE(call.failure(), nullptr);
}

TEST(HttpCall, AStreamOfEventsIsNeitherCachedNorBuffered) {
  FakeExchange exchange("POST", "/");
  HttpCall call(exchange, {.request_id = "r-1", .trace = {}, .tenant = {}});
  call.BeginEvents();
  EXPECT_TRUE(exchange.streamed());
  EXPECT_EQ(exchange.Header("content-type"), "text/event-stream");
  EXPECT_EQ(exchange.Header("cache-control"), "no-store");
  EXPECT_EQ(exchange.Header("x-accel-buffering"), "no");
  EXPECT_EQ(exchange.Header("x-request-id"), "r-1");
}

}  // namespace
}  // namespace loquat::ingress
