#include "engine/drafter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"

namespace loquat::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint32_t kMost = 8;

std::vector<TokenId> DraftOf(Drafter& drafter, std::span<const TokenId> text, double share = 0.01,
                             std::uint32_t most = kMost) {
  std::vector<TokenId> draft;
  drafter.Draft(text, most, share, draft);
  return draft;
}

// Every draft has become what the sequence goes on with.
void Accept(Drafter& drafter, int times) {
  for (int i = 0; i < times; ++i) drafter.OnVerified(kMost, kMost);
}

TEST(Drafter, GoesOnAsItDidAfterTheLastOccurrence) {
  const std::vector<TokenId> text{1, 2, 3, 4, 10, 11, 12, 13, 1, 2, 3, 4};
  Drafter drafter(100);
  EXPECT_THAT(DraftOf(drafter, text), ElementsAre(10, 11, 12, 13, 1, 2, 3));  // As long as 0.6 to that power pays.
  EXPECT_THAT(DraftOf(drafter, text, 0.01, 2), ElementsAre(10, 11));
  EXPECT_THAT(DraftOf(drafter, text, 0.01, 0), IsEmpty());
}

TEST(Drafter, RepeatsAShortRunIntoItsOwnGuess) {
  Drafter drafter(100);
  EXPECT_THAT(DraftOf(drafter, std::vector<TokenId>{9, 5, 6, 5, 6, 5, 6}, 0.1, 5), ElementsAre(5, 6, 5, 6));
}

TEST(Drafter, SaysNothingWhereNothingWasBefore) {
  Drafter drafter(100);
  EXPECT_THAT(DraftOf(drafter, std::vector<TokenId>{1, 2, 3, 4, 5, 6}), IsEmpty());
}

TEST(Drafter, DraftsLongerTheBetterItGuessesAndTheLessATokenCosts) {
  const std::vector<TokenId> text{1, 1, 1, 1, 1, 1};
  Drafter drafter(100);
  const std::size_t first = DraftOf(drafter, text, 0.1).size();
  EXPECT_EQ(first, 4U);  // 0.6, 0.36, 0.22 and 0.13 are above 1.25 times 0.1.
  EXPECT_EQ(DraftOf(drafter, text, 0.4).size(), 1U);
  Accept(drafter, 5);
  EXPECT_EQ(DraftOf(drafter, text, 0.1).size(), kMost);
  EXPECT_EQ(DraftOf(drafter, text, 0.7).size(), kMost);
}

TEST(Drafter, WithBatchesWhoseTokensCostAsMuchAsTheyBringItIsStill) {
  const std::vector<TokenId> text{1, 1, 1, 1, 1, 1};
  Drafter drafter(100);
  DraftOf(drafter, text);
  Accept(drafter, 20);
  EXPECT_THAT(DraftOf(drafter, text, 0.8), IsEmpty());
  EXPECT_THAT(DraftOf(drafter, text, 1), IsEmpty());
  EXPECT_EQ(DraftOf(drafter, text, 0.7).size(), kMost);
}

TEST(Drafter, StopsGuessingWhereItGuessesWrongAndLooksAgainNowAndThen) {
  const std::vector<TokenId> text{1, 1, 1, 1, 1, 1};
  Drafter drafter(100);
  DraftOf(drafter, text);
  for (int i = 0; i < 50; ++i) drafter.OnVerified(1, 0);
  std::size_t drafted = 0;
  for (std::uint32_t i = 0; i < 10 * Drafter::kProbeEvery; ++i) drafted += DraftOf(drafter, text, 0.1).size();
  EXPECT_EQ(drafted, 10U) << "one token, once in a while";
  // The text has begun to repeat itself.
  int probes = 0;
  while (DraftOf(drafter, text, 0.1).size() < 4) {
    drafter.OnVerified(1, 1);
    ASSERT_LT(++probes, 100);
  }
}

TEST(Drafter, ProbesNothingWhereATokenCostsHalfAStep) {
  const std::vector<TokenId> text{1, 1, 1, 1, 1, 1};
  Drafter drafter(100);
  DraftOf(drafter, text);
  for (int i = 0; i < 50; ++i) drafter.OnVerified(1, 0);
  for (std::uint32_t i = 0; i < 10 * Drafter::kProbeEvery; ++i) {
    ASSERT_THAT(DraftOf(drafter, text, Drafter::kProbeShareMax + 0.01), IsEmpty());
  }
}

TEST(Drafter, JudgesRunsOfEachLengthByThemselves) {
  // After 1 1 1 1, and after 2 2.
  const std::vector<TokenId> four{1, 1, 1, 1, 1, 1};
  std::vector<TokenId> two = four;
  two.insert(two.end(), {2, 2, 3, 2, 2});
  Drafter drafter(100);
  DraftOf(drafter, four);
  Accept(drafter, 5);
  EXPECT_EQ(DraftOf(drafter, two, 0.2).size(), 1U) << "0.3 is above 0.25, its square is not";
  for (int i = 0; i < 50; ++i) drafter.OnVerified(1, 0);
  EXPECT_THAT(DraftOf(drafter, two, 0.2), IsEmpty());
}

TEST(Drafter, WhatWasNotLookedAtSaysNothing) {
  const std::vector<TokenId> text{1, 1, 1, 1, 1, 1};
  Drafter drafter(100);
  DraftOf(drafter, text);
  for (int i = 0; i < 100; ++i) drafter.OnVerified(0, 0);
  EXPECT_EQ(DraftOf(drafter, text, 0.1).size(), 4U);
}

}  // namespace
}  // namespace loquat::engine
