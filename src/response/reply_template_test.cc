#include "response/reply_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace loquat::response {
namespace {

std::string Render(std::string_view source, const std::map<std::string, std::string, std::less<>>& slots) {
  const auto compiled = ReplyTemplate::Compile(source);
  EXPECT_TRUE(compiled.has_value()) << compiled.error().message;
  std::string out;
  compiled->Render(
      [&](std::string_view name) {
        const auto found = slots.find(name);
        return found == slots.end() ? std::string_view() : std::string_view(found->second);
      },
      out);
  return out;
}

std::string FailureOf(std::string_view source) {
  const auto compiled = ReplyTemplate::Compile(source);
  return compiled.has_value() ? "" : compiled.error().message;
}

TEST(ReplyTemplate, FillsSlots) {
  EXPECT_EQ(Render("Weather in {city}, {date}.", {{"city", "Paris"}, {"date", "tomorrow"}}),
            "Weather in Paris, tomorrow.");
}

TEST(ReplyTemplate, DropsAnOptionalPartWhoseSlotIsEmpty) {
  constexpr std::string_view kSource = "好的,[{date}][从{from}]去{to}";
  EXPECT_EQ(Render(kSource, {{"to", "上海"}}), "好的,去上海");
  EXPECT_EQ(Render(kSource, {{"to", "上海"}, {"from", "北京"}}), "好的,从北京去上海");
  EXPECT_EQ(Render(kSource, {{"to", "上海"}, {"from", "北京"}, {"date", "明天"}}), "好的,明天从北京去上海");
}

TEST(ReplyTemplate, NeedsEverySlotOfAnOptionalPart) {
  EXPECT_EQ(Render("x[ {a} and {b}]", {{"a", "1"}}), "x");
  EXPECT_EQ(Render("x[ {a} and {b}]", {{"a", "1"}, {"b", "2"}}), "x 1 and 2");
}

TEST(ReplyTemplate, TwoOptionalPartsSideBySideAreIndependent) {
  EXPECT_EQ(Render("[{a}][{b}]", {{"b", "2"}}), "2");
  EXPECT_EQ(Render("[{a}][{b}]", {{"a", "1"}}), "1");
}

TEST(ReplyTemplate, DoubledSignsStandForThemselves) {
  EXPECT_EQ(Render("{{x}} [[y]]", {}), "{x} [y]");
}

TEST(ReplyTemplate, RefusesWhatDoesNotBalance) {
  EXPECT_THAT(FailureOf("a {b"), testing::HasSubstr("'{' without '}'"));
  EXPECT_NE(FailureOf("a } b").find("'}' without '{'"), std::string::npos);
  EXPECT_NE(FailureOf("a [b").find("'[' without ']'"), std::string::npos);
  EXPECT_NE(FailureOf("a ] b").find("']' without '['"), std::string::npos);
  EXPECT_NE(FailureOf("[a [b] c]").find("do not nest"), std::string::npos);
  EXPECT_NE(FailureOf("{Not A Name}").find("lower-case"), std::string::npos);
  EXPECT_NE(FailureOf("{}").find("lower-case"), std::string::npos);
}

TEST(ReplyTemplate, BoundsItsLength) {
  EXPECT_EQ(FailureOf(std::string(kTemplateBytesMax, 'x')), "");
  EXPECT_NE(FailureOf(std::string(kTemplateBytesMax + 1, 'x')).find("longer than"), std::string::npos);
  std::string many;
  for (std::size_t i = 0; i < kTemplatePartsMax; ++i) many += "{a}";
  EXPECT_EQ(FailureOf(many), "");
  EXPECT_NE(FailureOf(many + "{a}").find("more than"), std::string::npos);
}

TEST(ReplyTemplate, NamesItsSlots) {
  const auto compiled = ReplyTemplate::Compile("{a}[ {b}]");
  ASSERT_TRUE(compiled.has_value());
  EXPECT_EQ(compiled->SlotNames(), (std::vector<std::string_view>{"a", "b"}));
}

}  // namespace
}  // namespace loquat::response
