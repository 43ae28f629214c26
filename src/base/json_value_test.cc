// json_value.h and json_scan.h.

#include "base/json_value.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "base/json_scan.h"
#include "base/random.h"

namespace loquat::base {
namespace {

using testing::HasSubstr;

TEST(JsonValue, GivesEachTypeAndRefusesTheOthers) {
  JsonParser parser;
  const Result<JsonValue> root =
      parser.Parse(R"({"s":"\u5929\"","i":-3,"u":18446744073709551615,"d":0.5,"t":true,"n":null,"a":[1],"o":{}})");
  ASSERT_TRUE(root.has_value());
  const JsonObject object = root->AsObject().value();
  EXPECT_EQ(object.size(), 8U);
  EXPECT_EQ(object.Find("s").AsString().value(), "\xE5\xA4\xA9\"");
  EXPECT_EQ(object.Find("i").AsInt().value(), -3);
  EXPECT_EQ(object.Find("i").AsDouble().value(), -3.0);
  EXPECT_EQ(object.Find("u").AsUint().value(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(object.Find("u").AsDouble().value(), 18446744073709551616.0);
  EXPECT_EQ(object.Find("d").AsDouble().value(), 0.5);
  EXPECT_TRUE(object.Find("t").AsBool().value());
  EXPECT_TRUE(object.Find("n").is_null());
  EXPECT_EQ(object.Find("a").AsArray().value().size(), 1U);
  EXPECT_TRUE(object.Find("o").AsObject().value().empty());

  EXPECT_EQ(object.Find("s").AsInt().error().message, "expected an integer, found a string");
  EXPECT_EQ(object.Find("d").AsInt().error().message, "expected an integer, found a number");
  EXPECT_THAT(object.Find("u").AsInt().error().message, HasSubstr("9223372036854775807"));
  EXPECT_THAT(object.Find("i").AsUint().error().message, HasSubstr("at least 0"));
  EXPECT_EQ(object.Find("d").AsUint().error().message, "expected an integer, found a number");
  EXPECT_EQ(object.Find("t").AsString().error().message, "expected a string, found a boolean");
  EXPECT_EQ(object.Find("a").AsObject().error().message, "expected an object, found an array");
  EXPECT_EQ(object.Find("o").AsArray().error().message, "expected an array, found an object");
  EXPECT_EQ(object.Find("n").AsBool().error().message, "expected a boolean, found null");
  EXPECT_EQ(object.Find("o").AsDouble().error().message, "expected a number, found an object");
}

TEST(JsonValue, IteratesInOrder) {
  JsonParser parser;
  const JsonValue root = parser.Parse(R"([{"b":1,"a":2},[],3])").value();
  std::vector<JsonType> types;
  for (const JsonValue item : root.AsArray().value()) types.push_back(item.type());
  EXPECT_EQ(types, (std::vector{JsonType::kObject, JsonType::kArray, JsonType::kInt}));
  std::string keys;
  const JsonArray array = root.AsArray().value();
  for (const auto [key, value] : (*array.begin()).AsObject().value()) {
    keys.append(key).append(std::to_string(value.AsInt().value()));
  }
  EXPECT_EQ(keys, "b1a2");
}

TEST(JsonValue, DefaultsAreNullAndEmpty) {
  EXPECT_TRUE(JsonValue().is_null());
  EXPECT_FALSE(JsonValue().AsString().has_value());
  EXPECT_TRUE(JsonArray().empty());
  EXPECT_EQ(JsonArray().size(), 0U);
  EXPECT_TRUE(JsonObject().empty());
  EXPECT_EQ(JsonObject().size(), 0U);
  EXPECT_TRUE(JsonObject().Find("x").is_null());
  EXPECT_FALSE(JsonObject().FindDuplicateKey().found);
}

TEST(JsonValue, FindTellsMissingFromNullByHas) {
  JsonParser parser;
  const JsonObject object = parser.Parse(R"({"null":null,"":1})").value().AsObject().value();
  EXPECT_TRUE(object.Find("null").is_null());
  EXPECT_TRUE(object.Has("null"));
  EXPECT_TRUE(object.Find("none").is_null());
  EXPECT_FALSE(object.Has("none"));
  EXPECT_EQ(object.Find("").AsInt().value(), 1);
}

TEST(JsonValue, FindsDuplicateKeysInSmallAndLargeObjects) {
  JsonParser parser;
  for (const int size : {2, 16, 17, 500}) {
    std::string unique = "{";
    for (int i = 0; i < size; ++i) unique += (i == 0 ? "\"k" : ",\"k") + std::to_string(i) + "\":{\"k\":1}";
    const std::string twice = unique + R"(,"\u006b1":0})";  // k1 again, by an escape.
    unique += "}";
    EXPECT_FALSE(parser.Parse(unique).value().AsObject().value().FindDuplicateKey().found) << size;
    const JsonObject object = parser.Parse(twice).value().AsObject().value();
    EXPECT_TRUE(object.FindDuplicateKey().found) << size;
    EXPECT_EQ(object.FindDuplicateKey().key, "k1");
  }
}

TEST(JsonParser, RefusesAtTheByteLimit) {
  JsonParser parser({.max_bytes = 4});
  EXPECT_EQ(parser.limits().max_bytes, 4U);
  EXPECT_TRUE(parser.Parse("1234").has_value());
  const Error error = parser.Parse("12345").error();
  EXPECT_EQ(error.code, Code::kResourceExhausted);
  EXPECT_EQ(error.reason, "too_large");
}

TEST(JsonParser, RefusesAtTheDepthLimit) {
  for (const std::size_t depth : {std::size_t{0}, std::size_t{1}, std::size_t{5}, JsonLimits::kDefaultMaxDepth}) {
    JsonParser parser({.max_depth = depth});
    const std::string good = std::string(depth, '[') + "0" + std::string(depth, ']');
    EXPECT_TRUE(parser.Parse(good).has_value()) << depth;
    const Error error = parser.Parse("[" + good + "]").error();
    EXPECT_EQ(error.code, Code::kResourceExhausted);
    EXPECT_EQ(error.reason, "too_deep");
    EXPECT_THAT(error.message, HasSubstr("at byte " + std::to_string(depth)));
  }
}

TEST(JsonParser, EmptyContainersDoNotCountAsDepth) {
  JsonParser parser({.max_depth = 1});
  EXPECT_TRUE(parser.Parse(R"([{ },[ ]])").has_value());
  EXPECT_EQ(parser.Parse("[[[]]]").error().reason, "too_deep");
  EXPECT_EQ(parser.Parse(R"([{"a":1}])").error().reason, "too_deep");
}

TEST(JsonParser, SurvivesDeepNestingOfAMegabyte) {
  JsonParser parser;
  EXPECT_EQ(parser.Parse(std::string(1 << 20, '[')).error().reason, "too_deep");
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += R"({"a":)";
  EXPECT_EQ(parser.Parse(objects).error().reason, "too_deep");
}

TEST(JsonParser, IsReusedAfterGoodAndBadTexts) {
  JsonParser parser;
  EXPECT_TRUE(parser.Parse("[1]").has_value());
  EXPECT_FALSE(parser.Parse("[1").has_value());
  const std::string large = "[" + std::string(100000, ' ') + "2]";
  EXPECT_TRUE(parser.Parse(large).has_value());
  JsonParser moved = std::move(parser);
  EXPECT_EQ(moved.Parse("\"x\"").value().AsString().value(), "x");
}

TEST(JsonParser, KeepsItsLimitsAfterLettingGoOfLargeBuffers) {
  JsonParser parser({.max_depth = 2});
  EXPECT_TRUE(parser.Parse("[" + std::string(JsonParser::kKeptBytes, ' ') + "1]").has_value());
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(parser.Parse("[[1]]").has_value());
    EXPECT_EQ(parser.Parse("[[[1]]]").error().reason, "too_deep");
  }
}

TEST(JsonParser, ValuesOutliveTheText) {
  JsonParser parser;
  JsonValue value;
  {
    std::string text = R"(["gone soon"])";
    value = parser.Parse(text).value();
    text.assign(text.size(), '!');
  }
  EXPECT_EQ((*value.AsArray().value().begin()).AsString().value(), "gone soon");
}

struct Bad {
  std::string_view json;
  std::size_t offset;
  std::string_view what;
};

TEST(JsonParser, SaysWhatIsWrongAndWhere) {
  const Bad cases[] = {
      {"", 0, "empty"},
      {"  ", 2, "ends too early"},
      {"[1", 2, "ends too early"},
      {"[1 2]", 3, "a comma or ] is missing"},
      {R"({"a" 1})", 5, "a colon is missing"},
      {R"({"a":1 "b":2})", 7, "a comma or } is missing"},
      {"{a:1}", 1, "a key in quotes"},
      {R"({"a":1,})", 7, "a key in quotes"},
      {"[1,]", 3, "a value is missing"},
      {"[01]", 2, "needless zero"},
      {"[1.]", 3, "a digit is missing"},
      {"[1e+]", 4, "a digit is missing"},
      {"[-]", 2, "a digit is missing"},
      {"[+1]", 1, "a value is missing"},
      {"[nul]", 1, "a value is missing"},
      {"1 2", 2, "text after the end"},
      {"[]]", 2, "text after the end"},
      {"\"a\nb\"", 2, "control character"},
      {"\"abc", 4, "no closing quote"},
      {"\"\\x\"", 2, "an escape is unknown"},
      {"\"\\u12g4\"", 5, "four hexadecimal digits"},
      {"\"\\ud800\"", 7, "no second half"},
      {"\"\\ud800\\u0041\"", 13, "no second half"},
      {"\"\\udc00\"", 7, "no first half"},
      {"[\"a\xFF\"]", 3, "not UTF-8"},
      {"[18446744073709551616]", 1, "out of range"},
      {"[-9223372036854775809]", 1, "out of range"},
      {"[1e999]", 1, "out of range"},
      {"[-12.5e999999999999999999999]", 1, "out of range"},
  };
  JsonParser parser;
  for (const Bad& bad : cases) {
    SCOPED_TRACE(bad.json);
    const Result<JsonValue> value = parser.Parse(bad.json);
    ASSERT_FALSE(value.has_value());
    EXPECT_EQ(value.error().code, Code::kInvalidArgument);
    EXPECT_THAT(value.error().message, HasSubstr(bad.what));
    EXPECT_THAT(value.error().message, HasSubstr("at byte " + std::to_string(bad.offset)));
  }
}

// json_scan.h follows RFC 8259 by the letter; the parser must agree with it on every text.
void ExpectSameVerdict(JsonParser& parser, std::string_view json) {
  const bool parsed = parser.Parse(json).has_value();
  const JsonFault fault = FindJsonFault(json, parser.limits().max_depth);
  ASSERT_EQ(parsed, fault.kind == JsonFault::Kind::kNone) << json << " " << fault.what << " " << fault.offset;
}

TEST(JsonScan, AgreesWithTheParserOnMutatedTexts) {
  constexpr std::uint64_t kSeed = 99;
  SCOPED_TRACE(kSeed);
  Random random(kSeed);
  JsonParser parser({.max_depth = 6});
  constexpr std::string_view kAlphabet = "[]{}:,\"\\ue+-.0123456789 \n\tatrlsnfd\xC3\xA9\xFF/";
  const std::vector<std::string> seeds = {
      R"({"a":[1,-2.5e+3,true,false,null,"x\u00e9\ud83d\ude00\n"],"b":{"c":{}}})", R"([[[[[[]]]]],0,-0,1e-400,0.0e9])",
      "\"caf\xC3\xA9\"", R"([18446744073709551615,-9223372036854775808,1e308,123456789012345678901.5])"};
  for (int round = 0; round < 60000; ++round) {
    std::string text = seeds[random.Below(seeds.size())];
    for (std::uint64_t edits = random.Below(4); edits > 0 && !text.empty(); --edits) {
      const std::size_t at = random.Below(text.size());
      const char c = kAlphabet[random.Below(kAlphabet.size())];
      const std::uint64_t kind = random.Below(3);
      if (kind == 0) text[at] = c;
      if (kind == 1) text.insert(at, 1, c);
      if (kind == 2) text.erase(at, 1);
    }
    ExpectSameVerdict(parser, text);
  }
}

TEST(JsonScan, AgreesWithTheParserOnExtremeNumbers) {
  JsonParser parser;
  for (const std::string_view number :
       {"0e999", "0.0e999999999999999999999", "-0.0", "1e-999", "1e-99999999999999999999", "1e308", "1e309", "1.8e308",
        "0.00001e313", "0.00001e314", "10000e304", "10000e305", "-1e309", "1E400", "123e+400", "4.9e-324", "1e-330"}) {
    ExpectSameVerdict(parser, number);
  }
  ExpectSameVerdict(parser, std::string(400, '9') + ".0");
  ExpectSameVerdict(parser, "0." + std::string(400, '0') + "1");
  ExpectSameVerdict(parser, "0." + std::string(400, '0') + "1e400");
}

TEST(JsonTypeName, ReadsInASentence) {
  EXPECT_EQ(JsonTypeName(JsonType::kNull), "null");
  EXPECT_EQ(JsonTypeName(JsonType::kUint), "an integer");
  EXPECT_EQ(JsonTypeName(static_cast<JsonType>(99)), "an unknown value");
}

}  // namespace
}  // namespace loquat::base
