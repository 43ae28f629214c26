// Golden JSON: the names here are the API's, and openapi/loquat.yaml describes them.

#include "ingress/http/frame_json.h"

#include <gtest/gtest.h>

#include "base/json_value.h"

namespace loquat::ingress {
namespace {

pipeline::UnderstandRequest Request() {
  pipeline::UnderstandRequest request;
  request.utterance.text = "帮我订去上海的票";
  return request;
}

domain::Frame BookingFrame() {
  domain::Frame frame;
  frame.locale = domain::Locale::kChinese;
  frame.intent_ranking = {{.name = "book_train", .confidence = 0.96875F}, {.name = "weather", .confidence = 0.03125F}};
  frame.slots.push_back({.entity = "city",
                         .role = "to",
                         .group = "1",
                         .value = "上海",
                         .normalized = "SHA",
                         .kind = "code",
                         .confidence = 0.5F,
                         .span = {.byte_begin = 12,
                                  .byte_end = 18,
                                  .codepoint_begin = 4,
                                  .codepoint_end = 6,
                                  .utf16_begin = 4,
                                  .utf16_end = 6}});
  return frame;
}

domain::Session BookingSession() {
  domain::Session session;
  session.id = "s-1";
  session.version = 4;
  session.turn_count = 3;
  session.state.active_intent = "book_train";
  session.state.filled["to"] = {.entity = "city", .role = "to", .value = "上海", .normalized = "SHA", .turn = 3};
  session.state.filled["class"] = {.entity = "class", .role = {}, .value = "2", .normalized = {}, .turn = 1};
  session.state.missing = {"from", "date"};
  session.turns.push_back(
      {.number = 3, .text = "去\"上海\"", .intent = "book_train", .confidence = 0.96875F, .reply = "从哪里?"});
  session.turns.push_back({.number = 4, .text = "", .intent = {}, .reply = {}});
  return session;
}

template <typename F>
std::string Object(F write) {
  std::string out;
  base::JsonWriter json(out);
  json.BeginObject();
  write(json);
  json.EndObject();
  EXPECT_TRUE(base::JsonParser().Parse(out).has_value()) << out;
  return out;
}

TEST(FrameJson, WritesIntentsAndSlotsWithTheirSpans) {
  EXPECT_EQ(Object([](base::JsonWriter& json) { WriteFrame(Request(), BookingFrame(), json); }),
            R"({"text":"帮我订去上海的票","locale":"zh","intent":{"name":"book_train","confidence":0.9688},)"
            R"("intent_ranking":[{"name":"book_train","confidence":0.9688},{"name":"weather","confidence":0.0312}],)"
            R"("out_of_scope":false,"slots":[{"name":"to","entity":"city","role":"to","group":"1","value":"上海",)"
            R"("normalized":"SHA","kind":"code","confidence":0.5000,)"
            R"("span":{"byte":[12,18],"codepoint":[4,6],"utf16":[4,6]}}]})");
}

TEST(FrameJson, LeavesOutWhatASlotLacks) {
  domain::Frame frame;
  frame.locale = domain::Locale::kEnglish;
  frame.slots.push_back({.entity = "city",
                         .role = {},
                         .group = {},
                         .value = "Paris",
                         .normalized = {},
                         .kind = {},
                         .confidence = 1,
                         .span = {}});
  pipeline::UnderstandRequest request = Request();
  request.utterance.text = "Paris";
  request.want_intent = false;
  EXPECT_EQ(Object([&](base::JsonWriter& json) { WriteFrame(request, frame, json); }),
            R"({"text":"Paris","locale":"en","slots":[{"name":"city","entity":"city","value":"Paris",)"
            R"("confidence":1.0000,"span":{"byte":[0,0],"codepoint":[0,0],"utf16":[0,0]}}]})");
}

TEST(FrameJson, TextWithoutATokenHasANullIntent) {
  domain::Frame frame;
  frame.out_of_scope = true;
  pipeline::UnderstandRequest request;
  request.want_slots = false;
  EXPECT_EQ(Object([&](base::JsonWriter& json) { WriteFrame(request, frame, json); }),
            R"({"text":"","locale":"auto","intent":null,"intent_ranking":[],"out_of_scope":true})");
}

TEST(FrameJson, SaysHowMuchWasNotLookedAt) {
  domain::Frame frame;
  frame.truncated_tokens = 17;
  pipeline::UnderstandRequest request;
  request.want_intent = request.want_slots = false;
  EXPECT_EQ(Object([&](base::JsonWriter& json) { WriteFrame(request, frame, json); }),
            R"({"text":"","locale":"auto","truncated_tokens":17})");
}

TEST(FrameJson, WritesTheStagesThatRan) {
  std::string out;
  base::JsonWriter json(out);
  WriteTimings({.tokenize = 1.25F, .intent = 20, .total = 31.06F}, json);
  EXPECT_EQ(out, R"({"tokenize":1.2,"intent":20.0,"total":31.1})");
  out.clear();
  base::JsonWriter every(out);
  WriteTimings({.queue = 1, .tokenize = 2, .intent = 3, .slots = 4, .context = 5, .response = 6, .total = 7}, every);
  EXPECT_EQ(out, R"({"queue":1.0,"tokenize":2.0,"intent":3.0,"slots":4.0,"context":5.0,"response":6.0,"total":7.0})");
}

TEST(FrameJson, AnAnswerHasSessionReplyAndDelivery) {
  pipeline::UnderstandRequest request;
  request.want_intent = request.want_slots = false;
  pipeline::UnderstandAnswer answer;
  answer.delivery = {.mode = domain::DeliveryMode::kSync, .reason = "confidence 0.97 >= 0.92"};
  const std::string bare = Object([&](base::JsonWriter& json) { WriteAnswer("r-1", request, answer, json); });
  EXPECT_EQ(bare, R"({"id":"r-1","text":"","locale":"auto",)"
                  R"("delivery":{"mode":"sync","reason":"confidence 0.97 >= 0.92"},"timings_us":{}})");
  answer.session = std::make_shared<const domain::Session>(BookingSession());
  answer.reply = domain::Reply{.text = "从哪里出发?", .delivery = {}};
  EXPECT_EQ(Object([&](base::JsonWriter& json) { WriteAnswer("r-1", request, answer, json); }),
            R"({"id":"r-1","text":"","locale":"auto",)"
            R"("session":{"id":"s-1","turn":3,"active_intent":"book_train",)"
            R"("filled":{"class":{"value":"2","turn":1},"to":{"value":"上海","normalized":"SHA","turn":3}},)"
            R"("missing":["from","date"]},"reply":{"text":"从哪里出发?","source":"template"},)"
            R"("delivery":{"mode":"sync","reason":"confidence 0.97 >= 0.92"},"timings_us":{}})");
}

TEST(SessionJson, ShowsTheTurns) {
  std::string out;
  base::JsonWriter json(out);
  WriteSession(BookingSession(), json);
  EXPECT_EQ(out, R"({"id":"s-1","version":4,"turn":3,"active_intent":"book_train",)"
                 R"("filled":{"class":{"value":"2","turn":1},"to":{"value":"上海","normalized":"SHA","turn":3}},)"
                 R"("missing":["from","date"],)"
                 R"("turns":[{"number":3,"text":"去\"上海\"","intent":"book_train","confidence":0.9688,)"
                 R"("reply":"从哪里?"},{"number":4,"text":"","confidence":0.0000}]})");
}

TEST(SessionJson, AnIdleSessionHasANullIntent) {
  std::string out;
  base::JsonWriter json(out);
  domain::Session session;
  session.id = "s";
  WriteSessionState(session, json);
  EXPECT_EQ(out, R"({"id":"s","turn":0,"active_intent":null,"filled":{},"missing":[]})");
}

TEST(LocaleName, IsWhatTheApiSays) {
  EXPECT_EQ(domain::LocaleName(domain::Locale::kChinese), "zh");
  EXPECT_EQ(domain::LocaleName(domain::Locale::kEnglish), "en");
  EXPECT_EQ(domain::LocaleName(domain::Locale::kAuto), "auto");
}

TEST(FrameJson, AnEmbeddingAndNotesStandWhereThereAreAny) {
  domain::Frame frame;
  frame.locale = domain::Locale::kEnglish;
  pipeline::UnderstandRequest request;
  request.want_intent = request.want_slots = false;
  EXPECT_EQ(Object([&](base::JsonWriter& json) { WriteFrame(request, frame, json); }), R"({"text":"","locale":"en"})");
  frame.embedding = {0.5F, -1.0F};
  frame.notes.push_back({.feature = "intent",
                         .model = "bert",
                         .error = {.code = base::Code::kUnavailable, .message = "away", .reason = "stopping"}});
  EXPECT_EQ(
      Object([&](base::JsonWriter& json) { WriteFrame(request, frame, json); }),
      R"({"text":"","locale":"en","embedding":[0.5000000,-1.0000000],"notes":[{"feature":"intent","model":"bert",)"
      R"("code":"unavailable","reason":"stopping","message":"away"}]})");
}

TEST(FrameJson, AReplySaysWhatAModelHadToDoWithIt) {
  domain::Reply reply{.text = "Hi", .source = domain::ReplySource::kModel, .delivery = {}, .generation = {}};
  reply.generation = domain::ReplyGeneration{.model = "chat", .reason = "out of scope", .failed = {}};
  const auto written = [&reply] {
    std::string out;
    base::JsonWriter json(out);
    WriteReply(reply, json);
    return out;
  };
  EXPECT_EQ(written(), R"({"text":"Hi","source":"model","model":"chat","reason":"out of scope"})");
  reply.generation->cut = true;
  reply.generation->turns_left_out = 2;
  EXPECT_EQ(written(), R"({"text":"Hi","source":"model","model":"chat","reason":"out of scope","cut":true,)"
                       R"("turns_left_out":2})");
  reply = {.text = "Pardon?", .delivery = {}, .generation = reply.generation};
  reply.generation->cut = false;
  reply.generation->turns_left_out = 0;
  reply.generation->failed = base::DeadlineExceeded("late");
  EXPECT_EQ(written(), R"({"text":"Pardon?","source":"template","model":"chat","reason":"out of scope",)"
                       R"("failed":{"code":"deadline_exceeded","message":"late"}})");
}

}  // namespace
}  // namespace loquat::ingress
