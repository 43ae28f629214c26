#include "text/template/prompt_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "base/allocation_counter.h"

namespace loquat::text {
namespace {

using Fields = std::vector<std::string_view>;

std::string FailureOf(std::string_view source, const Fields& fields) {
  const auto compiled = PromptTemplate::Compile(source, fields);
  return compiled.has_value() ? "" : compiled.error().message;
}

TEST(PromptTemplate, PutsValuesInPlace) {
  const auto compiled = PromptTemplate::Compile("{{{who}}} says {what}, {who}!", Fields{"what", "who"});
  ASSERT_TRUE(compiled.has_value()) << compiled.error().message;
  std::string out = "> ";
  compiled->Render(Fields{"{who}", "me"}, out);
  EXPECT_EQ(out, "> {me} says {who}, me!");
  EXPECT_EQ(compiled->field_count(), 2u);
}

TEST(PromptTemplate, MayBeEmptyOrWithoutFields) {
  for (const std::string_view source : {"", "plain"}) {
    std::string out;
    PromptTemplate::Compile(source, {}).value().Render({}, out);
    EXPECT_EQ(out, source);
  }
}

TEST(PromptTemplate, RefusesUnknownUnusedAndDoubledFields) {
  EXPECT_THAT(FailureOf("x {b}", {"a"}), testing::HasSubstr("byte 2: no field is named 'b'; there are: a"));
  EXPECT_THAT(FailureOf("{}", {"a"}), testing::HasSubstr("no field is named ''"));
  EXPECT_THAT(FailureOf("{a}", {"a", "b"}), testing::HasSubstr("'b' is not used"));
  EXPECT_THAT(FailureOf("{a}{a}", {"a", "a"}), testing::HasSubstr("named twice"));
}

TEST(PromptTemplate, RefusesBracesWithoutTheirMatch) {
  EXPECT_THAT(FailureOf("x {a", {"a"}), testing::HasSubstr("byte 2: '{'"));
  EXPECT_THAT(FailureOf("x } {a}", {"a"}), testing::HasSubstr("byte 2: '}'"));
}

TEST(PromptTemplate, BoundsItsLength) {
  EXPECT_EQ(FailureOf(std::string(kPromptTemplateBytesMax, 'x'), {}), "");
  EXPECT_THAT(FailureOf(std::string(kPromptTemplateBytesMax + 1, 'x'), {}), testing::HasSubstr("at most"));
}

TEST(PromptTemplate, AllocatesOnlyTheOutput) {
  const auto compiled = PromptTemplate::Compile("a {x} b {y} c {x}", Fields{"x", "y"});
  ASSERT_TRUE(compiled.has_value());
  const std::string long_value(1000, 'v');
  const std::array<std::string_view, 2> values = {long_value, "y"};
  std::string out;
  const std::uint64_t before = base::AllocationsOfThisThread();
  compiled->Render(values, out);
  EXPECT_EQ(base::AllocationsOfThisThread() - before, 1u);
  out.clear();
  const std::uint64_t warm = base::AllocationsOfThisThread();
  compiled->Render(values, out);
  EXPECT_EQ(base::AllocationsOfThisThread() - warm, 0u);
}

}  // namespace
}  // namespace loquat::text
