#include "config/etcd/key_space.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace loquat::config::etcd {
namespace {

using ::testing::HasSubstr;

EtcdOptions Small() {
  EtcdOptions options;
  options.prefix = "/p/";
  options.keys_max = 3;
  options.value_bytes_max = 16;
  options.bytes_max = 40;
  return options;
}

TEST(KeySpace, ReplaceAndEventsGiveTheKeysBelowThePrefix) {
  KeySpace space(Small());
  EXPECT_EQ(space.layer().source, "etcd key /p/");
  EXPECT_EQ(space.layer().reserved, "etcd");
  ASSERT_TRUE(space.Replace({.revision = 7, .keys = {{"/p/a", "1", 3}, {"/p/b/c", "2", 7}}}).has_value());
  EXPECT_EQ(space.revision(), 7);
  EXPECT_EQ(space.layer().entries.at("b/c").revision, 7);

  const Event events[] = {{{"/p/a", "9", 8}, false}, {{"/p/b/c", "", 8}, true}, {{"/p/never", "", 9}, true}};
  ASSERT_TRUE(space.Apply(events).has_value());
  EXPECT_EQ(space.revision(), 9);
  EXPECT_EQ(space.layer().entries.size(), 1u);
  EXPECT_EQ(space.layer().entries.at("a").text, "9");
  EXPECT_EQ(space.layer().gone.at("b/c"), 8);
  const Event again[] = {{{"/p/b/c", "3", 10}, false}};
  ASSERT_TRUE(space.Apply(again).has_value());
  EXPECT_FALSE(space.layer().gone.contains("b/c"));
  space.ForgetGone();
  EXPECT_TRUE(space.layer().gone.empty());
  space.Advance(4);
  EXPECT_EQ(space.revision(), 10) << "never back, but by Replace";
}

TEST(KeySpace, HoldsItsBoundsAtTheirEdges) {
  KeySpace space(Small());
  EXPECT_TRUE(space.Replace({.revision = 1, .keys = {{"/p/a", std::string(16, 'x'), 1}}}).has_value());
  EXPECT_EQ(space.layer().entries.at("a").problem, "");
  EXPECT_TRUE(space.Replace({.revision = 1, .keys = {{"/p/a", std::string(17, 'x'), 1}}}).has_value());
  EXPECT_THAT(space.layer().entries.at("a").problem, HasSubstr("the value has 17 bytes; at most 16"));
  EXPECT_EQ(space.layer().entries.at("a").text, "");

  EXPECT_TRUE(space.Replace({.revision = 1, .keys = {{"/p/a", "", 1}, {"/p/b", "", 1}, {"/p/c", "", 1}}}).has_value());
  const Event fourth[] = {{{"/p/d", "", 2}, false}};
  EXPECT_EQ(space.Apply(fourth).error().reason, "too_many_keys");
  EXPECT_EQ(space.Replace({.revision = 1, .keys = {{"/p/a", "", 1}}, .more = true}).error().reason, "too_many_keys");

  // 3 paths of 1 byte, 37 bytes of text.
  const std::string ten(10, 'x');
  EXPECT_TRUE(
      space.Replace({.revision = 1, .keys = {{"/p/a", ten, 1}, {"/p/b", ten + "x", 1}, {"/p/c", ten + "xxxxxx", 1}}})
          .has_value());
  const Event one_more[] = {{{"/p/a", ten + "x", 2}, false}};
  EXPECT_EQ(space.Apply(one_more).error().reason, "too_many_bytes");
}

TEST(KeySpace, ReplacingAValueFreesItsBytes) {
  KeySpace space(Small());
  ASSERT_TRUE(space.Replace({.revision = 1, .keys = {}}).has_value());
  for (std::int64_t i = 2; i < 100; ++i) {
    const Event event[] = {{{"/p/a", std::string(16, 'x'), i}, false}};
    ASSERT_TRUE(space.Apply(event).has_value()) << i;
  }
}

TEST(KeySpace, ForgetsDeletionsRatherThanGrow) {
  KeySpace space(Small());
  ASSERT_TRUE(space.Replace({.revision = 1, .keys = {}}).has_value());
  for (std::size_t i = 0; i < 3 * kGoneMax; ++i) {
    const Event event[] = {{{"/p/" + std::to_string(i), "", 2}, true}};
    ASSERT_TRUE(space.Apply(event).has_value());
    ASSERT_LE(space.layer().gone.size(), kGoneMax);
  }
}

TEST(KeySpace, RefusesWhatIsNoKeyOfItsAndNoText) {
  KeySpace space(Small());
  EXPECT_EQ(space.Replace({.revision = 1, .keys = {{"/q/a", "", 1}}}).error().reason, "protocol");
  EXPECT_EQ(space.Replace({.revision = 1, .keys = {{"/p/\xff", "", 1}}}).error().reason, "protocol");
  ASSERT_TRUE(space.Replace({.revision = 1, .keys = {{"/p/a", "\xff", 1}}}).has_value());
  EXPECT_EQ(space.layer().entries.at("a").problem, "the value is not UTF-8");
}

}  // namespace
}  // namespace loquat::config::etcd
