#include "config/layer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/load.h"

namespace loquat::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Inner {
  int level = 1;
  int size = 2;
  std::string secret = "s";
};
void Declare(Section<Inner>& s) {
  s.Key("level", &Inner::level).Range(1, 100);
  s.Key("size", &Inner::size);
  s.Key("secret", &Inner::secret).Secret().Size(1, 5);
}

struct Outer {
  Inner inner;
  std::optional<Inner> extra;
  std::map<std::string, int> weights = {{"a", 1}};
  std::vector<int> ports;
  int number = 0;
  std::string own;
};
void Declare(Section<Outer>& s) {
  s.Sub("inner", &Outer::inner);
  s.Sub("extra", &Outer::extra);
  s.Key("weights", &Outer::weights);
  s.Key("ports", &Outer::ports);
  s.Key("number", &Outer::number);
  s.Key("own", &Outer::own);
}

using Texts = std::vector<std::pair<std::string, std::string>>;

LayerPtr MakeLayer(const Texts& texts) {
  auto layer = std::make_shared<Layer>();
  layer->source = "etcd key /p/";
  layer->reserved = "own";
  for (const auto& [path, text] : texts) layer->entries[path] = {.text = text, .problem = {}, .revision = 1};
  return layer;
}

base::Result<Loaded<Outer>> LoadWith(const Texts& texts, const std::string& file = "", Sources sources = {}) {
  sources.file = "f.yaml";
  sources.file_text = file;
  sources.layer = MakeLayer(texts);
  return Load<Outer>(sources);
}

std::string ErrorOf(const Texts& texts) {
  const auto loaded = LoadWith(texts);
  return loaded.has_value() ? "no error" : loaded.error().message;
}

TEST(ConfigLayer, LiesBetweenTheFileAndTheEnvironment) {
  const auto loaded = LoadWith({{"inner/level", "3"}, {"inner/size", "4"}, {"number", "5"}},
                               "inner: {level: 9, secret: f}\nnumber: 9\n",
                               {.variables = {{"LOQUAT_INNER_SIZE", "6"}}, .overrides = {"number=7"}});
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  EXPECT_EQ(loaded->value.inner.level, 3);
  EXPECT_EQ(loaded->value.inner.secret, "f");
  EXPECT_EQ(loaded->value.inner.size, 6);
  EXPECT_EQ(loaded->value.number, 7);
  EXPECT_EQ(loaded->origins.at("inner.level"), "etcd key /p/inner/level:1:1");
}

TEST(ConfigLayer, ASectionIsLaidOverKeyByKeyAndDeeperPathsOverruleIt) {
  const auto loaded =
      LoadWith({{"inner/level", "4"}, {"inner", "level: 3\nsize: 8\n"}, {"extra", "{}"}}, "inner: {secret: f}\n");
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  EXPECT_EQ(loaded->value.inner.level, 4);
  EXPECT_EQ(loaded->value.inner.size, 8);
  EXPECT_EQ(loaded->value.inner.secret, "f");
  EXPECT_TRUE(loaded->value.extra.has_value());
}

TEST(ConfigLayer, AListAndAMapTakeTheFilesPlaceAndAnEntryIsAdded) {
  const auto whole = LoadWith({{"weights", "{b: 2}"}, {"ports", "[1, 2]"}}, "weights: {c: 3}\nports: [7]\n");
  ASSERT_TRUE(whole.has_value()) << whole.error().message;
  EXPECT_EQ(whole->value.weights, (std::map<std::string, int>{{"b", 2}}));
  EXPECT_THAT(whole->value.ports, ElementsAre(1, 2));
  const auto entry = LoadWith({{"weights/b", "2"}}, "weights: {c: 3}\n");
  ASSERT_TRUE(entry.has_value()) << entry.error().message;
  EXPECT_EQ(entry->value.weights, (std::map<std::string, int>{{"b", 2}, {"c", 3}}));
}

TEST(ConfigLayer, EveryErrorNamesTheKeyAndThePlaceInside) {
  EXPECT_THAT(ErrorOf({{"inner/level", "1000"}}), HasSubstr("etcd key /p/inner/level:1:1: inner.level: got \"1000\""));
  EXPECT_THAT(ErrorOf({{"inner", "size: 1\nlevel: x\n"}}), HasSubstr("etcd key /p/inner:2:8: inner.level"));
  EXPECT_THAT(ErrorOf({{"inner", "a: 1\na: 2\n"}}), HasSubstr("etcd key /p/inner:2:1: "));
  EXPECT_THAT(ErrorOf({{"inner", "size: ["}}), HasSubstr("etcd key /p/inner:1:"));
  EXPECT_THAT(ErrorOf({{"number", ""}}), HasSubstr("etcd key /p/number: number: got nothing"));
  EXPECT_THAT(ErrorOf({{"inner", "# nothing\n"}}), HasSubstr("etcd key /p/inner: the section is empty"));
  EXPECT_THAT(ErrorOf({{"inner/levle", "1"}}),
              HasSubstr("etcd key /p/inner/levle: unknown key; did you mean inner/level?"));
  for (const char* path : {"", "/", "inner/", "/inner", "inner//level", "number/x", "inner.level"}) {
    EXPECT_THAT(ErrorOf({{path, "1"}}), HasSubstr("unknown key")) << path;
  }
  EXPECT_THAT(ErrorOf({{std::string(5000, '/'), "1"}}), HasSubstr("unknown key"));
}

TEST(ConfigLayer, DoesNotShowASecret) {
  const std::string error = ErrorOf({{"inner/secret", "much too long"}});
  EXPECT_THAT(error, HasSubstr("inner.secret"));
  EXPECT_THAT(error, Not(HasSubstr("much too long")));
}

TEST(ConfigLayer, RefusesItsOwnSection) {
  EXPECT_THAT(ErrorOf({{"own", "x"}}), HasSubstr("etcd key /p/own: `own` says how to reach this source"));
  EXPECT_THAT(ErrorOf({{"own/x", "x"}}), HasSubstr("`own` says how"));
}

TEST(ConfigLayer, StepsAreTheTransactionsInTheirOrder) {
  Layer before;
  before.entries = {{"a", {.text = "1", .problem = {}, .revision = 2}},
                    {"b", {.text = "1", .problem = {}, .revision = 3}},
                    {"c", {.text = "1", .problem = {}, .revision = 3}},
                    {"d", {.text = "1", .problem = {}, .revision = 3}}};
  Layer after;
  after.entries = {{"a", {.text = "1", .problem = {}, .revision = 2}},
                   {"b", {.text = "2", .problem = {}, .revision = 9}},
                   {"e", {.text = "1", .problem = {}, .revision = 5}}};
  after.gone = {{"c", 5}};
  const std::vector<LayerStep> steps = StepsBetween(before, after);
  ASSERT_EQ(steps.size(), 3u);
  EXPECT_EQ(steps[0].revision, 0);
  EXPECT_THAT(steps[0].gone, ElementsAre("d"));
  EXPECT_EQ(steps[1].revision, 5);
  EXPECT_THAT(steps[1].gone, ElementsAre("c"));
  EXPECT_TRUE(steps[1].put.contains("e"));
  EXPECT_EQ(steps[2].revision, 9);
  Layer reached = before;
  for (const LayerStep& step : steps) reached = After(reached, step);
  EXPECT_EQ(reached.entries, after.entries);
}

}  // namespace
}  // namespace loquat::config
