#include "ingress/http/understand_work.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/test_assistant.h"

namespace loquat::ingress {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(UnderstandWork, ARequestReadsBackAsWhatItWas) {
  base::JsonParser parser;
  const base::WallTime then(std::chrono::milliseconds(1'700'000'000'123));
  const std::string_view bodies[] = {
      R"({"text":"wake me tomorrow \"at 7\""})",
      R"({"text":"上海天气","locale":"zh","session":"s-1","features":["slots"],"reply":true,"utc_offset_minutes":480})",
      R"({"text":"","features":["intent","embedding"],"reference_time_ms":5,"delivery":"callback","callback_url":"https://a.example"})"};
  for (const std::string_view text : bodies) {
    const auto first = ParseUnderstandBody(text, then, {}, parser);
    ASSERT_TRUE(first.has_value()) << text;
    const pipeline::UnderstandRequest& before = first->inputs.front();
    const std::string work = EncodeUnderstandWork(before);
    const auto second = ParseUnderstandBody(work, then + std::chrono::hours(100), {}, parser);
    ASSERT_TRUE(second.has_value()) << work;
    const pipeline::UnderstandRequest& after = second->inputs.front();
    EXPECT_EQ(after.utterance.text, before.utterance.text);
    EXPECT_EQ(after.utterance.locale, before.utterance.locale);
    EXPECT_EQ(after.utterance.session, before.utterance.session);
    EXPECT_EQ(after.want_intent, before.want_intent);
    EXPECT_EQ(after.want_slots, before.want_slots);
    EXPECT_EQ(after.want_embedding, before.want_embedding);
    EXPECT_EQ(after.want_reply, before.want_reply);
    EXPECT_EQ(after.reference_time, before.reference_time) << "tomorrow stays what it was";
    EXPECT_EQ(after.utc_offset_minutes, before.utc_offset_minutes);
  }
}

class UnderstandWorkTest : public testing::Test {
 protected:
  std::string BodyOf(std::string work) {
    return pipeline::RunNow(
        work_.MakeBody({.id = "d-1", .url = {}, .tenant = "t", .request_id = "r-1", .work = std::move(work)}));
  }
  pipeline::TestPipeline test_;
  UnderstandWork work_{test_.pipeline, {.text_bytes_max = 1024}, test_.clock};
};

TEST_F(UnderstandWorkTest, AnAnswerIsWhatTheEndpointWouldHaveSaid) {
  const std::string body = BodyOf(R"({"text":"what is the weather in paris","session":"s","reply":true})");
  EXPECT_THAT(body, StartsWith(R"({"type":"understand.completed","id":"d-1","timestamp":")"));
  EXPECT_THAT(body, testing::ContainsRegex("\"timestamp\":\"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{3}Z\""));
  EXPECT_THAT(body, HasSubstr(R"("data":{"id":"r-1","text":"what is the weather in paris")"));
  EXPECT_THAT(body, HasSubstr(R"("delivery":{"mode":"callback")"));
  EXPECT_EQ(test_.sessions.stats().sessions, 1U);
}

TEST_F(UnderstandWorkTest, AnErrorIsAnAnswerToo) {
  const std::string body = BodyOf(R"({"text":"hi","features":["embedding"]})");
  EXPECT_THAT(body, StartsWith(R"({"type":"understand.failed","id":"d-1")"));
  EXPECT_THAT(body, HasSubstr(R"("reason":"no_embedding_model")"));
  EXPECT_THAT(BodyOf("{"), StartsWith(R"({"type":"understand.failed")"));
}

}  // namespace
}  // namespace loquat::ingress
