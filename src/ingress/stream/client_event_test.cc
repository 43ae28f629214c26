#include "ingress/stream/client_event.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ingress/http/json_body.h"

namespace loquat::ingress {
namespace {

using testing::HasSubstr;

class ClientEventTest : public testing::Test {
 protected:
  base::Result<ClientEvent> Parse(std::string_view json) { return ParseClientEvent(json, parser_); }
  template <typename T>
  T Get(std::string_view json) {
    auto event = Parse(json);
    EXPECT_TRUE(event.has_value()) << (event.has_value() ? "" : event.error().message);
    return std::get<T>(event.value());
  }
  // "param: message" of what is refused.
  std::string Fault(std::string_view json) {
    const auto event = Parse(json);
    EXPECT_FALSE(event.has_value()) << json;
    if (event.has_value()) return "";
    EXPECT_EQ(event.error().code, base::Code::kInvalidArgument);
    return event.error().param + ": " + event.error().message;
  }

  base::JsonParser parser_{base::JsonLimits{.max_depth = kJsonDepthMax}};
};

TEST_F(ClientEventTest, ReadsAnOpenEventWithEveryField) {
  const auto event = Get<OpenEvent>(
      R"({"type": "open", "session": "s-1", "locale": "zh", "features": ["slots"], "reply": true,
          "end_of_turn": "auto", "turn_timeout_ms": 500, "resume": true, "last_event_id": "k-7",
          "reference_time_ms": 1000, "utc_offset_minutes": 480})");
  const pipeline::UnderstandRequest& request = event.open.request;
  EXPECT_EQ(request.utterance.session, "s-1");
  EXPECT_EQ(request.utterance.locale, domain::Locale::kChinese);
  EXPECT_FALSE(request.want_intent);
  EXPECT_TRUE(request.want_slots);
  EXPECT_TRUE(request.want_reply);
  EXPECT_EQ(request.reference_time, base::WallTime(std::chrono::seconds(1)));
  EXPECT_EQ(request.utc_offset_minutes, 480);
  EXPECT_EQ(event.open.ending, pipeline::TurnEnding::kServer);
  EXPECT_EQ(event.open.turn_timeout, std::chrono::milliseconds(500));
  EXPECT_TRUE(event.resume);
  EXPECT_EQ(event.last_event_id, "k-7");
}

TEST_F(ClientEventTest, AnOpenEventNeedsNoField) {
  const auto event = Get<OpenEvent>(R"({"type": "open"})");
  EXPECT_TRUE(event.open.request.want_intent && event.open.request.want_slots);
  EXPECT_FALSE(event.open.request.want_reply);
  EXPECT_EQ(event.open.request.reference_time, base::WallTime{});
  EXPECT_EQ(event.open.ending, pipeline::TurnEnding::kClient);
  EXPECT_EQ(event.open.turn_timeout.count(), 0);
  EXPECT_FALSE(event.resume);
}

TEST_F(ClientEventTest, ReadsTextSoFarAndWhatIsNew) {
  const auto whole = Get<pipeline::TextUpdate>(R"({"type": "partial", "utterance": "u", "text": "订票"})");
  EXPECT_EQ(whole.utterance, "u");
  EXPECT_EQ(whole.text, "订票");
  EXPECT_FALSE(whole.delta);
  const auto more = Get<pipeline::TextUpdate>(R"({"type": "partial", "delta": " more"})");
  EXPECT_EQ(more.utterance, "");
  EXPECT_EQ(more.text, " more");
  EXPECT_TRUE(more.delta);
  EXPECT_EQ(Get<pipeline::TextUpdate>(R"({"type": "partial", "text": ""})").text, "");
}

TEST_F(ClientEventTest, ReadsFinalAndCancel) {
  EXPECT_FALSE(Get<pipeline::FinalText>(R"({"type": "final"})").text.has_value());
  EXPECT_EQ(Get<pipeline::FinalText>(R"({"type": "final", "text": "a", "utterance": "u"})").text, "a");
  EXPECT_EQ(Get<pipeline::StreamCancel>(R"({"type": "cancel", "utterance": "u"})").utterance, "u");
}

TEST_F(ClientEventTest, SaysWhatIsWrongAndWhere) {
  EXPECT_THAT(Fault("{"), HasSubstr("JSON"));
  EXPECT_THAT(Fault("[]"), HasSubstr("object"));
  EXPECT_THAT(Fault(R"({"text": "a"})"), HasSubstr("/type"));
  EXPECT_THAT(Fault(R"({"type": "close"})"), HasSubstr(R"("open", "partial", "final", "cancel")"));
  EXPECT_THAT(Fault(R"({"type": "partial"})"), HasSubstr("/text"));
  EXPECT_THAT(Fault(R"({"type": "partial", "text": "a", "delta": "b"})"), HasSubstr("not both"));
  EXPECT_THAT(Fault(R"({"type": "final", "delta": "b"})"), HasSubstr("/delta"));
  EXPECT_THAT(Fault(R"({"type": "open", "turn_timeout_ms": 0})"), HasSubstr("/turn_timeout_ms"));
  EXPECT_THAT(Fault(R"({"type": "open", "turn_timeout_ms": 3600001})"), HasSubstr("/turn_timeout_ms"));
  EXPECT_THAT(Fault(R"({"type": "open", "session": "a b"})"), HasSubstr("/session"));
  EXPECT_THAT(Fault(R"({"type": "open", "end_of_turn": "never"})"), HasSubstr(R"("client", "auto")"));
  EXPECT_THAT(Fault(R"({"type": "open", "type": "open"})"), HasSubstr("/type"));
}

TEST_F(ClientEventTest, NamesAreBoundedAtTheirEdge) {
  const auto named = [](std::size_t bytes) {
    return R"({"type": "cancel", "utterance": ")" + std::string(bytes, 'u') + "\"}";
  };
  EXPECT_EQ(Get<pipeline::StreamCancel>(named(128)).utterance.size(), 128u);
  EXPECT_THAT(Fault(named(129)), HasSubstr("/utterance"));
  EXPECT_THAT(Fault(named(0)), HasSubstr("/utterance"));
  const auto resumed = [](std::size_t bytes) {
    return R"({"type": "open", "last_event_id": ")" + std::string(bytes, 'e') + "\"}";
  };
  EXPECT_EQ(Get<OpenEvent>(resumed(64)).last_event_id.size(), 64u);
  EXPECT_THAT(Fault(resumed(65)), HasSubstr("/last_event_id"));
}

}  // namespace
}  // namespace loquat::ingress
