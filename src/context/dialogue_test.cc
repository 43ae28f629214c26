#include "context/dialogue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace loquat::context {
namespace {

using domain::DialogueState;
using domain::Frame;
using domain::Slot;
using testing::ElementsAre;
using testing::IsEmpty;

DialogueDomain TravelAndWeather() {
  DialogueDomain dialogue_domain;
  dialogue_domain.AddEntity("city", "text");
  dialogue_domain.AddEntity("date", "date");
  dialogue_domain.AddEntity("task", "text");
  dialogue_domain.AddEntity("time", "time");
  dialogue_domain.AddIntent("book_train", {.domain = "travel",
                                           .slots = {{"city", "from"}, {"city", "to"}, {"date", ""}},
                                           .required = {{"from"}, {"to"}, {"date"}}});
  dialogue_domain.AddIntent("book_flight", {.domain = "travel",
                                            .slots = {{"city", "from"}, {"city", "to"}, {"date", ""}},
                                            .required = {{"from"}, {"to"}, {"date"}}});
  dialogue_domain.AddIntent("weather", {.domain = "weather", .slots = {{"city", ""}, {"date", ""}}});
  dialogue_domain.AddIntent("remind", {.domain = "calendar",
                                       .slots = {{"task", ""}, {"time", ""}, {"duration", ""}},
                                       .required = {{"task"}, {"time", "duration"}}});
  dialogue_domain.AddIntent("greet", {.kind = IntentKind::kAside});
  dialogue_domain.AddIntent("inform", {.kind = IntentKind::kInform});
  dialogue_domain.AddIntent("cancel", {.kind = IntentKind::kCancel});
  dialogue_domain.AddIntent("restart", {.kind = IntentKind::kRestart});
  dialogue_domain.AddIntent("repeat", {.kind = IntentKind::kRepeat});
  return dialogue_domain;
}

Slot City(std::string value, std::string role = "") {
  return {.entity = "city", .role = std::move(role), .value = std::move(value)};
}
Slot Date(std::string value) {
  return {.entity = "date", .value = std::move(value)};
}

// A conversation told turn by turn.
class Conversation {
 public:
  DialogueStep Say(std::string_view text, std::string intent, std::vector<Slot> slots = {}) {
    Frame frame;
    frame.intent_ranking.push_back({.name = std::move(intent), .confidence = 0.95f});
    frame.slots = std::move(slots);
    return Advance(domain_, frame, text, ++turn_, state);
  }
  DialogueStep SaySomethingForeign(std::string_view text) {
    Frame frame;
    frame.intent_ranking.push_back({.name = "weather", .confidence = 0.2f});
    frame.out_of_scope = true;
    return Advance(domain_, frame, text, ++turn_, state);
  }
  std::string Value(const std::string& slot) const {
    const auto found = state.filled.find(slot);
    return found == state.filled.end() ? "" : found->second.value;
  }

  DialogueState state;

 private:
  DialogueDomain domain_ = TravelAndWeather();
  std::uint64_t turn_ = 0;
};

TEST(Dialogue, AsksForMissingSlotsInOrderUntilTheTaskIsComplete) {
  Conversation talk;
  EXPECT_EQ(talk.Say("订明天去上海的火车票", "book_train", {Date("明天"), City("上海", "to")}).act, DialogueAct::kAsk);
  EXPECT_EQ(talk.state.asked, "from");
  EXPECT_THAT(talk.state.missing, ElementsAre("from"));
  const DialogueStep done = talk.Say("北京", "inform", {City("北京")});
  EXPECT_EQ(done.act, DialogueAct::kFulfil);
  EXPECT_EQ(done.intent, "book_train");
  EXPECT_EQ(talk.Value("from"), "北京");
  EXPECT_EQ(talk.Value("to"), "上海");
}

TEST(Dialogue, CarriesSlotsOverToAFollowUp) {
  Conversation talk;
  talk.Say("上海明天天气", "weather", {City("上海"), Date("明天")});
  EXPECT_EQ(talk.Say("那后天呢", "inform", {Date("后天")}).intent, "weather");
  EXPECT_EQ(talk.Value("city"), "上海");
  EXPECT_EQ(talk.Value("date"), "后天");
}

TEST(Dialogue, ACorrectionGoesToTheSlotSaidLast) {
  Conversation talk;
  talk.Say("从上海去广州的火车票", "book_train", {City("上海", "from"), City("广州", "to")});
  talk.Say("明天", "inform", {Date("明天")});
  talk.Say("不对,是北京", "inform", {City("北京")});
  EXPECT_EQ(talk.Value("to"), "北京");
  EXPECT_EQ(talk.Value("from"), "上海");
}

TEST(Dialogue, ARoleInACorrectionDecides) {
  Conversation talk;
  talk.Say("from Paris to Rome tomorrow", "book_train", {City("Paris", "from"), City("Rome", "to"), Date("tomorrow")});
  talk.Say("no, from Lyon", "inform", {City("Lyon", "from")});
  EXPECT_EQ(talk.Value("from"), "Lyon");
  EXPECT_EQ(talk.Value("to"), "Rome");
}

TEST(Dialogue, TwoBareCitiesFillTwoSlots) {
  Conversation talk;
  talk.Say("订火车票", "book_train");
  EXPECT_EQ(talk.state.asked, "from");
  talk.Say("北京 上海", "inform", {City("北京"), City("上海")});
  EXPECT_EQ(talk.Value("from"), "北京");
  EXPECT_EQ(talk.Value("to"), "上海");
}

TEST(Dialogue, AnotherIntentOfTheSameDomainKeepsWhatItCanUse) {
  Conversation talk;
  talk.Say("明天从北京去上海的火车票", "book_train", {Date("明天"), City("北京", "from"), City("上海", "to")});
  EXPECT_EQ(talk.Say("还是订机票吧", "book_flight").act, DialogueAct::kFulfil);
  EXPECT_EQ(talk.Value("to"), "上海");
}

TEST(Dialogue, AnUnrelatedIntentStartsEmpty) {
  Conversation talk;
  talk.Say("明天从北京去上海的火车票", "book_train", {Date("明天"), City("北京", "from"), City("上海", "to")});
  talk.Say("天气怎么样", "weather");
  EXPECT_THAT(talk.state.filled, IsEmpty());
}

TEST(Dialogue, AnInterruptedTaskIsTakenUpAgainWhereItWasLeft) {
  Conversation talk;
  talk.Say("订去上海的火车票", "book_train", {City("上海", "to")});
  talk.Say("等等,上海天气怎么样", "weather", {City("上海")});
  EXPECT_EQ(talk.state.active_intent, "weather");
  const DialogueStep back = talk.Say("继续订火车票", "book_train");
  EXPECT_EQ(back.act, DialogueAct::kAsk);
  EXPECT_EQ(talk.Value("to"), "上海");
  EXPECT_EQ(talk.state.asked, "from");
  EXPECT_THAT(talk.state.suspended, IsEmpty());
}

TEST(Dialogue, AValueThatOnlyTheInterruptedTaskTakesResumesIt) {
  Conversation talk;
  talk.Say("提醒我", "remind");
  talk.Say("天气怎么样", "weather");
  const DialogueStep step = talk.Say("三点", "inform", {{.entity = "time", .value = "三点"}});
  EXPECT_EQ(step.intent, "remind");
  EXPECT_EQ(talk.Value("time"), "三点");
}

TEST(Dialogue, SuspendsAFewTasksAtMost) {
  DialogueDomain dialogue_domain;
  for (int i = 0; i < 10; ++i) {
    dialogue_domain.AddIntent("task" + std::to_string(i), {.slots = {{"x", ""}}, .required = {{"x"}}});
  }
  DialogueState state;
  for (int i = 0; i < 10; ++i) {
    Frame frame;
    frame.intent_ranking.push_back({.name = "task" + std::to_string(i), .confidence = 1});
    Advance(dialogue_domain, frame, "", static_cast<std::uint64_t>(i + 1), state);
  }
  EXPECT_EQ(state.suspended.size(), kSuspendedTasksMax);
  EXPECT_EQ(state.suspended.back().intent, "task8");
}

TEST(Dialogue, AFreeTextQuestionIsAnsweredByTheWholeUtterance) {
  Conversation talk;
  talk.Say("remind me", "remind");
  EXPECT_EQ(talk.state.asked, "task");
  EXPECT_EQ(talk.SaySomethingForeign("water the ficus.").act, DialogueAct::kAsk);
  EXPECT_EQ(talk.Value("task"), "water the ficus");
  EXPECT_EQ(talk.state.asked, "time");
  EXPECT_EQ(talk.SaySomethingForeign("who won the cup").act, DialogueAct::kFallback) << "a time is not free text";
}

TEST(Dialogue, ADoubtfulTaskAfterAFreeTextQuestionIsTheAnswer) {
  for (const float confidence : {kAnswerDoubt - 0.01f, kAnswerDoubt}) {
    Conversation talk;
    talk.Say("remind me", "remind");
    Frame frame;
    frame.intent_ranking.push_back({.name = "weather", .confidence = confidence});
    Advance(TravelAndWeather(), frame, "umbrella", 2, talk.state);
    EXPECT_EQ(talk.Value("task"), confidence < kAnswerDoubt ? "umbrella" : "");
    EXPECT_EQ(talk.state.active_intent, confidence < kAnswerDoubt ? "remind" : "weather");
  }
}

TEST(Dialogue, OneOfSeveralAlternativesIsEnough) {
  Conversation talk;
  EXPECT_EQ(talk.Say("remind me to eat", "remind", {{.entity = "task", .value = "eat"}}).act, DialogueAct::kAsk);
  EXPECT_THAT(talk.state.missing, ElementsAre("time"));
  EXPECT_EQ(talk.Say("in 20 minutes", "inform", {{.entity = "duration", .value = "20 minutes"}}).act,
            DialogueAct::kFulfil);
}

TEST(Dialogue, AnAsideLeavesTheTaskAlone) {
  Conversation talk;
  talk.Say("订去上海的火车票", "book_train", {City("上海", "to")});
  const DialogueState before = talk.state;
  EXPECT_EQ(talk.Say("你好", "greet").act, DialogueAct::kAside);
  EXPECT_EQ(talk.state, before);
}

TEST(Dialogue, CancelGivesUpTheTask) {
  Conversation talk;
  talk.Say("订去上海的火车票", "book_train", {City("上海", "to")});
  EXPECT_EQ(talk.Say("算了", "cancel").act, DialogueAct::kCancelled);
  EXPECT_EQ(talk.state.active_intent, "");
  EXPECT_THAT(talk.state.filled, IsEmpty());
  EXPECT_EQ(talk.Say("北京", "inform", {City("北京")}).act, DialogueAct::kFallback);
}

TEST(Dialogue, RestartForgetsEverything) {
  Conversation talk;
  talk.Say("订去上海的火车票", "book_train", {City("上海", "to")});
  talk.Say("天气", "weather");
  EXPECT_EQ(talk.Say("重新开始", "restart").act, DialogueAct::kRestarted);
  EXPECT_EQ(talk.state, DialogueState());
}

TEST(Dialogue, TextOutOfScopeChangesNothing) {
  Conversation talk;
  talk.Say("上海天气", "weather", {City("上海")});
  const DialogueState before = talk.state;
  EXPECT_EQ(talk.SaySomethingForeign("火车是谁发明的").act, DialogueAct::kFallback);
  EXPECT_EQ(talk.state, before);
}

TEST(Dialogue, AnIntentThatTheDomainDoesNotNameTakesAnySlot) {
  DialogueDomain empty;
  DialogueState state;
  Frame frame;
  frame.intent_ranking.push_back({.name = "anything", .confidence = 1});
  frame.slots.push_back(City("Oslo", "to"));
  EXPECT_EQ(Advance(empty, frame, "to Oslo", 1, state).act, DialogueAct::kFulfil);
  EXPECT_EQ(state.filled.at("to").value, "Oslo");
}

TEST(Dialogue, BoundsWhatItKeeps) {
  DialogueDomain empty;
  DialogueState state;
  for (std::size_t i = 0; i < 2 * kFilledSlotsMax; ++i) {
    Frame frame;
    frame.intent_ranking.push_back({.name = "anything", .confidence = 1});
    frame.slots.push_back({.entity = "e" + std::to_string(i), .value = "v"});
    Advance(empty, frame, "", i + 1, state);
  }
  EXPECT_EQ(state.filled.size(), kFilledSlotsMax);
  EXPECT_TRUE(state.filled.contains("e" + std::to_string(2 * kFilledSlotsMax - 1)));
  Frame frame;
  frame.intent_ranking.push_back({.name = "anything", .confidence = 1});
  frame.slots.push_back({.entity = "long", .value = std::string(kFilledValueBytesMax + 1, 'x')});
  Advance(empty, frame, "", 1000, state);
  EXPECT_FALSE(state.filled.contains("long"));
}

}  // namespace
}  // namespace loquat::context
