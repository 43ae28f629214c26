#include "base/json_writer.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "base/json_value.h"
#include "base/random.h"

namespace loquat::base {
namespace {

template <typename Write>
std::string Written(Write write) {
  std::string out;
  JsonWriter json(out);
  write(json);
  return out;
}

std::string WrittenString(std::string_view text) {
  return Written([text](JsonWriter& json) { json.String(text); });
}

std::string WrittenDouble(double number) {
  return Written([number](JsonWriter& json) { json.Double(number); });
}

TEST(JsonWriter, PlacesCommasAndColons) {
  const std::string out = Written([](JsonWriter& json) {
    json.BeginObject();
    json.Key("empty");
    json.BeginObject();
    json.EndObject();
    json.Key("list");
    json.BeginArray();
    json.Int(-1);
    json.Uint(18446744073709551615U);
    json.BeginArray();
    json.EndArray();
    json.Bool(true);
    json.Bool(false);
    json.Null();
    json.Raw(R"({"raw":1})");
    json.EndArray();
    json.Key("last");
    json.String("x");
    json.EndObject();
  });
  EXPECT_EQ(out, R"({"empty":{},"list":[-1,18446744073709551615,[],true,false,null,{"raw":1}],"last":"x"})");
}

TEST(JsonWriter, AppendsToWhatIsThere) {
  std::string out = "data: ";
  JsonWriter json(out);
  json.Int(7);
  EXPECT_EQ(out, "data: 7");
}

TEST(JsonWriter, EscapesWhatRfc8259Demands) {
  EXPECT_EQ(WrittenString("\"\\/\b\f\n\r\t"), R"("\"\\/\b\f\n\r\t")");
  EXPECT_EQ(WrittenString(std::string_view("\0\x1f\x7f", 3)), "\"\\u0000\\u001f\x7f\"");
  EXPECT_EQ(Written([](JsonWriter& json) {
              json.BeginObject();
              json.Key("a\"b");
              json.Null();
              json.EndObject();
            }),
            R"({"a\"b":null})");
}

TEST(JsonWriter, RepairsStringsThatAreNotUtf8) {
  EXPECT_EQ(WrittenString("\xE5\xA4\xA9"), "\"\xE5\xA4\xA9\"");
  EXPECT_EQ(WrittenString("a\xFF\"\xE5\xA4"), "\"a\xEF\xBF\xBD\\\"\xEF\xBF\xBD\"");
}

TEST(JsonWriter, DoublesReadBackTheSame) {
  constexpr std::uint64_t kSeed = 77;
  SCOPED_TRACE(kSeed);
  Random random(kSeed);
  for (int round = 0; round < 50000; ++round) {
    const double number = std::bit_cast<double>(random.Next());
    if (!std::isfinite(number)) continue;
    const std::string text = WrittenDouble(number);
    ASSERT_EQ(std::strtod(text.c_str(), nullptr), number) << text;
  }
  EXPECT_EQ(WrittenDouble(0.1), "0.1");
  EXPECT_EQ(WrittenDouble(1e22), "1e+22");
  EXPECT_EQ(WrittenDouble(std::numeric_limits<double>::denorm_min()), "5e-324");
}

TEST(JsonWriter, LargeDoublesAreNotTakenForIntegers) {
  JsonParser parser;
  for (const double number : {1e15, 9999999999999998.0, 1e16, 2.2222222222219102e21, -1e300}) {
    const Result<JsonValue> value = parser.Parse(WrittenDouble(number));
    ASSERT_TRUE(value.has_value()) << number;
    EXPECT_EQ(value->AsDouble().value(), number);
  }
  EXPECT_EQ(Written([](JsonWriter& json) { json.Float(1e20F); }), "1e+20");
}

TEST(JsonWriter, NegativeZeroStaysNegative) {
  JsonParser parser;
  EXPECT_EQ(WrittenDouble(0.0), "0");
  EXPECT_TRUE(std::signbit(parser.Parse(WrittenDouble(-0.0)).value().AsDouble().value()));
  EXPECT_EQ(Written([](JsonWriter& json) { json.Float(-0.0F); }), "-0.0");
}

TEST(JsonWriter, FloatsUseTheirOwnShortestDigits) {
  EXPECT_EQ(Written([](JsonWriter& json) { json.Float(0.1F); }), "0.1");
}

TEST(JsonWriter, FixedKeepsItsDigitsWithinBounds) {
  const auto fixed = [](double number, int digits) {
    return Written([=](JsonWriter& json) { json.Fixed(number, digits); });
  };
  EXPECT_EQ(fixed(0.97149, 4), "0.9715");
  EXPECT_EQ(fixed(2, 2), "2.00");
  EXPECT_EQ(fixed(2.5, -1), "2");
  EXPECT_EQ(fixed(0.5, 99), "0.50000000000000000");
  EXPECT_EQ(fixed(-std::nextafter(1e16, 0), JsonWriter::kMaxFixedDigits), "-9999999999999998.00000000000000000");
  EXPECT_EQ(fixed(1e16, 0), "1e+16");
  EXPECT_EQ(fixed(-std::numeric_limits<double>::max(), 2), "-1.7976931348623157e+308");
}

TEST(JsonWriter, NumbersThatJsonLacksBecomeNull) {
  const std::string out = Written([](JsonWriter& json) {
    json.BeginArray();
    json.Double(std::nan(""));
    json.Float(-std::numeric_limits<float>::infinity());
    json.Fixed(std::numeric_limits<double>::infinity(), 2);
    json.EndArray();
  });
  EXPECT_EQ(out, "[null,null,null]");
}

TEST(JsonWriter, RandomStringsReadBackThroughTheParser) {
  constexpr std::uint64_t kSeed = 78;
  SCOPED_TRACE(kSeed);
  Random random(kSeed);
  JsonParser parser;
  for (int round = 0; round < 5000; ++round) {
    std::string text(random.Below(50), '\0');
    for (char& c : text) c = static_cast<char>(random.Below(128));
    const Result<JsonValue> value = parser.Parse(WrittenString(text));
    ASSERT_TRUE(value.has_value());
    ASSERT_EQ(value->AsString().value(), text);
  }
}

}  // namespace
}  // namespace loquat::base
