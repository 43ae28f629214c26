#include "ingress/kafka/assignment.h"

#include <gtest/gtest.h>

#include "ingress/kafka/client_stats.h"

namespace loquat::ingress::kafka {
namespace {

void Done(Partition& partition, std::int64_t offset) {
  ASSERT_TRUE(partition.offsets.Begin(offset));
  partition.offsets.Finish(offset);
}

TEST(Assignment, CommitsWhatIsDoneOfWhatItHas) {
  Assignment assignment("ask");
  for (const int id : {1, 2, 3}) assignment.Add(id);
  EXPECT_EQ(assignment.ToCommit(), nullptr);
  Done(*assignment.Find(1), 4);
  Done(*assignment.Find(2), 9);
  PartitionList list = assignment.ToCommit();
  ASSERT_EQ(list->cnt, 2);
  EXPECT_EQ(list->elems[0].offset, 5);
  EXPECT_STREQ(list->elems[1].topic, "ask");
  EXPECT_EQ(assignment.ToCommit({2})->cnt, 1);
  list->elems[1].err = RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS;
  assignment.Committed(*list);
  list = assignment.ToCommit();
  ASSERT_EQ(list->cnt, 1) << "what the broker did not take is in the next commit";
  EXPECT_EQ(list->elems[0].partition, 2);
}

TEST(Assignment, APartitionThatWentIsNeverCommitted) {
  Assignment assignment("ask");
  assignment.Add(1);
  const auto before = assignment.Find(1);
  ASSERT_TRUE(before->offsets.Begin(7));
  assignment.Remove(1);
  EXPECT_TRUE(before->gone);
  before->offsets.Finish(7);
  EXPECT_EQ(assignment.ToCommit(), nullptr);
  assignment.Add(1);
  EXPECT_NE(assignment.Find(1), before);
  EXPECT_EQ(assignment.ToCommit(), nullptr) << "back again, it starts anew";
}

TEST(Assignment, ARewoundPartitionStartsAnew) {
  Assignment assignment("ask");
  assignment.Add(1);
  const auto before = assignment.Find(1);
  Done(*before, 100);
  const auto after = assignment.Rewind(1);
  EXPECT_TRUE(before->gone);
  Done(*after, 5);
  EXPECT_EQ(assignment.ToCommit()->elems[0].offset, 6);
}

TEST(Assignment, PartitionsStandStillForTheirRecordsOrForAll) {
  Assignment assignment("ask");
  assignment.Add(1);
  assignment.Add(2);
  auto changes = assignment.TakePauseChanges(false);
  EXPECT_EQ(changes.pause, nullptr);
  EXPECT_EQ(changes.resume, nullptr);
  assignment.Find(2)->held = 1;
  changes = assignment.TakePauseChanges(false);
  ASSERT_EQ(changes.pause->cnt, 1);
  EXPECT_EQ(changes.pause->elems[0].partition, 2);
  EXPECT_EQ(assignment.paused(), 1U);
  EXPECT_EQ(assignment.TakePauseChanges(true).pause->elems[0].partition, 1);
  assignment.Find(2)->held = 0;
  EXPECT_EQ(assignment.TakePauseChanges(false).resume->cnt, 2);
}

TEST(Assignment, TooMuchBehindAnOpenRecordStandsStill) {
  Assignment assignment("ask");
  assignment.Add(1);
  Partition& partition = *assignment.Find(1);
  ASSERT_TRUE(partition.offsets.Begin(0));
  for (std::size_t i = 1; i < kUncommittedMax - 1; ++i) Done(partition, static_cast<std::int64_t>(i));
  EXPECT_EQ(assignment.TakePauseChanges(false).pause, nullptr);
  Done(partition, kUncommittedMax);
  EXPECT_NE(assignment.TakePauseChanges(false).pause, nullptr);
  partition.offsets.Finish(0);
  EXPECT_NE(assignment.TakePauseChanges(false).resume, nullptr);
}

TEST(Assignment, WhatGoesIsResumedFirst) {
  Assignment assignment("ask");
  assignment.Add(1);
  assignment.Add(2);
  (void)assignment.TakePauseChanges(true);
  EXPECT_EQ(assignment.TakePaused({1})->cnt, 1);
  EXPECT_EQ(assignment.TakePaused({1}), nullptr);
}

TEST(ClientStats, BrokersThatAreUpAreCounted) {
  base::JsonParser parser;
  const auto stats = ReadStats(
      R"({"name":"x","brokers":{"a":{"state":"UP"},"b":{"state":"DOWN"},"c":{"state":"UPDATE"},"d":{"state":"INIT"}}})",
      parser);
  ASSERT_TRUE(stats.has_value());
  EXPECT_EQ(stats->brokers_up, 2U);
  EXPECT_FALSE(stats->group_steady);
  EXPECT_TRUE(ReadStats(R"({"brokers":{},"cgrp":{"state":"up","join_state":"steady"}})", parser)->group_steady);
  EXPECT_FALSE(ReadStats(R"({"brokers":{},"cgrp":{"state":"up","join_state":"wait-join"}})", parser)->group_steady);
  EXPECT_FALSE(ReadStats("{}", parser).has_value());
  EXPECT_FALSE(ReadStats(R"({"brokers":{"a":{}}})", parser).has_value());
}

}  // namespace
}  // namespace loquat::ingress::kafka
