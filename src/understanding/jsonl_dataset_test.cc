#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "understanding/dataset_reader.h"

namespace loquat::understanding {
namespace {

using ::testing::HasSubstr;

base::Result<Dataset> Read(std::string_view lines, const DatasetLimits& limits = {}) {
  Dataset dataset;
  LOQUAT_TRY(AddJsonLines("data.jsonl", lines, limits, &dataset));
  return dataset;
}

TEST(JsonLines, ReadsExamplesWithOffsetsInCodePoints) {
  const auto dataset = Read(R"({"text": "😀去上海 from 北京", "intent": "trip", "entities": [)"
                            R"({"start": 10, "end": 12, "entity": "city", "role": "from", "value": "Beijing"},)"
                            R"({"start": 2, "end": 4, "entity": "city", "role": "to", "group": "1"}]})"
                            "\n\n"
                            R"({"text": "hello", "intent": null, "metadata": {"a": [1]}})"
                            "\n");
  ASSERT_TRUE(dataset.has_value()) << dataset.error().message;
  ASSERT_EQ(dataset->examples.size(), 2U);
  const Example& example = dataset->examples[0];
  ASSERT_EQ(example.entities.size(), 2U);
  EXPECT_EQ(example.text.substr(example.entities[0].byte_begin, 6), "上海");
  EXPECT_EQ(example.entities[0].role, "to");
  EXPECT_EQ(example.entities[0].group, "1");
  EXPECT_EQ(example.text.substr(example.entities[1].byte_begin), "北京");
  EXPECT_EQ(example.entities[1].value, "Beijing");
  EXPECT_EQ(dataset->examples[1].line, 3U);
  EXPECT_EQ(dataset->examples[1].intent, "");
}

struct Malformed {
  const char* name;
  const char* line;
  const char* says;
};

class MalformedJsonLine : public ::testing::TestWithParam<Malformed> {};

TEST_P(MalformedJsonLine, IsRefusedWithFileAndLine) {
  const auto dataset = Read(std::string("{\"text\": \"fine\", \"intent\": \"a\"}\n") + GetParam().line + "\n");
  ASSERT_FALSE(dataset.has_value());
  EXPECT_THAT(dataset.error().message, HasSubstr("data.jsonl:2: "));
  EXPECT_THAT(dataset.error().message, HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    All, MalformedJsonLine,
    ::testing::Values(
        Malformed{"NotJson", "{\"text\": ", ""}, Malformed{"NotAnObject", "[1]", "must be an object"},
        Malformed{"Trailing", "{\"text\": \"a\"} x", ""}, Malformed{"NoText", "{\"intent\": \"a\"}", "no \"text\""},
        Malformed{"TextIsANumber", "{\"text\": 3}", "\"text\""},
        Malformed{"EmptyText", "{\"text\": \"  \"}", "text is empty"},
        Malformed{"UnknownKey", "{\"text\": \"a\", \"label\": \"b\"}", "unknown key \"label\""},
        Malformed{"TwiceTheSameKey", "{\"text\": \"a\", \"text\": \"b\"}", "twice"},
        Malformed{"EntitiesIsAnObject", "{\"text\": \"a\", \"entities\": {}}", "must be a list"},
        Malformed{"EntityIsAString", "{\"text\": \"a\", \"entities\": [\"x\"]}", "must be an object"},
        Malformed{"NoOffsets", "{\"text\": \"a\", \"entities\": [{\"entity\": \"x\"}]}", "needs \"start\" and \"end\""},
        Malformed{"NoName", "{\"text\": \"a\", \"entities\": [{\"start\": 0, \"end\": 1}]}", "needs a name"},
        Malformed{"NegativeOffset", "{\"text\": \"a\", \"entities\": [{\"start\": -1, \"end\": 1, \"entity\": \"x\"}]}",
                  "whole number"},
        Malformed{"FractionalOffset",
                  "{\"text\": \"a\", \"entities\": [{\"start\": 0.5, \"end\": 1, \"entity\": \"x\"}]}", "whole number"},
        Malformed{"EmptySpan", "{\"text\": \"a\", \"entities\": [{\"start\": 1, \"end\": 1, \"entity\": \"x\"}]}",
                  "ends before"},
        Malformed{"PastTheEnd", "{\"text\": \"a\", \"entities\": [{\"start\": 0, \"end\": 2, \"entity\": \"x\"}]}",
                  "outside"},
        Malformed{"Overlap",
                  "{\"text\": \"abc\", \"entities\": [{\"start\": 0, \"end\": 2, \"entity\": \"x\"}, "
                  "{\"start\": 1, \"end\": 3, \"entity\": \"y\"}]}",
                  "overlaps"},
        Malformed{"MarksBlanks", "{\"text\": \"a b\", \"entities\": [{\"start\": 1, \"end\": 2, \"entity\": \"x\"}]}",
                  "marks no text"},
        Malformed{"UnknownKeyOfEntity",
                  "{\"text\": \"a\", \"entities\": [{\"start\": 0, \"end\": 1, \"entity\": \"x\", \"confidence\": 1}]}",
                  "unknown key \"confidence\""},
        Malformed{"TooDeep", "{\"text\": \"a\", \"metadata\": [[[[[[[[[[[[1]]]]]]]]]]]]}", ""},
        Malformed{"NotUtf8", "{\"text\": \"\xFF\"}", ""}),
    [](const auto& info) { return info.param.name; });

TEST(JsonLines, KeepsToTheBoundOfEntitiesAtItsEdge) {
  const DatasetLimits limits{.entities_max = 1};
  const std::string one = R"({"start": 0, "end": 1, "entity": "x"})";
  const std::string two = R"({"start": 1, "end": 2, "entity": "x"})";
  EXPECT_TRUE(Read(R"({"text": "ab", "entities": [)" + one + "]}", limits).has_value());
  const auto refused = Read(R"({"text": "ab", "entities": [)" + one + "," + two + "]}", limits);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, "entities_max");
}

}  // namespace
}  // namespace loquat::understanding
