#include "response/callback_sender.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace loquat::response {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(JudgeStatus, SaysWhatIsTriedAgain) {
  const auto verdict = [](int status) { return JudgeStatus(status).verdict; };
  for (const int status : {200, 201, 202, 204, 299}) EXPECT_EQ(verdict(status), SendVerdict::kDelivered) << status;
  for (const int status : {408, 409, 425, 429, 500, 502, 503, 504, 599}) {
    EXPECT_EQ(verdict(status), SendVerdict::kRetry) << status;
  }
  for (const int status : {300, 301, 302, 304, 307, 308, 400, 401, 403, 404, 410, 413, 422}) {
    EXPECT_EQ(verdict(status), SendVerdict::kFinal) << status;
  }
  EXPECT_EQ(JudgeStatus(410).outcome, "410");
  EXPECT_EQ(JudgeStatus(404).outcome, "4xx");
  EXPECT_EQ(JudgeStatus(429).outcome, "429");
}

TEST(ParseRetryAfter, TakesSecondsAndDates) {
  const base::WallTime now(seconds(1'445'412'480));  // Wed, 21 Oct 2015 07:28:00 GMT
  EXPECT_EQ(ParseRetryAfter("120", now), seconds(120));
  EXPECT_EQ(ParseRetryAfter(" 7 ", now), seconds(7));
  EXPECT_EQ(ParseRetryAfter("0", now), milliseconds(0));
  EXPECT_EQ(ParseRetryAfter("Wed, 21 Oct 2015 07:28:30 GMT", now), seconds(30));
  EXPECT_EQ(ParseRetryAfter("Wed, 21 Oct 2015 07:27:30 GMT", now), milliseconds(0)) << "past";
  EXPECT_EQ(ParseRetryAfter("86401", now), hours(24));
  EXPECT_EQ(ParseRetryAfter("99999999999999999999999", now), hours(24));
  EXPECT_EQ(ParseRetryAfter("Fri, 31 Dec 9999 23:59:59 GMT", now), hours(24));
  for (const char* text : {"", "-1", "1.5", "soon", "Wed, 21 Oct 2015 07:28:30", "Wed, 21 Oct 2015 07:28:30 GMT x"}) {
    EXPECT_EQ(ParseRetryAfter(text, now), milliseconds(0)) << text;
  }
}

}  // namespace
}  // namespace loquat::response
