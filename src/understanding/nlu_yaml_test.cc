#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "understanding/dataset_reader.h"

namespace loquat::understanding {
namespace {

using ::testing::HasSubstr;

base::Result<Dataset> Read(std::string_view yaml, const DatasetLimits& limits = {}) {
  Dataset dataset;
  LOQUAT_TRY(AddNluYaml("nlu.yml", yaml, limits, &dataset));
  return dataset;
}

// An intent whose examples are these lines.
std::string Intent(std::string_view lines) {
  return "version: \"3.1\"\nnlu:\n- intent: a\n  examples: |\n" + std::string(lines);
}

Dataset MustRead(std::string_view yaml) {
  auto dataset = Read(yaml);
  EXPECT_TRUE(dataset.has_value()) << dataset.error().message;
  return dataset.has_value() ? *dataset : Dataset{};
}

Example One(const std::string& annotated) {
  const Dataset dataset = MustRead(Intent("    - " + annotated + "\n"));
  EXPECT_EQ(dataset.examples.size(), 1U);
  return dataset.examples.empty() ? Example{} : dataset.examples[0];
}

std::string Marked(const Example& example, std::size_t entity = 0) {
  const EntityMention& mention = example.entities.at(entity);
  return example.text.substr(mention.byte_begin, mention.byte_end - mention.byte_begin);
}

TEST(NluYaml, ReadsABlockOfExamplesWithTheirLines) {
  const Dataset dataset = MustRead(
      "version: \"3.1\"\n"
      "nlu:\n"
      "- intent: greet\n"
      "  examples: |\n"
      "    - hello\n"
      "\n"
      "    - 你好\n"
      "- intent: faq/opening_hours\n"
      "  examples: |\n"
      "    - when do you open\n");
  ASSERT_EQ(dataset.examples.size(), 3U);
  EXPECT_EQ(dataset.examples[0].text, "hello");
  EXPECT_EQ(dataset.examples[0].intent, "greet");
  EXPECT_EQ(dataset.examples[0].line, 5U);
  EXPECT_EQ(dataset.examples[1].text, "你好");
  EXPECT_EQ(dataset.Where(dataset.examples[1]), "nlu.yml:7");
  EXPECT_EQ(dataset.examples[2].intent, "faq/opening_hours");
  EXPECT_TRUE(dataset.warnings.empty());
}

TEST(NluYaml, ReadsAListOfExamplesWithMetadata) {
  const Dataset dataset = MustRead(
      "version: \"3.1\"\n"
      "nlu:\n"
      "- intent: greet\n"
      "  metadata: {sentiment: neutral}\n"
      "  examples:\n"
      "  - text: |\n"
      "      hi [Ann](name)\n"
      "    metadata:\n"
      "      sentiment: positive\n"
      "  - text: hey there\n"
      "  - plain\n");
  ASSERT_EQ(dataset.examples.size(), 3U);
  EXPECT_EQ(dataset.examples[0].text, "hi Ann");
  EXPECT_EQ(Marked(dataset.examples[0]), "Ann");
  EXPECT_EQ(dataset.examples[1].text, "hey there");
  EXPECT_EQ(dataset.examples[2].text, "plain");
}

TEST(NluYaml, ReadsShortAnnotations) {
  const Example example = One("fly to [New York City](city) 明[天](date)");
  EXPECT_EQ(example.text, "fly to New York City 明天");
  ASSERT_EQ(example.entities.size(), 2U);
  EXPECT_EQ(example.entities[0].entity, "city");
  EXPECT_EQ(Marked(example, 0), "New York City");
  EXPECT_EQ(Marked(example, 1), "天");
}

TEST(NluYaml, ReadsFullAnnotations) {
  const Example example =
      One(R"(from [nyc]{"entity": "city", "role": "from", "group": "1", "value": "New } York"} now)");
  EXPECT_EQ(example.text, "from nyc now");
  ASSERT_EQ(example.entities.size(), 1U);
  const EntityMention expected{
      .byte_begin = 5, .byte_end = 8, .entity = "city", .role = "from", .group = "1", .value = "New } York"};
  EXPECT_EQ(example.entities[0], expected);
}

TEST(NluYaml, ReadsTheOlderFormWithAValue) {
  const Example example = One("from [nyc](city:New York)");
  ASSERT_EQ(example.entities.size(), 1U);
  EXPECT_EQ(example.entities[0].entity, "city");
  EXPECT_EQ(example.entities[0].value, "New York");
}

TEST(NluYaml, LeavesBlanksAtTheRimOfAnAnnotationOutOfIt) {
  const Example example = One("go [ home ](place)");
  EXPECT_EQ(example.text, "go  home ");
  EXPECT_EQ(Marked(example), "home");
}

TEST(NluYaml, KeepsBracketsThatAnnotateNothing) {
  EXPECT_EQ(One("press [enter] (twice) [ok").text, "press [enter] (twice) [ok");
  EXPECT_EQ(One("a [b] [c](x)").text, "a [b] c");
  EXPECT_EQ(One("a[1][2]").text, "a[1][2]");
}

TEST(NluYaml, UnderstandsEscapes) {
  EXPECT_EQ(One(R"(say \[hi\](x\) and \\ or \d)").text, R"(say [hi](x) and \ or \d)");
  const Example example = One(R"(open [a\]b](file))");
  EXPECT_EQ(example.text, "open a]b");
  EXPECT_EQ(Marked(example), "a]b");
}

TEST(NluYaml, ReadsSynonymsRegexesAndLookups) {
  const Dataset dataset = MustRead(
      "version: \"3.1\"\n"
      "nlu:\n"
      "- synonym: New York\n"
      "  examples: |\n"
      "    - nyc\n"
      "    - 纽约\n"
      "- regex: zip\n"
      "  examples: |\n"
      "    - \\d{5}\n"
      "- lookup: city\n"
      "  examples:\n"
      "  - Paris\n"
      "  - Rome\n"
      "- lookup: city\n"
      "  examples: |\n"
      "    - Oslo\n");
  const std::vector<Synonym> synonyms = {{"nyc", "New York"}, {"纽约", "New York"}};
  EXPECT_EQ(dataset.synonyms, synonyms);
  ASSERT_EQ(dataset.regexes.size(), 1U);
  EXPECT_EQ(dataset.regexes[0].pattern, "\\d{5}");
  EXPECT_EQ(dataset.regexes[0].line, 9U);
  const std::vector<Lookup> lookups = {{"city", {"Paris", "Rome", "Oslo"}}};
  EXPECT_EQ(dataset.lookups, lookups);
}

TEST(NluYaml, MakesSynonymsOfAnnotatedValuesUnlessOneIsGiven) {
  const Dataset dataset = MustRead(
      "version: \"3.1\"\n"
      "nlu:\n"
      "- synonym: Big Apple\n"
      "  examples: |\n"
      "    - nyc\n"
      "- intent: a\n"
      "  examples: |\n"
      "    - [nyc](city:New York)\n"
      "    - [sf](city:San Francisco)\n");
  const std::vector<Synonym> synonyms = {{"nyc", "Big Apple"}, {"sf", "San Francisco"}};
  EXPECT_EQ(dataset.synonyms, synonyms);
}

TEST(NluYaml, WarnsOfASurfaceWithTwoCanonicalValuesAndTakesTheLast) {
  const Dataset dataset = MustRead(
      "version: \"3.1\"\n"
      "nlu:\n"
      "- synonym: one\n"
      "  examples: |\n"
      "    - x\n"
      "- synonym: two\n"
      "  examples: |\n"
      "    - x\n");
  ASSERT_EQ(dataset.synonyms.size(), 1U);
  EXPECT_EQ(dataset.synonyms[0].canonical, "two");
  ASSERT_EQ(dataset.warnings.size(), 1U);
  EXPECT_EQ(dataset.warnings[0].where, "nlu.yml:8");
}

TEST(NluYaml, TakesAByteOrderMarkAndWindowsLineEnds) {
  const Dataset dataset =
      MustRead("\xEF\xBB\xBFversion: \"3.1\"\r\nnlu:\r\n- intent: a\r\n  examples: |\r\n    - hello\r\n");
  ASSERT_EQ(dataset.examples.size(), 1U);
  EXPECT_EQ(dataset.examples[0].text, "hello");
}

TEST(NluYaml, PassesOverOtherSectionsAndWarnsOfAMissingVersion) {
  const Dataset dataset = MustRead("intents:\n- a\nresponses: {}\nnlu:\n- intent: a\n  examples: |\n    - x\n");
  EXPECT_EQ(dataset.examples.size(), 1U);
  ASSERT_EQ(dataset.warnings.size(), 1U);
  EXPECT_THAT(dataset.warnings[0].message, HasSubstr("no version"));
}

struct Malformed {
  const char* name;
  std::string yaml;
  const char* where;  // file:line
  const char* says;
};

class MalformedYaml : public ::testing::TestWithParam<Malformed> {};

TEST_P(MalformedYaml, IsRefusedWithFileAndLine) {
  const auto dataset = Read(GetParam().yaml);
  ASSERT_FALSE(dataset.has_value());
  EXPECT_THAT(dataset.error().message, HasSubstr(std::string(GetParam().where) + ": "));
  EXPECT_THAT(dataset.error().message, HasSubstr(GetParam().says));
  EXPECT_EQ(dataset.error().param, GetParam().where);
}

const std::string kHead = "version: \"3.1\"\nnlu:\n";

INSTANTIATE_TEST_SUITE_P(
    All, MalformedYaml,
    ::testing::Values(
        Malformed{"Empty", "", "nlu.yml:1", "needs a section"},
        Malformed{"NotAMap", "- a\n", "nlu.yml:1", "must be a map"},
        Malformed{"NotYaml", "version: \"3.1\"\nnlu: [\n", "nlu.yml:3", "not valid YAML"},
        Malformed{"TwoDocuments", "a: 1\n---\nb: 2\n", "nlu.yml:2", "second YAML document"},
        Malformed{"UnknownVersion", "version: \"4.0\"\nnlu: []\n", "nlu.yml:1",
                  "allowed are \"2.0\", \"3.0\", \"3.1\""},
        Malformed{"UnknownSection", "version: \"3.1\"\nnul: []\n", "nlu.yml:2", "unknown key \"nul\""},
        Malformed{"TwiceTheSameSection", "nlu: []\nnlu: []\n", "nlu.yml:2", "second time"},
        Malformed{"NluIsNoList", "nlu: 3\n", "nlu.yml:1", "must be a list"},
        Malformed{"ItemIsNoMap", kHead + "- hello\n", "nlu.yml:3", "one of intent, synonym, regex, lookup"},
        Malformed{"ItemOfNoKind", kHead + "- examples: x\n", "nlu.yml:3", "needs one of"},
        Malformed{"ItemOfTwoKinds", kHead + "- intent: a\n  regex: b\n", "nlu.yml:4", "cannot be both"},
        Malformed{"UnknownKeyOfItem", kHead + "- intent: a\n  example: |\n    - x\n", "nlu.yml:4",
                  "unknown key \"example\""},
        Malformed{"TwiceTheSameKey", kHead + "- intent: a\n  examples: |\n    - x\n  examples: |\n    - y\n",
                  "nlu.yml:6", "second time"},
        Malformed{"NamelessIntent", kHead + "- intent: \"\"\n  examples: |\n    - x\n", "nlu.yml:3", "is empty"},
        Malformed{"IntentIsAList", kHead + "- intent: [a]\n  examples: |\n    - x\n", "nlu.yml:3", "must be text"},
        Malformed{"ExamplesIsAMap", kHead + "- intent: a\n  examples: {a: b}\n", "nlu.yml:4", "\"examples\" must be"},
        Malformed{"LineWithoutDash", Intent("    - a\n    b\n"), "nlu.yml:6", "must begin with \"- \""},
        Malformed{"EmptyExample", Intent("    - a\n    -\n"), "nlu.yml:6", "text is empty"},
        Malformed{"ExampleIsAList", kHead + "- intent: a\n  examples:\n  - [x]\n", "nlu.yml:5", "must be text"},
        Malformed{"ExampleWithoutText", kHead + "- intent: a\n  examples:\n  - metadata: x\n", "nlu.yml:5",
                  "no \"text\""},
        Malformed{"NoClosingParenthesis", Intent("    - to [x](city\n"), "nlu.yml:5", "its ) is missing"},
        Malformed{"NoClosingBrace", Intent("    - to [x]{\"entity\": \"c\"\n"), "nlu.yml:5", "its } is missing"},
        Malformed{"NoEntityName", Intent("    - to [x]()\n"), "nlu.yml:5", "has no name"},
        Malformed{"ObjectWithoutEntity", Intent("    - to [x]{\"role\": \"a\"}\n"), "nlu.yml:5", "has no name"},
        Malformed{"UnknownKeyOfEntity", Intent("    - [x]{\"entity\": \"c\", \"rule\": \"a\"}\n"), "nlu.yml:5",
                  "unknown key \"rule\""},
        Malformed{"BadJson", Intent("    - [x]{\"entity\" \"c\"}\n"), "nlu.yml:5", "bad annotation"},
        Malformed{"EntityIsAnObject", Intent("    - [x]{\"entity\": {}}\n"), "nlu.yml:5", "\"entity\""},
        Malformed{"MarksNothing", Intent("    - to [ ](city)\n"), "nlu.yml:5", "marks no text"},
        Malformed{"Nested", Intent("    - [a [b](c)](d)\n"), "nlu.yml:5", "another annotation"},
        Malformed{"ListOfEntities", Intent("    - [x][{\"entity\": \"a\"}]\n"), "nlu.yml:5", "not a list"},
        Malformed{"EmptySynonym", kHead + "- synonym: a\n  examples: |\n    -\n", "nlu.yml:5", "text is empty"},
        Malformed{"NotUtf8", Intent("    - a\n    - \xFF\n"), "nlu.yml:6", "not valid UTF-8"},
        Malformed{"ZeroByte", Intent(std::string("    - a\n    - b\0\n", 16)), "nlu.yml:6", "zero byte"}),
    [](const auto& info) { return info.param.name; });

// yaml-cpp 0.7 never returned from this text.
TEST(NluYaml, ReturnsFromTextThatIsNoYaml) {
  EXPECT_FALSE(Read(" ,a&*vers_on\n\n").has_value());
  EXPECT_FALSE(Read("]").has_value());
}

TEST(NluYaml, TakesOneDocumentWithItsMark) {
  const Dataset dataset = MustRead("%YAML 1.2\n# training data\n---\n" + Intent("    - --- x\n"));
  ASSERT_EQ(dataset.examples.size(), 1U);
  EXPECT_EQ(dataset.examples[0].text, "--- x");
}

TEST(NluYaml, RefusesDeepNestingInsteadOfOverflowing) {
  EXPECT_FALSE(Read(std::string(100'000, '[')).has_value());
  EXPECT_FALSE(Read("nlu: " + std::string(100'000, '{')).has_value());
}

void ExpectBound(const DatasetLimits& limits, const std::string& good, const std::string& bad, std::string_view bound) {
  EXPECT_TRUE(Read(good, limits).has_value()) << bound;
  const auto refused = Read(bad, limits);
  ASSERT_FALSE(refused.has_value()) << bound;
  EXPECT_EQ(refused.error().code, base::Code::kResourceExhausted) << bound;
  EXPECT_EQ(refused.error().reason, bound);
}

TEST(NluYaml, KeepsToEachBoundAtItsEdge) {
  const std::string one = Intent("    - [x](c)\n");
  DatasetLimits limits;
  limits.file_bytes_max = one.size();
  ExpectBound(limits, one, one + "\n", "file_bytes_max");
  limits = {.examples_max = 2};
  ExpectBound(limits, Intent("    - a\n    - b\n"), Intent("    - a\n    - b\n    - c\n"), "examples_max");
  limits = {.text_bytes_max = 3};
  ExpectBound(limits, Intent("    - abc\n"), Intent("    - abcd\n"), "text_bytes_max");
  limits = {.entities_max = 1};
  ExpectBound(limits, one, Intent("    - [x](c)[y](c)\n"), "entities_max");
  limits = {.name_bytes_max = 2};
  ExpectBound(limits, Intent("    - [x](ci)\n"), Intent("    - [x](cit)\n"), "name_bytes_max");
  limits = {.labels_max = 1};
  ExpectBound(limits, one, one + "- intent: b\n  examples: |\n    - b\n", "labels_max");
  limits = {.values_max = 1};
  const std::string lookup = kHead + "- lookup: c\n  examples: |\n    - x\n";
  ExpectBound(limits, lookup, lookup + "    - y\n", "values_max");
  limits = {.regexes_max = 1};
  const std::string regex = kHead + "- regex: c\n  examples: |\n    - x\n";
  ExpectBound(limits, regex, regex + "    - y\n", "regexes_max");
}

}  // namespace
}  // namespace loquat::understanding
