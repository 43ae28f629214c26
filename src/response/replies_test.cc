#include "response/replies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace loquat::response {
namespace {

using context::DialogueAct;
using context::DialogueStep;
using domain::DialogueState;
using domain::Locale;
using testing::HasSubstr;

context::DomainFile Words() {
  context::DomainFile domain;
  domain.replies["weather"] = {{"zh", {"[{date}]{city}的天气", "给您看[{date}]{city}的天气"}},
                               {"en", {"Weather in {city}."}}};
  domain.replies["greet"] = {{"en", {"Hello!"}}, {"zh", {"您好!"}}};
  domain.replies["only_english"] = {{"en", {"Sure."}}};
  domain.replies["repeat"] = {{"en", {"I have not said anything yet."}}};
  domain.questions["from"] = {{"zh", {"从哪里出发?"}}, {"en", {"Where from?"}}};
  domain.questions["book_flight/from"] = {{"en", {"Which airport do you leave from?"}}};
  domain.fallback = {{"en", {"Pardon?"}}, {"zh", {"没听懂。"}}};
  return domain;
}

std::string Say(const DialogueStep& step, const DialogueState& state, Locale locale, std::uint64_t turn = 0,
                std::string_view last_reply = "") {
  const auto replies = Replies::FromDomain(Words(), "domain.yml");
  EXPECT_TRUE(replies.has_value());
  std::string out;
  replies->Compose(step, state, locale, turn, last_reply, out);
  return out;
}

DialogueState Asking(std::string intent, std::string slot) {
  return {.active_intent = std::move(intent), .asked = std::move(slot)};
}

TEST(Replies, FillsInWhatTheDialogueKnows) {
  DialogueState state{.active_intent = "weather"};
  state.filled["city"] = {.value = "上海"};
  EXPECT_EQ(Say({DialogueAct::kFulfil, "weather"}, state, Locale::kChinese), "上海的天气");
  state.filled["date"] = {.value = "明天"};
  EXPECT_EQ(Say({DialogueAct::kFulfil, "weather"}, state, Locale::kChinese), "明天上海的天气");
  EXPECT_EQ(Say({DialogueAct::kFulfil, "weather"}, state, Locale::kEnglish), "Weather in 上海.");
}

TEST(Replies, TheTurnPicksTheVariant) {
  DialogueState state;
  state.filled["city"] = {.value = "上海"};
  EXPECT_EQ(Say({DialogueAct::kFulfil, "weather"}, state, Locale::kChinese, 1), "给您看上海的天气");
  EXPECT_EQ(Say({DialogueAct::kFulfil, "weather"}, state, Locale::kChinese, 2), "上海的天气");
}

TEST(Replies, AsksInTheWordsOfTheIntentWhereItHasSome) {
  EXPECT_EQ(Say({DialogueAct::kAsk, "book_train"}, Asking("book_train", "from"), Locale::kEnglish), "Where from?");
  EXPECT_EQ(Say({DialogueAct::kAsk, "book_flight"}, Asking("book_flight", "from"), Locale::kEnglish),
            "Which airport do you leave from?");
  EXPECT_EQ(Say({DialogueAct::kAsk, "book_train"}, Asking("book_train", "unknown"), Locale::kEnglish), "");
}

TEST(Replies, AnAsideComesBackToTheQuestion) {
  EXPECT_EQ(Say({DialogueAct::kAside, "greet"}, Asking("book_train", "from"), Locale::kEnglish), "Hello! Where from?");
  EXPECT_EQ(Say({DialogueAct::kAside, "greet"}, {}, Locale::kEnglish), "Hello!");
}

TEST(Replies, SaysWhenNothingWasUnderstood) {
  EXPECT_EQ(Say({DialogueAct::kFallback, ""}, {}, Locale::kEnglish), "Pardon?");
  EXPECT_EQ(Say({DialogueAct::kFallback, ""}, Asking("book_train", "from"), Locale::kChinese), "没听懂。从哪里出发?");
}

TEST(Replies, RepeatsTheLastReply) {
  EXPECT_EQ(Say({DialogueAct::kRepeat, "repeat"}, {}, Locale::kEnglish, 0, "Fine, Rome."), "Fine, Rome.");
  EXPECT_EQ(Say({DialogueAct::kRepeat, "repeat"}, {}, Locale::kEnglish), "I have not said anything yet.");
}

TEST(Replies, FallsBackToTheOtherLanguage) {
  EXPECT_EQ(Say({DialogueAct::kFulfil, "only_english"}, {}, Locale::kChinese), "Sure.");
}

TEST(Replies, SaysNothingForAnIntentWithoutWords) {
  EXPECT_EQ(Say({DialogueAct::kFulfil, "nothing"}, {}, Locale::kEnglish), "");
}

TEST(Replies, NamesTheTemplateThatIsWrong) {
  context::DomainFile domain = Words();
  domain.replies["weather"]["en"] = {"Weather in {city"};
  const auto replies = Replies::FromDomain(domain, "domain.yml");
  ASSERT_FALSE(replies.has_value());
  EXPECT_THAT(replies.error().message, HasSubstr("domain.yml: replies.weather.en"));
  domain = Words();
  domain.fallback["en"] = std::vector<std::string>(kReplyVariantsMax + 1, "x");
  EXPECT_FALSE(Replies::FromDomain(domain, "domain.yml").has_value());
}

}  // namespace
}  // namespace loquat::response
