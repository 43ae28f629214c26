#include "ingress/kafka/disposition.h"

#include <gtest/gtest.h>

namespace loquat::ingress::kafka {
namespace {

using base::Code;

Disposition Of(Code code, std::string reason = "") {
  return DispositionOf({.code = code, .message = "m", .reason = std::move(reason)});
}

TEST(Disposition, FollowsTheTableOfErrors) {
  EXPECT_EQ(Of(Code::kInvalidArgument), Disposition::kDeadLetter);
  EXPECT_EQ(Of(Code::kNotFound), Disposition::kDeadLetter);
  EXPECT_EQ(Of(Code::kFailedPrecondition), Disposition::kDeadLetter);
  EXPECT_EQ(Of(Code::kUnimplemented), Disposition::kDeadLetter);
  EXPECT_EQ(Of(Code::kUnavailable), Disposition::kHold);
  EXPECT_EQ(Of(Code::kDeadlineExceeded), Disposition::kRetry);
  EXPECT_EQ(Of(Code::kInternal), Disposition::kRetry);
  EXPECT_EQ(Of(Code::kAborted, "session_conflict"), Disposition::kRetry);
}

TEST(Disposition, TooMuchIsNotTooLarge) {
  EXPECT_EQ(Of(Code::kResourceExhausted, "text_too_large"), Disposition::kDeadLetter);
  EXPECT_EQ(Of(Code::kResourceExhausted, "record_too_large"), Disposition::kDeadLetter);
  EXPECT_EQ(Of(Code::kResourceExhausted, "rate_limited"), Disposition::kHold);
  EXPECT_EQ(Of(Code::kResourceExhausted, "queue_full"), Disposition::kHold);
}

TEST(ProduceFault, TellsTheRecordFromTheTopicFromTheMoment) {
  EXPECT_EQ(ProduceFaultOf(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE), ProduceFault::kRejected);
  EXPECT_EQ(ProduceFaultOf(RD_KAFKA_RESP_ERR_INVALID_RECORD), ProduceFault::kRejected);
  EXPECT_EQ(ProduceFaultOf(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED), ProduceFault::kRefused);
  EXPECT_EQ(ProduceFaultOf(RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC), ProduceFault::kRefused);
  EXPECT_EQ(ProduceFaultOf(RD_KAFKA_RESP_ERR__MSG_TIMED_OUT), ProduceFault::kPassing);
  EXPECT_EQ(ProduceFaultOf(RD_KAFKA_RESP_ERR__PURGE_QUEUE), ProduceFault::kPassing);
}

}  // namespace
}  // namespace loquat::ingress::kafka
