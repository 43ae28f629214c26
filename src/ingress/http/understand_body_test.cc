#include "ingress/http/understand_body.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/load.h"

namespace loquat::ingress {
namespace {

using base::Code;
using pipeline::UnderstandRequest;
using std::chrono::milliseconds;
using testing::HasSubstr;

class UnderstandBodyTest : public testing::Test {
 protected:
  base::Result<UnderstandBody> Parse(std::string_view body) {
    return ParseUnderstandBody(body, kNow, limits_, parser_);
  }
  // Of a request with the text "hi" and these further fields.
  UnderstandRequest Read(std::string_view fields) {
    auto body = Parse(fmt::format(R"({{"text":"hi",{}}})", fields));
    EXPECT_TRUE(body.has_value()) << fields << ": " << body.error().message;
    if (!body.has_value()) return {};
    EXPECT_EQ(body->inputs.size(), 1u);
    return body->inputs.front();
  }
  base::Error Refusal(std::string_view body) {
    auto parsed = Parse(body);
    EXPECT_FALSE(parsed.has_value()) << body;
    return parsed.has_value() ? base::Error{} : parsed.error();
  }
  // "/pointer: message" of an invalid_argument.
  std::string Fault(std::string_view body) {
    const base::Error error = Refusal(body);
    EXPECT_EQ(error.code, Code::kInvalidArgument) << body;
    return error.param + ": " + error.message;
  }
  std::string FieldFault(std::string_view fields) { return Fault(fmt::format(R"({{"text":"hi",{}}})", fields)); }

  static constexpr base::WallTime kNow{milliseconds(1'763'715'600'000)};
  UnderstandBodyLimits limits_;
  base::JsonParser parser_{base::JsonLimits{.max_depth = 16}};
};

TEST_F(UnderstandBodyTest, ATextAloneHasTheDefaultsOfTheRest) {
  const auto body = Parse(R"({"text": "帮我订明天去上海的火车票"})");
  ASSERT_TRUE(body.has_value());
  EXPECT_FALSE(body->batch);
  ASSERT_EQ(body->inputs.size(), 1u);
  const UnderstandRequest& request = body->inputs.front();
  EXPECT_EQ(request.utterance.text, "帮我订明天去上海的火车票");
  EXPECT_EQ(request.utterance.locale, domain::Locale::kAuto);
  EXPECT_EQ(request.utterance.session, "");
  EXPECT_TRUE(request.utterance.final);
  EXPECT_TRUE(request.want_intent);
  EXPECT_TRUE(request.want_slots);
  EXPECT_FALSE(request.want_reply);
  EXPECT_FALSE(request.delivery.has_value());
  EXPECT_EQ(request.callback_url, "");
  EXPECT_EQ(request.reference_time, kNow);
  EXPECT_EQ(request.utc_offset_minutes, 0);
}

TEST_F(UnderstandBodyTest, TakesAnyTextThatIsUnicode) {
  EXPECT_EQ(Parse(R"({"text": ""})")->inputs.front().utterance.text, "");
  EXPECT_EQ(Parse("{\"text\": \"👩‍👩‍👧‍👦🇨🇳\"}")->inputs.front().utterance.text,
            "👩‍👩‍👧‍👦🇨🇳");
  EXPECT_EQ(Parse(R"({"text": "a\u0000b"})")->inputs.front().utterance.text, std::string_view("a\0b", 3));
  EXPECT_EQ(Refusal("{\"text\": \"\xff\"}").code, Code::kInvalidArgument);
  EXPECT_EQ(Refusal(R"({"text": "\ud800"})").code, Code::kInvalidArgument);
}

TEST_F(UnderstandBodyTest, RefusesABodyThatIsNoObjectWithAText) {
  EXPECT_THAT(Fault("[]"), HasSubstr("the body must be an object"));
  EXPECT_THAT(Fault("\"hi\""), HasSubstr("the body must be an object"));
  EXPECT_THAT(Fault("null"), HasSubstr("the body must be an object"));
  EXPECT_EQ(Fault("{}"), "/text: /text is required");
  EXPECT_EQ(Fault(R"({"text": null})"), "/text: /text is required");
  EXPECT_EQ(Fault(R"({"text": 7})"), "/text: /text must be a string, not an integer");
  EXPECT_EQ(Fault(R"({"text": ["hi"]})"), "/text: /text must be a string, not an array");
  for (const std::string_view bad :
       {"", "{", "{\"text\":}", "{\"text\":\"hi\"}}", "{'text':'hi'}", "\xff\xfe", "text=hi", "{\"text\":\"hi\",}"}) {
    const base::Error error = Refusal(bad);
    EXPECT_EQ(error.code, Code::kInvalidArgument) << bad;
    EXPECT_FALSE(error.message.empty()) << bad;
  }
}

TEST_F(UnderstandBodyTest, RefusesUnknownAndRepeatedKeys) {
  EXPECT_THAT(FieldFault(R"("txt": "hi")"), HasSubstr("/txt: unknown key; allowed here: text, locale, session"));
  EXPECT_THAT(FieldFault(R"("text": "ho")"), HasSubstr("/text: this key stands twice"));
  EXPECT_THAT(FieldFault(R"("a/b~": 1)"), HasSubstr("/a~1b~0: unknown key"));
  EXPECT_THAT(FieldFault(R"("Text": 1)"), HasSubstr("/Text: unknown key"));
}

TEST_F(UnderstandBodyTest, RefusesNestingThatNoFieldHas) {
  const std::string deep = std::string(100, '[') + "1" + std::string(100, ']');
  const base::Error error = Refusal(R"({"text":"hi","session":)" + deep + "}");
  EXPECT_EQ(error.code, Code::kInvalidArgument);
  EXPECT_EQ(error.reason, "too_deep");
  EXPECT_EQ(FieldFault(R"("session": [[[]]])"), "/session: /session must be a string, not an array");
}

TEST_F(UnderstandBodyTest, ReadsTheLocale) {
  EXPECT_EQ(Read(R"("locale": "zh")").utterance.locale, domain::Locale::kChinese);
  EXPECT_EQ(Read(R"("locale": "en")").utterance.locale, domain::Locale::kEnglish);
  EXPECT_EQ(Read(R"("locale": "auto")").utterance.locale, domain::Locale::kAuto);
  EXPECT_EQ(Read(R"("locale": null)").utterance.locale, domain::Locale::kAuto);
  EXPECT_EQ(FieldFault(R"("locale": "fr")"), R"(/locale: /locale must be one of "auto", "zh", "en")");
  EXPECT_THAT(FieldFault(R"("locale": "")"), HasSubstr("/locale: "));
  EXPECT_THAT(FieldFault(R"("locale": 1)"), HasSubstr("/locale must be a string"));
}

TEST_F(UnderstandBodyTest, ReadsTheSession) {
  EXPECT_EQ(Read(R"("session": "s-1_.:@Z")").utterance.session, "s-1_.:@Z");
  const std::string longest(context::kSessionIdBytesMax, 's');
  EXPECT_EQ(Read(fmt::format(R"("session": "{}")", longest)).utterance.session, longest);
  for (const std::string_view bad : {"", "a b", "../etc", "é", "a\\u0000b", "a\\n", "<script>", "'; --"}) {
    EXPECT_THAT(FieldFault(fmt::format(R"("session": "{}")", bad)), HasSubstr("/session: a session id has 1 to 128"))
        << bad;
  }
  EXPECT_THAT(FieldFault(fmt::format(R"("session": "{}s")", longest)), HasSubstr("/session: "));
  EXPECT_THAT(FieldFault(R"("session": 42)"), HasSubstr("/session must be a string"));
}

TEST_F(UnderstandBodyTest, ReadsTheFeatures) {
  const UnderstandRequest intent = Read(R"("features": ["intent"])");
  EXPECT_TRUE(intent.want_intent);
  EXPECT_FALSE(intent.want_slots);
  const UnderstandRequest slots = Read(R"("features": ["slots", "slots"])");
  EXPECT_FALSE(slots.want_intent);
  EXPECT_TRUE(slots.want_slots);
  EXPECT_TRUE(Read(R"("features": ["slots", "intent"])").want_intent);
  EXPECT_FALSE(slots.want_embedding);
  const UnderstandRequest embedding = Read(R"("features": ["embedding"])");
  EXPECT_TRUE(embedding.want_embedding);
  EXPECT_FALSE(embedding.want_intent || embedding.want_slots);
  EXPECT_TRUE(Read(R"("features": null)").want_slots);
  Read(R"("features": ["slots","slots","slots","slots","slots","slots","slots","intent"])");
  EXPECT_EQ(FieldFault(R"("features": [])"), "/features: /features must have 1 to 8 items, not 0");
  EXPECT_THAT(FieldFault(R"("features": ["slots","slots","slots","slots","slots","slots","slots","slots","slots"])"),
              HasSubstr("not 9"));
  EXPECT_EQ(FieldFault(R"("features": ["intent", "mood"])"),
            R"(/features/1: /features/1 must be one of "intent", "slots", "embedding")");
  EXPECT_THAT(FieldFault(R"("features": [null])"), HasSubstr("/features/0: /features/0 must be a string"));
  EXPECT_THAT(FieldFault(R"("features": "intent")"), HasSubstr("/features must be an array"));
}

TEST_F(UnderstandBodyTest, ReadsTheDelivery) {
  EXPECT_EQ(Read(R"("delivery": "sync")").delivery, domain::DeliveryMode::kSync);
  EXPECT_EQ(Read(R"("delivery": "callback")").delivery, domain::DeliveryMode::kCallback);
  EXPECT_EQ(Read(R"("delivery": "stream")").delivery, domain::DeliveryMode::kStream);
  EXPECT_FALSE(Read(R"("delivery": "auto")").delivery.has_value());
  EXPECT_THAT(FieldFault(R"("delivery": "pigeon")"), HasSubstr("/delivery must be one of"));
}

TEST_F(UnderstandBodyTest, ReadsTheCallbackUrl) {
  EXPECT_EQ(Read(R"("callback_url": "https://a.example/hook?x=1")").callback_url, "https://a.example/hook?x=1");
  const std::string longest = "http://a.example/" + std::string(kCallbackUrlBytesMax - 17, 'x');
  EXPECT_EQ(Read(fmt::format(R"("callback_url": "{}")", longest)).callback_url.size(), kCallbackUrlBytesMax);
  EXPECT_THAT(FieldFault(fmt::format(R"("callback_url": "{}x")", longest)),
              HasSubstr("/callback_url must have 1 to 2048 bytes, not 2049"));
  EXPECT_EQ(FieldFault(R"("callback_url": "")"), "/callback_url: /callback_url must not be empty");
  EXPECT_THAT(FieldFault(R"("callback_url": {})"), HasSubstr("/callback_url must be a string"));
  for (const std::string_view bad : {"a.example", "ftp://a.example", "file:///etc/passwd", "http://", "https://u:p@a",
                                     "http://a:0/", "http://a b/"}) {
    EXPECT_THAT(FieldFault(fmt::format(R"("callback_url": "{}")", bad)), HasSubstr("must be an http or https URL"))
        << bad;
  }
}

TEST_F(UnderstandBodyTest, ReadsWhetherAReplyIsWanted) {
  EXPECT_TRUE(Read(R"("reply": true)").want_reply);
  EXPECT_FALSE(Read(R"("reply": false)").want_reply);
  EXPECT_EQ(FieldFault(R"("reply": "yes")"), "/reply: /reply must be true or false, not a string");
  EXPECT_THAT(FieldFault(R"("reply": 1)"), HasSubstr("/reply: "));
}

TEST_F(UnderstandBodyTest, ReadsWhatTomorrowCountsFrom) {
  EXPECT_EQ(Read(R"("reference_time_ms": 0)").reference_time, base::WallTime());
  EXPECT_EQ(Read(R"("reference_time_ms": 1700000000123)").reference_time, base::WallTime(milliseconds(1700000000123)));
  // The largest one stands for itself: the clock's nanoseconds do not run over.
  const auto last = Read(fmt::format(R"("reference_time_ms": {})", kReferenceTimeMsMax)).reference_time;
  EXPECT_EQ(std::chrono::duration_cast<milliseconds>(last.time_since_epoch()).count(), kReferenceTimeMsMax);
  EXPECT_GT(last, kNow);
  for (const std::string_view bad : {"-1", "7258118400000", "9223372036854775807", "18446744073709551615"}) {
    EXPECT_THAT(FieldFault(fmt::format(R"("reference_time_ms": {})", bad)),
                HasSubstr("/reference_time_ms must be an integer of 0 to 7258118399999"))
        << bad;
  }
  EXPECT_THAT(FieldFault(R"("reference_time_ms": 1.5)"), HasSubstr("/reference_time_ms must be an integer"));
  EXPECT_THAT(FieldFault(R"("reference_time_ms": "now")"), HasSubstr("/reference_time_ms must be an integer"));
}

TEST_F(UnderstandBodyTest, ReadsTheUsersOffset) {
  EXPECT_EQ(Read(R"("utc_offset_minutes": 480)").utc_offset_minutes, 480);
  EXPECT_EQ(Read(R"("utc_offset_minutes": 840)").utc_offset_minutes, 840);
  EXPECT_EQ(Read(R"("utc_offset_minutes": -840)").utc_offset_minutes, -840);
  EXPECT_THAT(FieldFault(R"("utc_offset_minutes": 841)"), HasSubstr("integer of -840 to 840, not 841"));
  EXPECT_THAT(FieldFault(R"("utc_offset_minutes": -841)"), HasSubstr("/utc_offset_minutes"));
}

TEST_F(UnderstandBodyTest, ATextPastItsLimitIsTooLargeNotWrong) {
  limits_.text_bytes_max = 6;
  EXPECT_EQ(Parse(R"({"text":"上海"})")->inputs.front().utterance.text, "上海");
  const base::Error error = Refusal(R"({"text":"上海!"})");
  EXPECT_EQ(error.code, Code::kResourceExhausted);
  EXPECT_EQ(error.reason, "text_too_large");
  EXPECT_EQ(error.param, "/text");
  EXPECT_THAT(error.message, HasSubstr("7 bytes; at most 6"));
  EXPECT_EQ(Refusal(R"({"inputs":[{"text":"a"},{"text":"1234567"},{"text":"12345678"}]})").param, "/inputs/1/text");
  // What is wrong is said first: more room would not help.
  EXPECT_EQ(Refusal(R"({"text":"1234567","reply":1})").code, Code::kInvalidArgument);
}

TEST_F(UnderstandBodyTest, ABatchKeepsItsOrder) {
  const auto body = Parse(R"({"inputs":[{"text":"a","session":"s"},{"text":"b","reply":true}]})");
  ASSERT_TRUE(body.has_value());
  EXPECT_TRUE(body->batch);
  ASSERT_EQ(body->inputs.size(), 2u);
  EXPECT_EQ(body->inputs[0].utterance.text, "a");
  EXPECT_EQ(body->inputs[0].utterance.session, "s");
  EXPECT_EQ(body->inputs[1].utterance.text, "b");
  EXPECT_EQ(body->inputs[1].utterance.session, "");
  EXPECT_TRUE(body->inputs[1].want_reply);
}

TEST_F(UnderstandBodyTest, ABatchOfOneIsABatch) {
  const auto body = Parse(R"({"inputs":[{"text":"a"}]})");
  ASSERT_TRUE(body.has_value());
  EXPECT_TRUE(body->batch);
}

TEST_F(UnderstandBodyTest, SaysWhichInputOfABatchIsWrong) {
  EXPECT_EQ(Fault(R"({"inputs":[{"text":"a"},{"txt":"b"}]})"), "/inputs/1/text: /inputs/1/text is required");
  EXPECT_THAT(Fault(R"({"inputs":[{"text":"a","x":1}]})"), HasSubstr("/inputs/0/x: unknown key"));
  EXPECT_THAT(Fault(R"({"inputs":[{"text":"a"},{"text":"b","features":["intent","?"]}]})"),
              HasSubstr("/inputs/1/features/1: "));
  EXPECT_THAT(Fault(R"({"inputs":["a"]})"), HasSubstr("/inputs/0: /inputs/0 must be an object, not a string"));
  EXPECT_THAT(Fault(R"({"inputs":[null]})"), HasSubstr("/inputs/0: "));
  EXPECT_THAT(Fault(R"({"inputs":[{"text":"a","text":"b"}]})"), HasSubstr("/inputs/0/text: this key stands twice"));
  EXPECT_THAT(Fault(R"({"inputs":{"text":"a"}})"), HasSubstr("/inputs must be an array"));
  EXPECT_EQ(Fault(R"({"inputs":null})"), "/inputs: /inputs is required");
  EXPECT_THAT(Fault(R"({"inputs":[{"text":"a"}],"text":"b"})"), HasSubstr("/text: unknown key; allowed here: inputs"));
  EXPECT_THAT(Fault(R"({"inputs":[{"text":"a","inputs":[]}]})"), HasSubstr("/inputs/0/inputs: unknown key"));
}

TEST_F(UnderstandBodyTest, ABatchHasOneInputAndNoMoreThanTheLimit) {
  const auto batch = [](std::size_t count) {
    std::string body = R"({"inputs":[)";
    for (std::size_t i = 0; i < count; ++i) body += i == 0 ? R"({"text":"a"})" : R"(,{"text":"a"})";
    return body + "]}";
  };
  EXPECT_EQ(Fault(batch(0)), "/inputs: /inputs must have 1 to 256 items, not 0");
  EXPECT_EQ(Parse(batch(256))->inputs.size(), 256u);
  EXPECT_EQ(Fault(batch(257)), "/inputs: /inputs must have 1 to 256 items, not 257");
  limits_.batch_max = 1;
  EXPECT_TRUE(Parse(batch(1)).has_value());
  EXPECT_FALSE(Parse(batch(2)).has_value());
}

TEST_F(UnderstandBodyTest, OneParserReadsBodyAfterBody) {
  const auto first = Parse(R"({"text":"first"})");
  EXPECT_FALSE(Parse("{").has_value());
  const auto second = Parse(R"({"text":"second"})");
  EXPECT_EQ(first->inputs.front().utterance.text, "first");  // The request owns its strings.
  EXPECT_EQ(second->inputs.front().utterance.text, "second");
}

TEST(UnderstandBodyLimits, HaveRanges) {
  const auto load = [](std::string_view yaml) { return config::LoadText<UnderstandBodyLimits>(yaml, "c.yaml"); };
  EXPECT_EQ(load("text_bytes_max: 1\nbatch_max: 4096\n")->batch_max, 4096u);
  for (const std::string_view bad :
       {"text_bytes_max: 0\n", "text_bytes_max: 1048577\n", "batch_max: 0\n", "batch_max: 4097\n"}) {
    EXPECT_FALSE(load(bad).has_value()) << bad;
  }
}

}  // namespace
}  // namespace loquat::ingress
