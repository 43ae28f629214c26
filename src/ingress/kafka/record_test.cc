#include "ingress/kafka/record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ingress/http/json_body.h"

namespace loquat::ingress::kafka {
namespace {

using testing::HasSubstr;

class ReadRecordTest : public testing::Test {
 protected:
  base::Status Read(const Record& record) {
    request_ = {};
    return ReadRecord(record, limits_, clock_, ids_, parser_, request_);
  }
  std::string ReasonOf(const Record& record) {
    const base::Status status = Read(record);
    return status.has_value() ? "taken" : status.error().reason;
  }
  static Record Body(std::string_view value, std::optional<std::string_view> key = std::nullopt) {
    return {.key = key, .value = value, .headers = {}, .timestamp = std::nullopt};
  }
  static Record With(std::string_view header, std::optional<std::string_view> value) {
    Record record = Body(R"({"text":"hi"})");
    record.headers.push_back({header, value});
    return record;
  }

  RecordLimits limits_{.record_bytes_max = 256, .body = {.text_bytes_max = 64}};
  base::ManualClock clock_{base::WallTime(std::chrono::seconds(1'700'000'000))};
  observe::IdGenerator ids_{7};
  base::JsonParser parser_{base::JsonLimits{.max_depth = kJsonDepthMax}};
  RecordRequest request_;
};

TEST_F(ReadRecordTest, TheKeyIsTheSession) {
  ASSERT_TRUE(Read(Body(R"({"text":"hi"})", "s-1")).has_value());
  EXPECT_EQ(request_.request.utterance.session, "s-1");
  EXPECT_EQ(request_.order_key(), "s-1");
  ASSERT_TRUE(Read(Body(R"({"text":"hi","session":"s-1"})", "s-1")).has_value());
  EXPECT_EQ(request_.order_key(), "s-1");
  ASSERT_TRUE(Read(Body(R"({"text":"hi","session":"s-2"})")).has_value());
  EXPECT_EQ(request_.order_key(), "s-2");
  for (const std::optional<std::string_view>& key :
       {std::optional<std::string_view>(), std::optional<std::string_view>("")}) {
    ASSERT_TRUE(Read(Body(R"({"text":"hi"})", key)).has_value());
    EXPECT_EQ(request_.order_key(), "") << "neither has one: there is no session";
  }
}

TEST_F(ReadRecordTest, AKeyThatIsAnotherSessionIsSaidSo) {
  const base::Status status = Read(Body(R"({"text":"hi","session":"s-1"})", "s-2"));
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().reason, "record_key");
  EXPECT_THAT(status.error().message, HasSubstr("different sessions"));
  EXPECT_EQ(ReasonOf(Body(R"({"text":"hi"})", "no session id")), "record_key");
}

TEST_F(ReadRecordTest, WhatIsNoRequestIsRefusedByName) {
  Record tombstone;
  EXPECT_EQ(ReasonOf(tombstone), "record_null");
  EXPECT_EQ(ReasonOf(Body(R"({"inputs":[{"text":"hi"}]})")), "record_batch");
  EXPECT_EQ(ReasonOf(Body(R"({"text":"0123456789012345678901234567890123456789012345678901234567890123456789"})")),
            "text_too_large");
  EXPECT_FALSE(request_.context.request_id.empty()) << "a dead letter has an id too";
}

TEST_F(ReadRecordTest, TheBoundOfARecordHoldsAtItsEdge) {
  std::string value = R"({"text":"hi"})";
  value.resize(250, ' ');
  EXPECT_EQ(ReasonOf(Body(value, "123456")), "taken");
  EXPECT_EQ(ReasonOf(Body(value, "1234567")), "record_too_large");
  Record record = Body(value);
  record.headers.push_back({"abc", "123"});
  EXPECT_EQ(ReasonOf(record), "taken");
  record.headers.push_back({"a", std::nullopt});
  EXPECT_EQ(ReasonOf(record), "record_too_large");
}

TEST_F(ReadRecordTest, TheBoundOfHeadersHoldsAtItsEdge) {
  limits_.record_bytes_max = 4096;
  Record record = Body(R"({"text":"hi"})");
  record.headers.assign(kHeadersMax, {"h", "v"});
  EXPECT_EQ(ReasonOf(record), "taken");
  record.headers.push_back({"h", "v"});
  EXPECT_EQ(ReasonOf(record), "record_headers");
}

TEST_F(ReadRecordTest, HeadersMeanWhatTheyMeanOverHttp) {
  Record record = Body(R"({"text":"hi"})");
  record.headers = {{"X-Request-Id", "first"},
                    {"x-request-id", "mine"},
                    {"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
                    {"tracestate", "a=b"},
                    {"x-request-timeout-ms", "500"},
                    {"x-priority", "interactive"},
                    {"content-type", "Application/JSON ; charset=utf-8"}};
  ASSERT_TRUE(Read(record).has_value());
  EXPECT_EQ(request_.context.request_id, "mine") << "the last one holds";
  EXPECT_EQ(observe::HexId(request_.context.trace.trace_id), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(request_.context.trace.state, "a=b");
  EXPECT_EQ(request_.deadline.Left(clock_), std::chrono::milliseconds(500));
  EXPECT_EQ(request_.context.priority, base::Priority::kInteractive);
  EXPECT_EQ(request_.context.tenant, "kafka");
  ASSERT_TRUE(Read(Body(R"({"text":"hi"})")).has_value());
  EXPECT_EQ(request_.context.priority, base::Priority::kBatch);
  EXPECT_TRUE(request_.deadline.unlimited());
}

TEST_F(ReadRecordTest, BadHeadersAreRefusedByName) {
  EXPECT_EQ(ReasonOf(With("content-type", "text/plain")), "content_type");
  EXPECT_EQ(ReasonOf(With("x-priority", "high")), "record_headers");
  EXPECT_EQ(ReasonOf(With("x-request-timeout-ms", "1s")), "record_headers");
  EXPECT_EQ(ReasonOf(With("x-request-timeout-ms", "3600000")), "taken");
  EXPECT_EQ(ReasonOf(With("x-request-timeout-ms", "3600001")), "record_headers");
  EXPECT_EQ(ReasonOf(With("x-request-deadline-ms", "-1")), "record_headers");
  EXPECT_EQ(ReasonOf(With("x-request-deadline-ms", "9223372036854775807")), "taken") << "no limit";
  EXPECT_EQ(ReasonOf(With("content-type", std::nullopt)), "taken") << "a header without a value says nothing";
}

TEST_F(ReadRecordTest, ADeadlineOfThePastHasPassed) {
  ASSERT_TRUE(Read(With("x-request-deadline-ms", "1")).has_value());
  EXPECT_TRUE(request_.deadline.Passed(clock_));
  ASSERT_TRUE(Read(With("x-request-deadline-ms", "1700000001000")).has_value());
  EXPECT_EQ(request_.deadline.Left(clock_), std::chrono::seconds(1));
}

TEST_F(ReadRecordTest, TomorrowCountsFromWhenTheRecordWasWritten) {
  Record record = Body(R"({"text":"hi"})");
  record.timestamp = base::WallTime(std::chrono::milliseconds(1'600'000'000'000));
  ASSERT_TRUE(Read(record).has_value());
  EXPECT_EQ(request_.request.reference_time, *record.timestamp);
  record.timestamp = std::nullopt;
  ASSERT_TRUE(Read(record).has_value());
  EXPECT_EQ(request_.request.reference_time, clock_.WallNow());
  record = Body(R"({"text":"hi","reference_time_ms":5})");
  ASSERT_TRUE(Read(record).has_value());
  EXPECT_EQ(request_.request.reference_time, base::WallTime(std::chrono::milliseconds(5)));
}

}  // namespace
}  // namespace loquat::ingress::kafka
