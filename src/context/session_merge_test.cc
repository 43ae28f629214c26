#include "context/session_merge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace loquat::context {
namespace {

using domain::Session;
using testing::ElementsAre;

constexpr std::size_t kTurnsMax = 4;

// A turn taken so many seconds after the epoch, with the text of that number.
void Say(const std::string& branch, Session& session, int at, const std::string& text = {}) {
  ++session.version;
  ++session.turn_count;
  if (session.turns.size() >= kTurnsMax) session.turns.erase(session.turns.begin());
  session.turns.push_back({.number = session.turn_count,
                           .text = text.empty() ? std::to_string(at) : text,
                           .intent = {},
                           .reply = {},
                           .at = base::WallTime(std::chrono::seconds(at))});
  session.state.active_intent = "after " + session.turns.back().text;
  TakeTurns(branch, session);
}

Session Talk(const std::vector<int>& times) {
  Session session;
  session.id = "s";
  for (const int at : times) Say("shared", session, at);
  return session;
}

std::vector<std::string> Texts(const Session& session) {
  std::vector<std::string> texts;
  for (const domain::Turn& turn : session.turns) texts.push_back(turn.text);
  return texts;
}

void ExpectNumbered(const Session& session) {
  std::uint64_t number = session.turn_count - session.turns.size();
  for (const domain::Turn& turn : session.turns) EXPECT_EQ(turn.number, ++number);
}

TEST(MergeSessions, PutsTheTurnsOfBothInOrderOfTime) {
  const Session base = Talk({1, 2});
  Session local = base;
  Session remote = base;
  Say("here", local, 3);
  Say("there", remote, 4);
  Say("here", local, 5);
  const auto merged = MergeSessions(local, remote, 10);
  EXPECT_THAT(Texts(*merged), ElementsAre("1", "2", "3", "4", "5"));
  EXPECT_EQ(merged->turn_count, 5u);
  ExpectNumbered(*merged);
  EXPECT_EQ(merged->state.active_intent, "after 5");
}

TEST(MergeSessions, TakesTheStateOfTheLaterSide) {
  const Session base = Talk({1});
  Session local = base;
  Session remote = base;
  Say("here", local, 2);
  Say("there", remote, 3);
  EXPECT_EQ(MergeSessions(local, remote, 10)->state.active_intent, "after 3");
  EXPECT_EQ(MergeSessions(remote, local, 10)->state.active_intent, "after 3");
}

TEST(MergeSessions, HasAVersionThatNobodyHolds) {
  const Session base = Talk({1});
  Session local = base;
  Session remote = base;
  for (int at = 2; at < 6; ++at) Say("here", local, at);
  Say("there", remote, 9);
  EXPECT_EQ(MergeSessions(local, remote, 10)->version, local.version + 1);
  EXPECT_EQ(MergeSessions(remote, local, 10)->version, local.version + 1);
}

TEST(MergeSessions, CountsATurnThatBothHaveOnce) {
  // The update was taken although its reply never came.
  const Session base = Talk({1});
  Session local = base;
  Say("here", local, 2);
  const Session remote = local;
  Say("here", local, 3);
  const auto merged = MergeSessions(local, remote, 10);
  EXPECT_THAT(Texts(*merged), ElementsAre("1", "2", "3"));
  EXPECT_EQ(merged->turn_count, 3u);
  EXPECT_FALSE(HasOwnTurns(remote, local));
  EXPECT_TRUE(HasOwnTurns(local, remote));
}

TEST(MergeSessions, CountsTurnsThatTheWindowNoLongerShows) {
  const Session base = Talk({1});
  Session local = base;
  Session remote = base;
  for (int at = 2; at <= 11; ++at) Say("here", local, at);
  Say("there", remote, 6, "elsewhere");
  const auto merged = MergeSessions(local, remote, kTurnsMax);
  EXPECT_EQ(merged->turn_count, 12u);
  EXPECT_THAT(Texts(*merged), ElementsAre("8", "9", "10", "11"));
  ExpectNumbered(*merged);
}

TEST(MergeSessions, CountsTheCommonPastOnceAlsoWhereNoWindowShowsIt) {
  const Session past = Talk({1, 2, 3, 4, 5, 6});
  Session local = past;
  Session remote = past;
  for (int at = 10; at < 20; ++at) Say("here", local, at);
  for (int at = 20; at < 30; ++at) Say("there", remote, at);
  EXPECT_EQ(MergeSessions(local, remote, kTurnsMax)->turn_count, 26u);
  const auto merged = MergeSessions(remote, local, kTurnsMax);
  EXPECT_EQ(merged->turn_count, 26u);
  EXPECT_THAT(Texts(*merged), ElementsAre("26", "27", "28", "29"));
  // Once more changes nothing but the version.
  EXPECT_EQ(MergeSessions(*merged, local, kTurnsMax)->turn_count, 26u);
}

TEST(MergeSessions, AnOlderCopyAddsNothing) {
  const Session older = Talk({1, 2, 3});
  Session newer = older;
  Say("shared", newer, 4);
  for (const auto& merged : {MergeSessions(older, newer, 10), MergeSessions(newer, older, 10)}) {
    EXPECT_EQ(merged->turn_count, 4u);
    EXPECT_THAT(Texts(*merged), ElementsAre("1", "2", "3", "4"));
    EXPECT_EQ(merged->state.active_intent, "after 4");
  }
}

TEST(TakeTurns, FoldsTheSmallestBranchesWithoutLosingTheSum) {
  Session session;
  for (std::size_t i = 0; i < kBranchesMax; ++i) {
    ++session.turn_count;
    TakeTurns("b" + std::to_string(i), session);
  }
  EXPECT_EQ(session.taken_by.size(), kBranchesMax);
  session.turn_count += 5;
  TakeTurns("new", session);
  EXPECT_EQ(session.taken_by.size(), kBranchesMax);
  EXPECT_EQ(session.taken_by.at("new"), 5u);
  std::uint64_t all = 0;
  for (const auto& [branch, count] : session.taken_by) all += count;
  EXPECT_EQ(all, session.turn_count);
}

TEST(MergeSessions, KeepsSlotsWithTheTurnTheyWereSaidIn) {
  const Session base = Talk({1});
  Session local = base;
  Session remote = base;
  Say("there", remote, 2);
  Say("there", remote, 3);
  Say("here", local, 4);
  local.state.filled["to"] = {.entity = "city", .role = "to", .value = "x", .normalized = {}, .turn = 2};
  const auto merged = MergeSessions(local, remote, 10);
  EXPECT_EQ(merged->state.filled.at("to").turn, 4u);
  EXPECT_EQ(merged->turns.at(3).text, "4");
}

TEST(SameTurn, LooksAtTimeInMicrosecondsAndAtText) {
  domain::Turn a{
      .number = 1, .text = "a", .intent = {}, .reply = {}, .at = base::WallTime(std::chrono::nanoseconds(1'999))};
  domain::Turn b = a;
  b.at = base::WallTime(std::chrono::microseconds(1));
  b.number = 9;
  EXPECT_TRUE(SameTurn(a, b));
  b.text = "b";
  EXPECT_FALSE(SameTurn(a, b));
  b = a;
  b.at = base::WallTime(std::chrono::microseconds(2));
  EXPECT_FALSE(SameTurn(a, b));
}

}  // namespace
}  // namespace loquat::context
