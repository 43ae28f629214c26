#include "base/json_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <vector>

namespace loquat::base {
namespace {

using testing::HasSubstr;

// Parses, reads, and returns the first fault (a default Error if there is none).
Error FaultOf(std::string_view json, const std::function<void(JsonFields&)>& read) {
  JsonParser parser;
  const JsonValue root = parser.Parse(json).value();
  JsonFaults faults;
  JsonFields body(root, faults);
  read(body);
  return faults.ok() ? Error{} : faults.status().error();
}

void ExpectFault(const Error& error, std::string_view pointer, std::string_view message) {
  EXPECT_EQ(error.code, Code::kInvalidArgument);
  EXPECT_EQ(error.param, pointer);
  EXPECT_THAT(error.message, HasSubstr(message));
}

enum class Color { kNone, kRed, kBlue };

TEST(JsonFields, ReadsAWholeBody) {
  JsonParser parser;
  const JsonValue root =
      parser.Parse(R"({"text":"hi","n":3,"p":0.25,"on":true,"color":"blue","list":["a","b"],"in":{"k":1},"null":null})")
          .value();
  JsonFaults faults;
  JsonFields body(root, faults);
  EXPECT_EQ(body.Required("text").String({.min_bytes = 1, .max_bytes = 2}), "hi");
  EXPECT_EQ(body.Required("n").Int({.min = 3, .max = 3}), 3);
  EXPECT_EQ(body.Required("p").Number({.min = 0, .max = 1}), 0.25);
  EXPECT_TRUE(body.Required("on").Bool());
  EXPECT_EQ(body.Required("color").Enum<Color>({{"red", Color::kRed}, {"blue", Color::kBlue}}, Color::kNone),
            Color::kBlue);
  std::vector<std::string_view> items;
  body.Required("list").Each({.min_items = 2, .max_items = 2},
                             [&](const JsonField& item) { items.push_back(item.String({})); });
  EXPECT_EQ(items, (std::vector<std::string_view>{"a", "b"}));
  {
    JsonFields in = body.Required("in").Fields();
    EXPECT_EQ(in.Required("k").Int({}), 1);
    in.Done();
  }
  EXPECT_TRUE(body.Has("null"));
  EXPECT_FALSE(body.Optional("null").present());
  body.Done();
  EXPECT_TRUE(faults.status().has_value());
}

TEST(JsonFields, MissingOptionalFieldsGiveTheirFallbacks) {
  const Error error = FaultOf("{}", [](JsonFields& body) {
    EXPECT_EQ(body.Optional("s").String({.min_bytes = 1}, "fallback"), "fallback");
    EXPECT_EQ(body.Optional("i").Int({.min = 1}, 9), 9);
    EXPECT_EQ(body.Optional("d").Number({.min = 1}, 9.5), 9.5);
    EXPECT_TRUE(body.Optional("b").Bool(true));
    EXPECT_EQ(body.Optional("e").Enum<Color>({{"red", Color::kRed}}, Color::kNone), Color::kNone);
    body.Optional("l").Each({.min_items = 1}, [](const JsonField&) { ADD_FAILURE(); });
    JsonFields in = body.Optional("o").Fields();
    EXPECT_EQ(in.Required("required in what is not there").String({}), "");
    in.Done();
    body.Done();
  });
  EXPECT_EQ(error.code, Code::kUnknown) << error.message;
}

TEST(JsonFields, MissingOrNullRequiredFieldsAreFaults) {
  const auto read = [](JsonFields& body) { body.Required("text").String({}); };
  ExpectFault(FaultOf("{}", read), "/text", "/text is required");
  ExpectFault(FaultOf(R"({"text":null})", read), "/text", "/text is required");
}

TEST(JsonFields, WrongTypesSayWhatIsAllowed) {
  const auto fault = [](std::string_view json, const std::function<void(const JsonField&)>& read) {
    return FaultOf(json, [&](JsonFields& body) { read(body.Required("x")); });
  };
  ExpectFault(fault(R"({"x":1})", [](const JsonField& x) { x.String({}); }), "/x", "must be a string, not an integer");
  ExpectFault(fault(R"({"x":"1"})", [](const JsonField& x) { x.Int({}); }), "/x", "must be an integer, not a string");
  ExpectFault(fault(R"({"x":1.5})", [](const JsonField& x) { x.Int({}); }), "/x", "must be an integer, not a number");
  ExpectFault(fault(R"({"x":[]})", [](const JsonField& x) { x.Number({}); }), "/x", "must be a number, not an array");
  ExpectFault(fault(R"({"x":0})", [](const JsonField& x) { x.Bool(); }), "/x", "must be true or false");
  ExpectFault(fault(R"({"x":{}})", [](const JsonField& x) { x.Each({}, [](const JsonField&) {}); }), "/x",
              "must be an array, not an object");
  ExpectFault(fault(R"({"x":true})", [](const JsonField& x) { x.Fields(); }), "/x", "must be an object, not a boolean");
  ExpectFault(fault(R"({"x":7})", [](const JsonField& x) { x.Enum<int>({{"a", 1}}, 0); }), "/x", "must be a string");
  ExpectFault(fault(R"({"x":"c"})",
                    [](const JsonField& x) {
                      x.Enum<int>({{"a", 1}, {"b", 2}}, 0);
                    }),
              "/x", R"(must be one of "a", "b")");
}

TEST(JsonFields, BoundsHoldAtTheirEdges) {
  const auto text = [](StringLimits limits) {
    return [limits](JsonFields& body) { body.Required("x").String(limits); };
  };
  EXPECT_EQ(FaultOf(R"({"x":"abc"})", text({.min_bytes = 3, .max_bytes = 3})).message, "");
  ExpectFault(FaultOf(R"({"x":"abcd"})", text({.max_bytes = 3})), "/x", "at most 3 bytes, not 4");
  ExpectFault(FaultOf(R"({"x":"ab"})", text({.min_bytes = 3})), "/x", "at least 3 bytes, not 2");
  ExpectFault(FaultOf(R"({"x":"ab"})", text({.min_bytes = 3, .max_bytes = 5})), "/x", "3 to 5 bytes, not 2");
  ExpectFault(FaultOf(R"({"x":""})", text({.min_bytes = 1})), "/x", "must not be empty");

  const auto whole = [](JsonFields& body) { body.Required("x").Int({.min = -1, .max = 5}); };
  EXPECT_EQ(FaultOf(R"({"x":-1})", whole).message, "");
  EXPECT_EQ(FaultOf(R"({"x":5})", whole).message, "");
  ExpectFault(FaultOf(R"({"x":6})", whole), "/x", "an integer of -1 to 5, not 6");
  ExpectFault(FaultOf(R"({"x":-2})", whole), "/x", "an integer of -1 to 5, not -2");
  ExpectFault(FaultOf(R"({"x":18446744073709551615})", whole), "/x", "an integer of -1 to 5");

  const auto real = [](JsonFields& body) { body.Required("x").Number({.min = 0, .max = 2}); };
  EXPECT_EQ(FaultOf(R"({"x":2})", real).message, "");
  ExpectFault(FaultOf(R"({"x":2.5})", real), "/x", "a number of 0 to 2, not 2.5");

  const auto list = [](JsonFields& body) {
    body.Required("x").Each({.min_items = 1, .max_items = 2}, [](const JsonField&) {});
  };
  EXPECT_EQ(FaultOf(R"({"x":[1,2]})", list).message, "");
  ExpectFault(FaultOf(R"({"x":[]})", list), "/x", "1 to 2 items, not 0");
  ExpectFault(FaultOf(R"({"x":[1,2,3]})", list), "/x", "1 to 2 items, not 3");
}

TEST(JsonFields, PointersReachIntoArraysAndEscapeKeys) {
  const auto read = [](JsonFields& body) {
    body.Required("a/b~c").Each({}, [](const JsonField& item) {
      JsonFields fields = item.Fields();
      fields.Optional("deep").Each({}, [](const JsonField& inner) { inner.String({}); });
      fields.Done();
    });
    body.Done();
  };
  ExpectFault(FaultOf(R"({"a/b~c":[{},{"deep":["x",null]}]})", read), "/a~1b~0c/1/deep/1", "not null");
  ExpectFault(FaultOf(R"({"a/b~c":[{},7]})", read), "/a~1b~0c/1", "must be an object");
  ExpectFault(FaultOf(R"({"a/b~c":[{"":1}]})", read), "/a~1b~0c/0/", "unknown key");
}

TEST(JsonFields, UnknownAndDuplicateKeysAreFaults) {
  const auto strict = [](JsonFields& body) {
    body.Optional("a");
    body.Optional("b");
    body.Optional("a");
    body.Done();
  };
  const auto lenient = [](JsonFields& body) { body.DoneAllowingUnknown(); };
  ExpectFault(FaultOf(R"({"a":1,"c":2})", strict), "/c", "unknown key; allowed here: a, b");
  ExpectFault(FaultOf(R"({"a":1,"b":1,"a":1})", strict), "/a", "twice");
  EXPECT_EQ(FaultOf(R"({"c":1})", lenient).message, "");
  ExpectFault(FaultOf(R"({"c":1,"c":1})", lenient), "/c", "twice");
}

TEST(JsonFields, LongHostileKeysAreCutInTheMessage) {
  const std::string key(100000, 'k');
  const Error error = FaultOf("{\"" + key + "\":1}", [](JsonFields& body) { body.Done(); });
  EXPECT_LT(error.param.size(), 200U);
}

TEST(JsonFields, ABodyThatIsNoObjectIsAFaultOfTheRoot) {
  ExpectFault(FaultOf("[]",
                      [](JsonFields& body) {
                        body.Required("x").String({});
                        body.Done();
                      }),
              "", "the body must be an object, not an array");
}

TEST(JsonFields, TheFirstFaultWins) {
  const Error error = FaultOf(R"({"a":1,"b":2})", [](JsonFields& body) {
    body.Required("b").String({});
    body.Required("a").String({});
    body.Required("c").Fault("never shown");
  });
  EXPECT_EQ(error.param, "/b");
}

TEST(JsonFields, CallersAddFaultsOfTheirOwn) {
  ExpectFault(FaultOf(R"({"a":1})", [](JsonFields& body) { body.Optional("a").Fault("/a is odd; give an even one"); }),
              "/a", "give an even one");
}

TEST(JsonFieldsDeathTest, TooManyKnownKeysAreAMistakeOfOurs) {
  const auto read_keys = [](std::size_t count) {
    std::vector<std::string> keys;
    for (std::size_t i = 0; i < count; ++i) keys.push_back(std::to_string(i));
    FaultOf("{}", [&](JsonFields& body) {
      for (const std::string& key : keys) body.Optional(key);
    });
  };
  read_keys(JsonFields::kKnownKeysMax);
  EXPECT_DEATH(read_keys(JsonFields::kKnownKeysMax + 1), "known keys");
}

}  // namespace
}  // namespace loquat::base
