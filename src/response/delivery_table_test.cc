#include "response/delivery_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace loquat::response {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class DeliveryTableTest : public testing::Test {
 protected:
  static CallbackWork Work(const std::string& id, const std::string& host = "a.example", std::int64_t at = 1'000) {
    return {.id = id,
            .url = "https://" + host + "/x",
            .tenant = "t",
            .request_id = "r-" + id,
            .traceparent = {},
            .accepted_ms = at,
            .work = "{}"};
  }
  static DeliveryAttempt Attempt(std::uint32_t number, int status = 500) {
    return {.number = number, .at_ms = 1, .duration_ms = 2, .status = status, .outcome = "5xx", .detail = "x"};
  }
  void Accept(const std::string& id, const std::string& host = "a.example") {
    ASSERT_TRUE(table_.Add(Work(id, host), limits_).has_value());
    table_.Begin(id);
  }
  // Accepted, its answer made, waiting to be sent.
  void Ready(const std::string& id, const std::string& host = "a.example") {
    Accept(id, host);
    ASSERT_EQ(table_.TakeWork(limits_)->id, id);
    table_.FinishWork(id, "body of " + id);
  }
  std::string NextSend() {
    const auto send = table_.TakeSend(limits_);
    return send ? send->id : "";
  }
  DeliveryState StateOf(const std::string& id) { return table_.Find(id)->state; }

  base::ManualClock clock_{base::WallTime(seconds(100))};
  CallbackLimits limits_{.works_max = 2, .sends_max = 4, .sends_host_max = 2};
  DeliveryTable table_{clock_};
};

TEST_F(DeliveryTableTest, GoesFromQueuedToDelivered) {
  ASSERT_TRUE(table_.Add(Work("d"), limits_).has_value());
  EXPECT_FALSE(table_.TakeWork(limits_).has_value()) << "nothing is done before the promise is on disk";
  table_.Begin("d");
  EXPECT_EQ(StateOf("d"), DeliveryState::kQueued);
  EXPECT_EQ(table_.TakeWork(limits_)->work, "{}");
  EXPECT_EQ(StateOf("d"), DeliveryState::kWorking);
  table_.FinishWork("d", "body");
  EXPECT_EQ(StateOf("d"), DeliveryState::kDelivering);
  const auto send = table_.TakeSend(limits_);
  EXPECT_EQ(*send->body, "body");
  EXPECT_EQ(send->attempt, 1U);
  clock_.Advance(seconds(3));
  table_.Finish("d", Attempt(1, 200), DeliveryState::kDelivered, "");
  const auto view = table_.Find("d");
  EXPECT_EQ(view->state, DeliveryState::kDelivered);
  EXPECT_EQ(view->finished_ms, 103'000);
  EXPECT_EQ(view->target, "https://a.example");
  EXPECT_EQ(table_.Counts().open(), 0U);
  EXPECT_EQ(table_.Counts().bytes, 0U);
  EXPECT_EQ(table_.NextDue(), base::TimePoint::max());
}

TEST_F(DeliveryTableTest, WorksAreBoundedAndInOrder) {
  for (const char* id : {"1", "2", "3"}) Accept(id);
  EXPECT_EQ(table_.TakeWork(limits_)->id, "1");
  EXPECT_EQ(table_.TakeWork(limits_)->id, "2");
  EXPECT_FALSE(table_.TakeWork(limits_).has_value());
  table_.FinishWork("1", "b");
  EXPECT_EQ(table_.TakeWork(limits_)->id, "3");
}

TEST_F(DeliveryTableTest, LimitsRefuseAtTheirEdges) {
  const auto reason = [&](CallbackLimits limits, const std::string& host = "a.example") {
    const base::Status added = table_.Add(Work("more", host), limits);
    if (added.has_value()) table_.Drop("more");
    return added.has_value() ? std::string() : added.error().reason;
  };
  Accept("1");
  Accept("2");
  EXPECT_EQ(reason({.queue_max = 3}), "");
  EXPECT_EQ(reason({.queue_max = 2}), "callback_queue_full");
  EXPECT_EQ(reason({.undelivered_max = 3}), "");
  EXPECT_EQ(reason({.undelivered_max = 2}), "callback_undelivered_full");
  EXPECT_EQ(reason({.undelivered_host_max = 3}), "");
  EXPECT_EQ(reason({.undelivered_host_max = 2}), "callback_host_full");
  EXPECT_EQ(reason({.undelivered_host_max = 2}, "b.example"), "");
  EXPECT_EQ(reason({.undelivered_bytes_max = 6}), "");
  EXPECT_EQ(reason({.undelivered_bytes_max = 5}), "callback_bytes_full");
  EXPECT_EQ(table_.Counts().open(), 2U) << "what was dropped leaves nothing behind";
}

TEST_F(DeliveryTableTest, ASlowHostHasItsShareAndNoMore) {
  for (const char* id : {"1", "2", "3", "4"}) Ready(id, "slow.example");
  EXPECT_EQ(NextSend(), "1");
  EXPECT_EQ(NextSend(), "2");
  EXPECT_EQ(NextSend(), "") << "two calls to one host";
  Ready("5", "quick.example");
  EXPECT_EQ(NextSend(), "5");
  table_.Finish("1", Attempt(1), DeliveryState::kDead, "x");
  EXPECT_EQ(NextSend(), "3");
}

TEST_F(DeliveryTableTest, HostsTakeTurns) {
  for (const char* id : {"a1", "a2"}) Ready(id, "a.example");
  clock_.Advance(milliseconds(1));
  for (const char* id : {"b1", "b2"}) Ready(id, "b.example");
  clock_.Advance(milliseconds(1));
  EXPECT_EQ(NextSend(), "a1");
  EXPECT_EQ(NextSend(), "b1") << "a was served later than b was due";
  clock_.Advance(milliseconds(1));
  EXPECT_EQ(NextSend(), "a2");
  EXPECT_EQ(NextSend(), "b2");
}

TEST_F(DeliveryTableTest, TheWholeIsBoundedToo) {
  for (int i = 0; i < 6; ++i) Ready(std::to_string(i), "h" + std::to_string(i) + ".example");
  for (int i = 0; i < 4; ++i) EXPECT_NE(NextSend(), "");
  EXPECT_EQ(NextSend(), "");
}

TEST_F(DeliveryTableTest, ALimitThatGrowsHoldsAtOnce) {
  for (const char* id : {"1", "2", "3"}) Ready(id);
  EXPECT_NE(NextSend(), "");
  EXPECT_NE(NextSend(), "");
  EXPECT_EQ(NextSend(), "");
  limits_.sends_host_max = 3;
  EXPECT_EQ(NextSend(), "3");
}

TEST_F(DeliveryTableTest, ARetryWaitsForItsTime) {
  Ready("d");
  EXPECT_EQ(NextSend(), "d");
  table_.Retry("d", Attempt(1), clock_.Now() + seconds(5));
  EXPECT_EQ(table_.Find("d")->next_attempt_ms, 105'000);
  EXPECT_EQ(table_.NextDue(), clock_.Now() + seconds(5));
  clock_.Advance(milliseconds(4'999));
  EXPECT_EQ(NextSend(), "");
  clock_.Advance(milliseconds(1));
  const auto send = table_.TakeSend(limits_);
  ASSERT_TRUE(send.has_value());
  EXPECT_EQ(send->attempt, 2U);
}

TEST_F(DeliveryTableTest, OnlyTheLatestAttemptsAreKept) {
  Ready("d");
  for (std::uint32_t i = 1; i <= kAttemptsKept + 5; ++i) {
    EXPECT_EQ(NextSend(), "d");
    table_.Retry("d", Attempt(i), clock_.Now());
  }
  const auto view = table_.Find("d");
  EXPECT_THAT(view->attempts, SizeIs(kAttemptsKept));
  EXPECT_EQ(view->attempts_made, kAttemptsKept + 5);
  EXPECT_EQ(view->attempts.front().number, 6U);
}

TEST_F(DeliveryTableTest, FinishedOnesAreForgottenByTimeAndNumber) {
  CallbackOptions options{.retention = seconds(10), .finished_max = 2};
  for (const char* id : {"1", "2", "3"}) {
    Ready(id);
    EXPECT_EQ(NextSend(), id);
    table_.Finish(id, Attempt(1), DeliveryState::kDelivered, "");
  }
  table_.Expire(options);
  EXPECT_FALSE(table_.Find("1").has_value());
  EXPECT_TRUE(table_.Find("2").has_value());
  clock_.Advance(milliseconds(9'999));
  table_.Expire(options);
  EXPECT_TRUE(table_.Find("3").has_value());
  clock_.Advance(milliseconds(1));
  table_.Expire(options);
  EXPECT_FALSE(table_.Find("3").has_value());
  EXPECT_THAT(table_.Snapshot(), IsEmpty());
}

TEST_F(DeliveryTableTest, AListIsOfOneTenantNewestFirst) {
  for (const char* id : {"1", "2", "3"}) Accept(id);
  CallbackWork other = Work("4");
  other.tenant = "u";
  ASSERT_TRUE(table_.Add(other, limits_).has_value());
  const auto ids = [&](std::optional<DeliveryState> state, std::size_t most) {
    std::vector<std::string> found;
    for (const DeliveryView& view : table_.List("t", state, most)) found.push_back(view.id);
    return found;
  };
  EXPECT_THAT(ids({}, 10), ElementsAre("3", "2", "1"));
  EXPECT_THAT(ids({}, 2), ElementsAre("3", "2"));
  EXPECT_THAT(ids(DeliveryState::kDead, 10), IsEmpty());
}

// The records of a table build the same table, whatever happened in it.
TEST_F(DeliveryTableTest, ASnapshotRebuildsTheTable) {
  Ready("done");
  EXPECT_EQ(NextSend(), "done");
  table_.Finish("done", Attempt(1), DeliveryState::kDead, "410");
  Ready("waits");
  EXPECT_EQ(NextSend(), "waits");
  table_.Retry("waits", Attempt(1), clock_.Now() + seconds(60));
  Ready("sending", "b.example");
  EXPECT_EQ(NextSend(), "sending");
  Accept("working");
  EXPECT_TRUE(table_.TakeWork(limits_).has_value());
  Accept("queued");

  DeliveryTable rebuilt(clock_);
  RecordReader reader;
  for (const std::string& record : table_.Snapshot()) rebuilt.Replay(reader.Read(record).value());
  rebuilt.BeginReplayed();
  EXPECT_EQ(rebuilt.Find("done")->state, DeliveryState::kDead);
  EXPECT_EQ(rebuilt.Find("done")->reason, "410");
  EXPECT_EQ(rebuilt.Find("waits")->next_attempt_ms, 160'000);
  EXPECT_EQ(rebuilt.Find("waits")->attempts_made, 1U);
  EXPECT_EQ(rebuilt.TakeWork(limits_)->id, "working") << "made again";
  EXPECT_EQ(rebuilt.TakeWork(limits_)->id, "queued");
  const auto send = rebuilt.TakeSend(limits_);
  EXPECT_EQ(send->id, "sending") << "sent again";
  EXPECT_EQ(*send->body, "body of sending");
  EXPECT_FALSE(rebuilt.TakeSend(limits_).has_value()) << "the other one waits as planned";
  EXPECT_EQ(rebuilt.Counts().open(), 4U);
  EXPECT_EQ(rebuilt.Counts().finished, 1U);
}

TEST_F(DeliveryTableTest, RecordsOfNothingKnownArePassedOver) {
  table_.Replay(ResultRecord{.id = "x", .body = "b"});
  table_.Replay(AttemptRecord{.id = "x", .attempt = Attempt(1), .next_ms = 1});
  table_.Replay(EndedRecord{.id = "x", .at_ms = 1, .state = DeliveryState::kDead, .reason = "r"});
  table_.Replay(AcceptedRecord{Work("d")});
  table_.Replay(AcceptedRecord{Work("d")});
  for (int i = 0; i < 2; ++i)
    table_.Replay(EndedRecord{.id = "d", .at_ms = 1, .state = DeliveryState::kDead, .reason = ""});
  table_.BeginReplayed();
  EXPECT_EQ(table_.Counts().open(), 0U);
  EXPECT_EQ(table_.Counts().finished, 1U);
}

TEST_F(DeliveryTableTest, AClockThatJumpedPutsNoCallOffForEver) {
  table_.Replay(AcceptedRecord{Work("d")});
  table_.Replay(ResultRecord{.id = "d", .body = "b"});
  table_.Replay(AttemptRecord{.id = "d", .attempt = Attempt(1), .next_ms = std::numeric_limits<std::int64_t>::max()});
  table_.BeginReplayed();
  EXPECT_EQ(table_.NextDue(), clock_.Now() + std::chrono::hours(24));
}

TEST(DeliveryRecord, EveryKindReadsBack) {
  RecordReader reader;
  const DeliveryRecord records[] = {
      AcceptedRecord{{.id = "d",
                      .url = "https://h/",
                      .tenant = "t",
                      .request_id = "r",
                      .traceparent = "00-",
                      .accepted_ms = 7,
                      .work = "{\"text\":\"上\"}"}},
      ResultRecord{.id = "d", .body = "{\"a\":\"\\n\"}"},
      AttemptRecord{
          .id = "d",
          .attempt = {.number = 3, .at_ms = 1, .duration_ms = 2, .status = 503, .outcome = "5xx", .detail = "no"},
          .next_ms = 9},
      EndedRecord{.id = "d", .at_ms = 4, .state = DeliveryState::kDead, .reason = "attempts"}};
  for (const DeliveryRecord& record : records) {
    const std::string text = EncodeRecord(record);
    const auto read = reader.Read(text);
    ASSERT_TRUE(read.has_value()) << text;
    EXPECT_EQ(read->index(), record.index());
    EXPECT_EQ(EncodeRecord(*read), text);
  }
}

TEST(DeliveryRecord, NonsenseIsDataLoss) {
  RecordReader reader;
  for (const char* text :
       {"", "{", "[]", "{}", R"({"k":"other"})", R"({"k":"result","id":"d"})", R"({"k":"result","id":"","body":"b"})",
        R"({"k":"result","id":"d","body":"b","more":1})",
        R"({"k":"attempt","id":"d","n":0,"at":1,"ms":1,"status":1,"outcome":"","detail":"","next":1})",
        R"({"k":"ended","id":"d","at":-1,"state":"dead","reason":""})"}) {
    const auto read = reader.Read(text);
    ASSERT_FALSE(read.has_value()) << text;
    EXPECT_EQ(read.error().code, base::Code::kDataLoss) << text;
  }
}

}  // namespace
}  // namespace loquat::response
