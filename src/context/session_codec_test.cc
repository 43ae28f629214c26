#include "context/session_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace loquat::context {
namespace {

using testing::HasSubstr;

domain::Session Sample() {
  domain::Session session;
  session.id = "s-1";
  session.version = 7;
  session.turn_count = 12;
  session.taken_by = {{"a.0", 5}, {"b-1", 7}};
  session.turns.push_back({.number = 11,
                           .text = "去上海 \"now\"\n",
                           .intent = "book_train",
                           .confidence = 0.97F,
                           .reply = "从哪里出发?",
                           .at = base::WallTime(std::chrono::microseconds(1'764'000'000'123'456))});
  session.turns.push_back({.number = 12, .text = "", .intent = "", .reply = ""});
  session.state.active_intent = "book_train";
  session.state.filled["to"] = {.entity = "city", .role = "to", .value = "上海", .normalized = "Shanghai", .turn = 11};
  session.state.missing = {"from", "date"};
  session.state.asked = "from";
  session.state.suspended.push_back({.intent = "weather", .filled = session.state.filled});
  return session;
}

base::Result<domain::Session> Decode(std::string_view bytes, std::string_view id = "s-1") {
  base::JsonParser parser = SessionParser();
  return DecodeSession(bytes, id, parser);
}

std::string Refusal(std::string_view bytes) {
  const auto session = Decode(bytes);
  EXPECT_FALSE(session.has_value()) << bytes;
  if (session.has_value()) return {};
  EXPECT_EQ(session.error().code, base::Code::kDataLoss);
  EXPECT_EQ(session.error().reason, "session_unreadable");
  return session.error().message;
}

TEST(SessionCodec, GivesBackWhatItWasGiven) {
  const domain::Session before = Sample();
  const auto bytes = EncodeSession(before);
  ASSERT_TRUE(bytes.has_value());
  EXPECT_THAT(*bytes, testing::StartsWith("LQS1 7 {"));
  const auto after = Decode(*bytes);
  ASSERT_TRUE(after.has_value()) << after.error().message;
  EXPECT_EQ(after->id, before.id);
  EXPECT_EQ(after->version, 7u);
  EXPECT_EQ(after->turn_count, 12u);
  EXPECT_EQ(after->state, before.state);
  EXPECT_EQ(after->taken_by, before.taken_by);
  ASSERT_EQ(after->turns.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(after->turns[i].number, before.turns[i].number);
    EXPECT_EQ(after->turns[i].text, before.turns[i].text);
    EXPECT_EQ(after->turns[i].intent, before.turns[i].intent);
    EXPECT_EQ(after->turns[i].confidence, before.turns[i].confidence);
    EXPECT_EQ(after->turns[i].reply, before.turns[i].reply);
    EXPECT_EQ(after->turns[i].at, before.turns[i].at);
  }
}

TEST(SessionCodec, PassesOverFieldsOfNewerVersions) {
  const auto session =
      Decode(R"(LQS1 2 {"id":"s-1","mood":[1,{"a":2}],"turn_count":1,"turns":[{"n":1,"text":"a","voice":true}],)"
             R"("state":{"goals":{"x":1},"filled":{"to":{"value":"b","source":"gps"}}}})");
  ASSERT_TRUE(session.has_value()) << session.error().message;
  EXPECT_EQ(session->turns.front().text, "a");
  EXPECT_EQ(session->state.filled.at("to").value, "b");
}

TEST(SessionCodec, RefusesWhatIsNoSessionAndSaysWhy) {
  EXPECT_THAT(Refusal(""), HasSubstr("no session of Loquat"));
  EXPECT_THAT(Refusal("{\"user\": 7}"), HasSubstr("no session of Loquat"));
  EXPECT_THAT(Refusal("LQS2 7 xyz"), HasSubstr("does not know"));
  EXPECT_THAT(Refusal("LQS1 {\"id\":\"s-1\"}"), HasSubstr("no version"));
  EXPECT_THAT(Refusal("LQS1 0 {\"id\":\"s-1\"}"), HasSubstr("no version"));
  EXPECT_THAT(Refusal("LQS1 18446744073709551616 {\"id\":\"s-1\"}"), HasSubstr("no version"));
  EXPECT_THAT(Refusal("LQS1 7 {\"id\":\"s-1\""), HasSubstr("cannot be read"));
  EXPECT_THAT(Refusal("LQS1 7 {\"id\":\"s-2\"}"), HasSubstr("another id"));
  EXPECT_THAT(Refusal("LQS1 7 {\"id\":\"s-1\",\"turn_count\":\"many\"}"), HasSubstr("integer"));
  EXPECT_THAT(Refusal("LQS1 7 {\"id\":\"s-1\",\"turns\":[{\"at\":-1}]}"), HasSubstr("cannot be read"));
  Refusal("LQS1 7 {\"id\":\"s-1\",\"taken_by\":{\"a\":-1}}");
  Refusal("LQS1 7 {\"id\":\"s-1\",\"taken_by\":[1]}");
  Refusal("LQS1 7 {\"id\":\"s-1\",\"state\":{\"filled\":[1]}}");
  Refusal("LQS1 7 {\"id\":\"s-1\",\"x\":[[[[[[[[[1]]]]]]]]]}");
}

std::string WithTurns(std::size_t turns) {
  std::string bytes = "LQS1 7 {\"id\":\"s-1\",\"turns\":[";
  for (std::size_t i = 0; i < turns; ++i) bytes += i == 0 ? "{}" : ",{}";
  return bytes + "]}";
}

std::string WithSlots(std::size_t slots) {
  std::string bytes = "LQS1 7 {\"id\":\"s-1\",\"state\":{\"filled\":{";
  for (std::size_t i = 0; i < slots; ++i) bytes += (i == 0 ? "\"s" : ",\"s") + std::to_string(i) + "\":{}";
  return bytes + "}}}";
}

TEST(SessionCodec, HoldsItsBoundsAtTheirEdges) {
  EXPECT_TRUE(Decode(WithTurns(kDecodedTurnsMax)).has_value());
  Refusal(WithTurns(kDecodedTurnsMax + 1));
  EXPECT_TRUE(Decode(WithSlots(kDecodedSlotsMax)).has_value());
  EXPECT_THAT(Refusal(WithSlots(kDecodedSlotsMax + 1)), HasSubstr("more than"));
  EXPECT_THAT(Refusal(std::string(kEncodedSessionBytesMax + 1, ' ')), HasSubstr("bytes"));
}

TEST(SessionCodec, LeavesOutTheOldestTurnsOfASessionThatIsTooLarge) {
  domain::Session session = Sample();
  session.turns.clear();
  for (std::uint64_t i = 1; i <= 10; ++i) {
    session.turns.push_back({.number = i, .text = std::string(std::size_t{1} << 19, 'x'), .intent = {}, .reply = {}});
  }
  const auto bytes = EncodeSession(session);
  ASSERT_TRUE(bytes.has_value());
  EXPECT_LE(bytes->size(), kEncodedSessionBytesMax);
  const auto after = Decode(*bytes);
  ASSERT_TRUE(after.has_value()) << after.error().message;
  EXPECT_EQ(after->turns.back().number, 10u);
  EXPECT_EQ(after->turns.size(), 7u);
  session.state.asked = std::string(kEncodedSessionBytesMax, 'x');
  EXPECT_EQ(EncodeSession(session).error().reason, "session_too_large");
}

}  // namespace
}  // namespace loquat::context
