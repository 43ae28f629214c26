#include "net/websocket_send_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace loquat::net {
namespace {

using Outcome = WebSocketSendQueue::Outcome;
constexpr std::size_t kOverhead = WebSocketSendQueue::kFrameOverheadBytes;

// Room for `frames` frames of ten bytes.
WebSocketSendQueue Queue(std::size_t frames, SlowConsumerPolicy policy = SlowConsumerPolicy::kDrop) {
  return {frames * (10 + kOverhead), policy};
}
std::string Frame(char name) {
  return std::string(10, name);
}
std::string AllOf(WebSocketSendQueue& queue) {
  std::string all;
  for (std::string batch = queue.TakeBatch(1); !batch.empty(); batch = queue.TakeBatch(1)) {
    all += batch;
    queue.Sent();
  }
  return all;
}

TEST(WebSocketSendQueue, KeepsTheOrder) {
  auto queue = Queue(3);
  queue.Push("a", 0);
  queue.Push("b", 7);
  queue.Push("c", 0);
  EXPECT_EQ(AllOf(queue), "abc");
  EXPECT_TRUE(queue.empty());
}

TEST(WebSocketSendQueue, RefusesWhatDoesNotFitExactlyAtTheBound) {
  auto queue = Queue(2);
  EXPECT_EQ(queue.Push(Frame('a'), 0).outcome, Outcome::kQueued);
  EXPECT_EQ(queue.Push(Frame('b'), 0).outcome, Outcome::kQueued);
  EXPECT_EQ(queue.bytes(), 2 * (10 + kOverhead));
  EXPECT_EQ(queue.Push("", 0).outcome, Outcome::kFull);
  EXPECT_EQ(AllOf(queue), Frame('a') + Frame('b'));
}

TEST(WebSocketSendQueue, AnEmptyOneTakesAFrameOfAnySize) {
  auto queue = Queue(1);
  EXPECT_EQ(queue.Push(std::string(100'000, 'a'), 0).outcome, Outcome::kQueued);
  EXPECT_EQ(queue.Push("b", 0).outcome, Outcome::kFull);
}

TEST(WebSocketSendQueue, ANewerRevisionTakesTheOlderOneOutAndGoesLast) {
  auto queue = Queue(5);
  queue.Push("1", 7);
  queue.Push("x", 8);
  queue.Push("y", 0);
  EXPECT_EQ(queue.Push("2", 7).replaced, 1u);
  EXPECT_EQ(AllOf(queue), "xy2");
  EXPECT_EQ(queue.bytes(), 0u);
}

TEST(WebSocketSendQueue, WhatIsOnItsWayIsNotTakenOut) {
  auto queue = Queue(5);
  queue.Push("1", 7);
  EXPECT_EQ(queue.TakeBatch(100), "1");
  EXPECT_EQ(queue.Push("2", 7).replaced, 0u);
  EXPECT_EQ(queue.bytes(), 2 + kOverhead);
  queue.Sent();
  EXPECT_EQ(AllOf(queue), "2");
}

TEST(WebSocketSendQueue, RevisionsMakeRoomOldestFirst) {
  auto queue = Queue(3);
  queue.Push(Frame('a'), 1);
  queue.Push(Frame('b'), 0);
  queue.Push(Frame('c'), 2);
  const auto pushed = queue.Push(Frame('d'), 0);
  EXPECT_EQ(pushed.outcome, Outcome::kQueued);
  EXPECT_EQ(pushed.dropped, 1u);
  EXPECT_EQ(AllOf(queue), Frame('b') + Frame('c') + Frame('d'));
}

TEST(WebSocketSendQueue, ARevisionWithoutRoomIsDroppedAndAMessageIsNot) {
  auto queue = Queue(2);
  queue.Push(Frame('a'), 0);
  queue.Push(Frame('b'), 0);
  EXPECT_EQ(queue.Push(Frame('c'), 5).outcome, Outcome::kDropped);
  EXPECT_EQ(queue.Push(Frame('d'), 0).outcome, Outcome::kFull);
  EXPECT_EQ(AllOf(queue), Frame('a') + Frame('b'));
}

TEST(WebSocketSendQueue, ThePolicyCloseDropsNothing) {
  auto queue = Queue(2, SlowConsumerPolicy::kClose);
  queue.Push(Frame('a'), 1);
  queue.Push(Frame('b'), 2);
  const auto pushed = queue.Push(Frame('c'), 3);
  EXPECT_EQ(pushed.outcome, Outcome::kFull);
  EXPECT_EQ(pushed.dropped, 0u);
  // A newer revision still takes the older one's place.
  EXPECT_EQ(queue.Push(Frame('d'), 1).outcome, Outcome::kQueued);
  EXPECT_EQ(AllOf(queue), Frame('b') + Frame('d'));
}

TEST(WebSocketSendQueue, ControlFramesOvertakeAndOnlyTheLastPongCounts) {
  auto queue = Queue(3);
  queue.PushStarted("rest");
  queue.Push("message", 0);
  queue.PushPong("pong1");
  queue.PushPing("ping");
  queue.PushPong("pong2");
  EXPECT_EQ(queue.TakeBatch(100), "restpong2pingmessage");
  queue.Sent();
  EXPECT_TRUE(queue.empty());
}

TEST(WebSocketSendQueue, BatchesAreOfAboutTheSizeAskedFor) {
  auto queue = Queue(10);
  for (const char name : {'a', 'b', 'c', 'd'}) queue.Push(Frame(name), 0);
  EXPECT_EQ(queue.TakeBatch(25).size(), 20u);
  queue.Sent();
  EXPECT_EQ(queue.TakeBatch(5).size(), 10u) << "at least one frame";
}

TEST(WebSocketSendQueue, ClearingLeavesWhatHasBegun) {
  auto queue = Queue(5);
  queue.PushStarted("rest");
  queue.Push("a", 0);
  queue.PushPong("p");
  queue.Clear();
  queue.PushLast("close");
  EXPECT_EQ(AllOf(queue), "restclose");
  queue.Push("b", 3);
  EXPECT_EQ(queue.TakeBatch(100), "b");
  queue.Push("c", 3);
  queue.Clear();
  EXPECT_EQ(queue.bytes(), 1u);
  queue.Sent();
  EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace loquat::net
