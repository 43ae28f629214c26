#include "ingress/kafka/key_queues.h"

#include <gtest/gtest.h>

namespace loquat::ingress::kafka {
namespace {

TEST(KeyQueues, RecordsOfOneKeyWaitForEachOther) {
  KeyQueues<int> queues;
  EXPECT_EQ(queues.Enter("a", 1), 1);
  EXPECT_FALSE(queues.Enter("a", 2));
  EXPECT_FALSE(queues.Enter("a", 3));
  EXPECT_EQ(queues.waiting(), 2U);
  EXPECT_EQ(queues.Leave("a"), 2);
  EXPECT_EQ(queues.Leave("a"), 3);
  EXPECT_FALSE(queues.Leave("a"));
}

TEST(KeyQueues, OtherKeysDoNotWait) {
  KeyQueues<int> queues;
  EXPECT_EQ(queues.Enter("a", 1), 1);
  EXPECT_EQ(queues.Enter("b", 2), 2);
  EXPECT_EQ(queues.keys(), 2U);
  EXPECT_FALSE(queues.Leave("a"));
  EXPECT_FALSE(queues.Enter("b", 3));
  EXPECT_EQ(queues.Leave("b"), 3);
}

TEST(KeyQueues, AKeyThatWasLeftIsForgottenAndMayComeBack) {
  KeyQueues<int> queues;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(queues.Enter("a", i), i);
    EXPECT_FALSE(queues.Leave("a"));
    EXPECT_EQ(queues.keys(), 0U);
  }
}

}  // namespace
}  // namespace loquat::ingress::kafka
