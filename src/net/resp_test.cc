#include "net/resp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

namespace loquat::net {
namespace {

using testing::HasSubstr;
using namespace std::string_literals;

base::Result<std::optional<RespValue>> Parse(std::string_view bytes, RespLimits limits = {}) {
  RespParser parser(limits);
  auto value = parser.Next(bytes);
  if (value.has_value() && value->has_value()) {
    EXPECT_TRUE(bytes.empty()) << bytes;
    EXPECT_TRUE(parser.at_boundary());
  }
  return value;
}

RespValue Whole(std::string_view bytes, RespLimits limits = {}) {
  auto value = Parse(bytes, limits);
  EXPECT_TRUE(value.has_value()) << value.error().message;
  if (!value.has_value() || !value->has_value()) {
    ADD_FAILURE() << "no value from " << bytes;
    return {};
  }
  return std::move(**value);
}

base::Error Refusal(std::string_view bytes, RespLimits limits = {}) {
  auto value = Parse(bytes, limits);
  EXPECT_FALSE(value.has_value()) << bytes;
  return value.has_value() ? base::Error{} : value.error();
}

RespValue Text(RespType type, std::string text) {
  RespValue value;
  value.type = type;
  value.text = std::move(text);
  return value;
}

TEST(RespParser, ReadsEachTypeOfBothVersions) {
  EXPECT_EQ(Whole("+OK\r\n"), Text(RespType::kSimpleString, "OK"));
  EXPECT_EQ(Whole("-ERR no\r\n"), Text(RespType::kSimpleError, "ERR no"));
  EXPECT_EQ(Whole("$5\r\na\r\nbc\r\n"), Text(RespType::kBlobString, "a\r\nbc"));
  EXPECT_EQ(Whole("$0\r\n\r\n"), Text(RespType::kBlobString, ""));
  EXPECT_EQ(Whole("!6\r\nERR no\r\n"), Text(RespType::kBlobError, "ERR no"));
  EXPECT_EQ(Whole("(-340282366920938463463374607431768211456\r\n"),
            Text(RespType::kBigNumber, "-340282366920938463463374607431768211456"));
  EXPECT_EQ(Whole(":-42\r\n").integer, -42);
  EXPECT_EQ(Whole(":+7\r\n").integer, 7);
  EXPECT_EQ(Whole(":9223372036854775807\r\n").integer, std::numeric_limits<std::int64_t>::max());
  EXPECT_DOUBLE_EQ(Whole(",-1.5e3\r\n").number, -1500);
  EXPECT_EQ(Whole(",inf\r\n").number, std::numeric_limits<double>::infinity());
  EXPECT_EQ(Whole(",-inf\r\n").number, -std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(Whole(",nan\r\n").number));
  EXPECT_EQ(Whole("#t\r\n").integer, 1);
  EXPECT_EQ(Whole("#f\r\n").type, RespType::kBool);
  for (const char* null : {"_\r\n", "$-1\r\n", "*-1\r\n"}) EXPECT_TRUE(Whole(null).is_null()) << null;
  const RespValue verbatim = Whole("=8\r\ntxt:some\r\n");
  EXPECT_EQ(verbatim.format, "txt");
  EXPECT_EQ(verbatim.text, "some");
}

TEST(RespParser, ReadsAggregatesInsideOneAnother) {
  const RespValue array = Whole("*3\r\n:1\r\n~1\r\n+a\r\n%2\r\n+k\r\n:1\r\n+l\r\n*0\r\n");
  ASSERT_EQ(array.items.size(), 3u);
  EXPECT_EQ(array.items[1].type, RespType::kSet);
  ASSERT_EQ(array.items[2].items.size(), 4u);
  EXPECT_EQ(array.items[2].type, RespType::kMap);
  EXPECT_EQ(array.items[2].items[2].text, "l");
  EXPECT_EQ(array.items[2].items[3].type, RespType::kArray);
  EXPECT_EQ(Whole(">2\r\n+invalidate\r\n_\r\n").type, RespType::kPush);
}

TEST(RespParser, KeepsAttributesWithTheirValue) {
  const RespValue value = Whole("|1\r\n+ttl\r\n:3600\r\n*2\r\n:1\r\n|1\r\n+hot\r\n#t\r\n:2\r\n");
  ASSERT_EQ(value.attributes.size(), 2u);
  EXPECT_EQ(value.attributes[0].text, "ttl");
  ASSERT_EQ(value.items.size(), 2u);
  EXPECT_TRUE(value.items[0].attributes.empty());
  ASSERT_EQ(value.items[1].attributes.size(), 2u);
  EXPECT_EQ(value.items[1].integer, 2);
}

TEST(RespParser, TakesPiecesOfAnySize) {
  const std::string bytes = "*2\r\n$3\r\nabc\r\n%1\r\n+k\r\n,2.5\r\n+next\r\n";
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    RespParser parser;
    std::vector<RespValue> values;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      std::string_view part = std::string_view(bytes).substr(at, piece);
      while (!part.empty()) {
        auto value = parser.Next(part);
        ASSERT_TRUE(value.has_value()) << value.error().message;
        if (value->has_value()) values.push_back(std::move(**value));
      }
    }
    ASSERT_EQ(values.size(), 2u) << piece;
    EXPECT_EQ(values[0].items[0].text, "abc");
    EXPECT_EQ(values[1].text, "next");
  }
}

TEST(RespParser, RefusesWhatIsNotResp) {
  for (const char* bytes : {"hello\r\n",
                            "\r\n",
                            ":1.5\r\n",
                            ":\r\n",
                            ":9223372036854775808\r\n",
                            ",1.5x\r\n",
                            ",\r\n",
                            ",infinity\r\n",
                            "(12a\r\n",
                            "(\r\n",
                            "#x\r\n",
                            "_x\r\n",
                            "$-2\r\n",
                            "$x\r\n",
                            "*-2\r\n",
                            "%-1\r\n",
                            "$3\r\nabcd\r\n",
                            "=3\r\ntxt\r\n",
                            "=4\r\ntxt4\r\n",
                            "+a\n",
                            "*1\r\n>1\r\n+a\r\n",
                            "|1\r\n+a\r\n+b\r\n|1\r\n+a\r\n+b\r\n"}) {
    EXPECT_EQ(Refusal(bytes).reason, "malformed_reply") << bytes;
    EXPECT_EQ(Refusal(bytes).code, base::Code::kDataLoss) << bytes;
  }
  EXPECT_THAT(Refusal("GET\x01 / HTTP/1.1\r\n").message, HasSubstr("GET\\x01 / HTTP"));
  for (const char* bytes : {"$?\r\n", "*?\r\n", "%?\r\n"}) EXPECT_THAT(Refusal(bytes).message, HasSubstr("streamed"));
}

TEST(RespParser, StaysFailed) {
  RespParser parser;
  std::string_view bad = "x\r\n";
  EXPECT_FALSE(parser.Next(bad).has_value());
  std::string_view good = "+OK\r\n";
  EXPECT_FALSE(parser.Next(good).has_value());
}

TEST(RespParser, HoldsItsLimitsAtTheirEdges) {
  const RespLimits limits{.depth_max = 2, .values_max = 4, .line_bytes_max = 8, .reply_bytes_max = 20};
  EXPECT_EQ(Whole("*1\r\n*1\r\n:1\r\n", limits).items.size(), 1u);
  EXPECT_EQ(Refusal("*1\r\n*1\r\n*1\r\n:1\r\n", limits).reason, "reply_too_large");
  EXPECT_EQ(Whole("*3\r\n_\r\n_\r\n_\r\n", limits).items.size(), 3u);
  EXPECT_EQ(Refusal("*4\r\n_\r\n_\r\n_\r\n_\r\n", limits).reason, "reply_too_large");
  EXPECT_EQ(Refusal("*5\r\n", limits).reason, "reply_too_large");
  EXPECT_EQ(Refusal("%3\r\n", limits).reason, "reply_too_large");
  EXPECT_EQ(Whole("+1234567\r\n", limits).text, "1234567");
  EXPECT_EQ(Refusal("+12345678\r\n", limits).reason, "reply_too_large");
  EXPECT_EQ(Refusal("+12345678901", limits).reason, "reply_too_large");
  EXPECT_EQ(Whole("$13\r\n1234567890123\r\n", limits).text.size(), 13u);
  EXPECT_EQ(Refusal("$14\r\n12345678901234\r\n", limits).reason, "reply_too_large");
  EXPECT_EQ(Refusal("$9223372036854775807\r\n", limits).reason, "reply_too_large");
  // The limits are those of one reply.
  RespParser parser(limits);
  std::string_view many = "+1234567\r\n+1234567\r\n+1234567\r\n";
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(parser.Next(many)->has_value());
}

TEST(RespWriter, WritesACommandAsAnArrayOfBlobs) {
  std::string out;
  AppendRespCommand(std::vector<std::string_view>{"SET", "k", std::string_view("a\0\r\n", 4)}, out);
  EXPECT_EQ(out, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\0\r\n\r\n"s);
}

TEST(RespWriter, WritesWhatTheParserReads) {
  const std::string bytes =
      "|1\r\n+ttl\r\n:3600\r\n*9\r\n:1\r\n,2.5\r\n#t\r\n_\r\n(123\r\n=7\r\nmkd:abc\r\n!3\r\nERR\r\n"
      "~1\r\n+a\r\n%1\r\n$1\r\nk\r\n-ERR x\r\n";
  std::string out;
  AppendResp(Whole(bytes), out);
  EXPECT_EQ(out, bytes);
  out.clear();
  AppendResp(Text(RespType::kSimpleString, "two\r\nlines"), out);
  EXPECT_EQ(out, "$10\r\ntwo\r\nlines\r\n");
}

TEST(RespValue, NamesItsError) {
  EXPECT_EQ(Whole("-WRONGTYPE Operation against a key\r\n").error_code(), "WRONGTYPE");
  EXPECT_EQ(Whole("-ERR\r\n").error_code(), "ERR");
  EXPECT_EQ(Whole("+OK\r\n").error_code(), "");
}

}  // namespace
}  // namespace loquat::net
