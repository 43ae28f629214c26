#include "config/yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace loquat::config {
namespace {

using ::testing::HasSubstr;

std::string ErrorOf(std::string_view text, const YamlLimits& limits = {}) {
  const auto value = ParseYaml(text, "f", limits);
  return value.has_value() ? "no error" : value.error().message;
}

std::string Nested(std::size_t depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

TEST(Yaml, KeepsStylesAndPlaces) {
  const auto value = ParseYaml("a: 1\nb: \"1\"\nc: [x, ~, '']\nd: |\n  text\ne: !!str 5\n", "f");
  ASSERT_TRUE(value.has_value()) << value.error().message;
  EXPECT_EQ(value->Find("a")->value.style, Style::kPlain);
  EXPECT_EQ(value->Find("b")->value.style, Style::kQuoted);
  EXPECT_EQ(value->Find("b")->value.place.Text(), "f:2:4");
  EXPECT_EQ(value->Find("c")->value.items[1].kind, Kind::kNull);
  EXPECT_EQ(value->Find("c")->value.items[2].kind, Kind::kScalar);
  EXPECT_EQ(value->Find("d")->value.text, "text\n");
  EXPECT_EQ(value->Find("d")->value.style, Style::kQuoted);
  EXPECT_EQ(value->Find("e")->value.style, Style::kQuoted);
}

TEST(Yaml, RefusesWhatOtherReadersTakeSilently) {
  EXPECT_EQ(ErrorOf("a: 1\na: 2\n"), "f:2:1: duplicate key \"a\", first on line 1");
  EXPECT_EQ(ErrorOf("a: 1\n\"a\": 2\n"), "f:2:1: duplicate key \"a\", first on line 1");
  EXPECT_THAT(ErrorOf("a: 1\n---\nb: 2\n"), HasSubstr("a second document"));
  EXPECT_EQ(ErrorOf("a: !!int 5\n"), "f:1:4: tags are not supported");
  EXPECT_EQ(ErrorOf("a: !thing {}\n"), "f:1:4: tags are not supported");
  EXPECT_THAT(ErrorOf("? [a]\n: 1\n"), HasSubstr("a key is a single value"));
  EXPECT_THAT(ErrorOf("? {a: b}\n: 1\n"), HasSubstr("a key is a single value"));
  EXPECT_THAT(ErrorOf("~: 1\n"), HasSubstr("a key is a single value"));
  EXPECT_EQ(ErrorOf("ok: 1\nb: \xff\n"), "f:2:4: not UTF-8 text");
  EXPECT_EQ(ErrorOf(std::string_view("a: \0", 4)), "f:1:4: not UTF-8 text");
}

TEST(Yaml, SaysWhereSyntaxFails) {
  EXPECT_EQ(ErrorOf("a: [1, 2\n"), "f:2:1: end of sequence flow not found");
  EXPECT_THAT(ErrorOf("a: *nowhere\n"), HasSubstr("f:1:4: "));
  EXPECT_THAT(ErrorOf("a: b: c\n"), HasSubstr("f:1:"));
}

TEST(Yaml, BoundsHoldAtTheirEdges) {
  EXPECT_EQ(ErrorOf(Nested(4), {.depth_max = 4}), "no error");
  EXPECT_EQ(ErrorOf(Nested(5), {.depth_max = 4}), "f:1:5: nested deeper than 4 levels");
  EXPECT_EQ(ErrorOf("a: [1, 2]", {.nodes_max = 5}), "no error");
  EXPECT_THAT(ErrorOf("a: [1, 2]", {.nodes_max = 4}), HasSubstr("more than 4 values"));
  EXPECT_EQ(ErrorOf("12345", {.bytes_max = 5}), "no error");
  EXPECT_EQ(ErrorOf("123456", {.bytes_max = 5}), "f: 6 bytes; at most 5 are read");
}

TEST(Yaml, ExpandsAliasesWithinTheBounds) {
  const auto value = ParseYaml("a: &x {b: 1}\nc: *x\nd: &y 2\ne: *y\n", "f");
  ASSERT_TRUE(value.has_value()) << value.error().message;
  EXPECT_TRUE(value->Find("c")->value.SameAs(value->Find("a")->value));
  EXPECT_EQ(value->Find("e")->value.text, "2");
  std::string laughs = "a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n";
  for (char c = 'b'; c <= 'i'; ++c) {
    laughs += std::string(1, c) + ": &" + c + " [";
    for (int i = 0; i < 9; ++i) laughs += std::string(i > 0 ? "," : "") + "*" + static_cast<char>(c - 1);
    laughs += "]\n";
  }
  EXPECT_THAT(ErrorOf(laughs), HasSubstr("more than 100000 values"));
  EXPECT_THAT(ErrorOf("a: &a [[1]]\nb: [[*a]]\n", {.depth_max = 4}), HasSubstr("nested deeper than 4 levels"));
}

TEST(Yaml, HostileDepthEndsEarly) {
  EXPECT_THAT(ErrorOf(std::string(20'000, '[')), HasSubstr("f:"));
  EXPECT_THAT(ErrorOf(std::string(20'000, '{')), HasSubstr("f:"));
  std::string dashes;
  for (int i = 0; i < 20'000; ++i) dashes += "- ";
  EXPECT_THAT(ErrorOf(dashes), HasSubstr("f:"));
}

TEST(Yaml, QuotedTextReadsBack) {
  const std::string text = "a\"b\\c\n\t\x01\x7f\xC2\x85\xE2\x80\xA8\xEF\xBB\xBF' # : 帮我 😀";
  const auto value = ParseYaml(QuoteYaml(text), "f");
  ASSERT_TRUE(value.has_value()) << value.error().message << QuoteYaml(text);
  EXPECT_EQ(value->text, text);
}

}  // namespace
}  // namespace loquat::config
