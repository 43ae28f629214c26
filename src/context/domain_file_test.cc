#include "context/domain_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "context/dialogue_domain.h"

namespace loquat::context {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kGood = R"(version: "1"
locales: [zh, en]
entities:
  city: {kind: text, roles: [from, to]}
  date: {kind: date}
intents:
  book_train: {domain: travel, slots: [city.from, city.to, date], required: [from, to]}
  inform: {kind: inform, slots: [any]}
replies:
  book_train: {zh: ["好的"], en: ["Fine.", "Done."]}
questions:
  from: {zh: ["从哪里出发?"], en: ["Where from?"]}
fallback: {zh: ["没听懂"], en: ["Pardon?"]}
)";

std::string FailureOf(std::string yaml) {
  const auto parsed = ParseDomainFile(yaml, "domain.yml");
  return parsed.has_value() ? "" : parsed.error().message;
}

std::string Replaced(std::string_view from, std::string_view to) {
  std::string yaml(kGood);
  yaml.replace(yaml.find(from), from.size(), to);
  return yaml;
}

TEST(DomainFile, ReadsLabelsDialogueAndWords) {
  const auto parsed = ParseDomainFile(kGood, "domain.yml");
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
  EXPECT_THAT(parsed->replies.at("book_train").at("en"), ElementsAre("Fine.", "Done."));
  const DialogueDomain domain(*parsed);
  const IntentSpec& train = domain.intent("book_train");
  ASSERT_EQ(train.slots.size(), 3u);
  EXPECT_EQ(train.slots[1].entity, "city");
  EXPECT_EQ(train.slots[1].name(), "to");
  EXPECT_THAT(train.required, ElementsAre(ElementsAre("from"), ElementsAre("to")));
  EXPECT_EQ(domain.intent("inform").kind, IntentKind::kInform);
  EXPECT_TRUE(domain.intent("inform").slots.empty());
  EXPECT_EQ(domain.entity_kind("date"), "date");
  EXPECT_EQ(domain.entity_kind("nothing"), "");
  EXPECT_EQ(domain.intent("nothing").kind, IntentKind::kTask);
}

TEST(DomainFile, ReadsAlternatives) {
  EXPECT_THAT(AlternativesOf("time|duration"), ElementsAre("time", "duration"));
  EXPECT_THAT(AlternativesOf("time"), ElementsAre("time"));
}

TEST(DomainFile, SaysWhereAndWhatIsAllowed) {
  EXPECT_THAT(FailureOf(Replaced("kind: inform", "kind: infrom")), HasSubstr("domain.yml:8:"));
  EXPECT_THAT(FailureOf(Replaced("kind: inform", "kind: infrom")), HasSubstr("repeat"));
  EXPECT_THAT(FailureOf(Replaced("required:", "requires:")), HasSubstr("required"));
  EXPECT_THAT(FailureOf(Replaced("version: \"1\"", "version: \"2\"")), HasSubstr("version"));
}

TEST(DomainFile, RefusesNamesThatContradictEachOther) {
  EXPECT_THAT(FailureOf(Replaced("city.from,", "town.from,")), HasSubstr("town.from"));
  EXPECT_THAT(FailureOf(Replaced("city.from,", "city.via,")), HasSubstr("no role \"via\""));
  EXPECT_THAT(FailureOf(Replaced("required: [from, to]", "required: [from, price]")), HasSubstr("price"));
  EXPECT_THAT(FailureOf(Replaced("replies:\n  book_train", "replies:\n  book_plane")), HasSubstr("no such intent"));
  EXPECT_THAT(FailureOf(Replaced("{zh: [\"没听懂\"]", "{fr: [\"Pardon\"]")), HasSubstr("no locale"));
  EXPECT_THAT(FailureOf(Replaced("[zh, en]", "[zh, de]")), HasSubstr("not supported"));
  EXPECT_THAT(FailureOf(Replaced("[\"好的\"]", "[]")), HasSubstr("one variant"));
}

TEST(DomainFile, TheBundledOneIsRight) {
  const auto text = base::ReadFile("models/assistant/domain.yml", 4 << 20);
  ASSERT_TRUE(text.has_value()) << text.error().message;
  const auto parsed = ParseDomainFile(*text, "models/assistant/domain.yml");
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
  EXPECT_GE(parsed->intents.size(), 40u);
  EXPECT_GE(parsed->entities.size(), 25u);
}

}  // namespace
}  // namespace loquat::context
