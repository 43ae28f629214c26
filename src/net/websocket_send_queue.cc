#include "net/websocket_send_queue.h"

#include <utility>

#include "base/check.h"

namespace loquat::net {

void WebSocketSendQueue::Append(std::string frame, std::uint64_t revision_of) {
  bytes_ += Cost(frame);
  revisions_ += revision_of != 0 ? 1 : 0;
  waiting_.push_back({std::move(frame), revision_of});
}

std::list<WebSocketSendQueue::Waiting>::iterator WebSocketSendQueue::Remove(std::list<Waiting>::iterator at) {
  bytes_ -= Cost(at->frame);
  revisions_ -= at->revision_of != 0 ? 1 : 0;
  return waiting_.erase(at);
}

// There is at most one: each newer one took out the one before it.
std::size_t WebSocketSendQueue::RemoveRevisionsOf(std::uint64_t thing) {
  if (revisions_ == 0) return 0;
  for (auto at = waiting_.end(); at != waiting_.begin();) {
    --at;
    if (at->revision_of != thing) continue;
    Remove(at);
    return 1;
  }
  return 0;
}

std::size_t WebSocketSendQueue::DropRevisionsFor(std::size_t frame_bytes) {
  std::size_t dropped = 0;
  for (auto at = waiting_.begin(); at != waiting_.end() && revisions_ != 0 && !HasRoom(frame_bytes);) {
    if (at->revision_of == 0) {
      ++at;
    } else {
      at = Remove(at);
      ++dropped;
    }
  }
  return dropped;
}

WebSocketSendQueue::Pushed WebSocketSendQueue::Push(std::string frame, std::uint64_t revision_of) {
  Pushed pushed;
  if (revision_of != 0) pushed.replaced = RemoveRevisionsOf(revision_of);
  const std::size_t cost = Cost(frame);
  if (!HasRoom(cost) && policy_ == SlowConsumerPolicy::kDrop) pushed.dropped = DropRevisionsFor(cost);
  if (HasRoom(cost)) {
    Append(std::move(frame), revision_of);
  } else {
    const bool may_drop = revision_of != 0 && policy_ == SlowConsumerPolicy::kDrop;
    pushed.outcome = may_drop ? Outcome::kDropped : Outcome::kFull;
  }
  return pushed;
}

void WebSocketSendQueue::PushStarted(std::string rest) {
  LOQUAT_CHECK(empty(), "nothing overtakes a frame that is partly sent");
  bytes_ += rest.size();
  started_ = std::move(rest);
}

void WebSocketSendQueue::SetControl(std::string& slot, std::string frame) {
  bytes_ += frame.size() - slot.size();
  slot = std::move(frame);
}

std::string WebSocketSendQueue::TakeBatch(std::size_t bytes) {
  LOQUAT_CHECK(on_its_way_ == 0, "one batch at a time");
  std::string batch = std::exchange(started_, std::string());
  batch += std::exchange(pong_, std::string());
  batch += std::exchange(ping_, std::string());
  bytes_ -= batch.size();
  while (!waiting_.empty() && (batch.empty() || batch.size() + waiting_.front().frame.size() <= bytes)) {
    std::string frame = std::move(waiting_.front().frame);
    bytes_ -= Cost(frame);
    revisions_ -= waiting_.front().revision_of != 0 ? 1 : 0;
    waiting_.pop_front();
    if (batch.empty()) {
      batch = std::move(frame);
    } else {
      batch += frame;
    }
  }
  on_its_way_ = batch.size();
  bytes_ += on_its_way_;
  return batch;
}

void WebSocketSendQueue::Sent() {
  bytes_ -= std::exchange(on_its_way_, 0);
}

void WebSocketSendQueue::Clear() {
  waiting_.clear();
  pong_ = ping_ = std::string();
  revisions_ = 0;
  bytes_ = started_.size() + on_its_way_;
}

}  // namespace loquat::net
