// What a WebSocket's peer has not taken yet: whole frames, bounded in bytes, of which outdated revisions may be taken
// out again until they are on their way. Control frames overtake messages. Internal to net.
// Threads: one. An empty queue holds no memory.

#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>

#include "net/websocket_options.h"

namespace loquat::net {

class WebSocketSendQueue {
 public:
  // What a waiting frame costs besides its bytes; counted, so that many small ones are bounded as well.
  static constexpr std::size_t kFrameOverheadBytes = 80;

  WebSocketSendQueue(std::size_t bytes_max, SlowConsumerPolicy policy) : bytes_max_(bytes_max), policy_(policy) {}

  enum class Outcome : std::uint8_t {
    kQueued,
    kDropped,  // A revision for which there is no room.
    kFull,     // No room, and this one may not be dropped.
  };
  struct Pushed {
    Outcome outcome = Outcome::kQueued;
    std::size_t replaced = 0;  // Older revisions of the same thing that were taken out.
    std::size_t dropped = 0;   // Revisions of other things that made room.
  };
  // `revision_of` as in WebSocketSend. An empty queue takes one frame of any size.
  Pushed Push(std::string frame, std::uint64_t revision_of);
  // Whether a frame of so many bytes would find room now.
  bool HasRoom(std::size_t frame_bytes) const { return bytes_ == 0 || bytes_ + frame_bytes <= bytes_max_; }

  // The rest of a frame that is partly sent; it goes first. REQUIRES: empty().
  void PushStarted(std::string rest);
  // The latest pong is the one that counts (RFC 6455 section 5.5.3).
  void PushPong(std::string frame) { SetControl(pong_, std::move(frame)); }
  void PushPing(std::string frame) { SetControl(ping_, std::move(frame)); }
  // After all that waits; not bounded.
  void PushLast(std::string frame) { Append(std::move(frame), 0); }

  // Takes out frames for one write of about `bytes`: at least one if there is any. They count until Sent().
  std::string TakeBatch(std::size_t bytes);
  void Sent();
  // Drops all that is not on its way.
  void Clear();

  bool empty() const { return bytes_ == 0; }
  std::size_t bytes() const { return bytes_; }  // With what is on its way, and the overhead of what waits.

 private:
  struct Waiting {
    std::string frame;
    std::uint64_t revision_of = 0;
  };

  static std::size_t Cost(const std::string& frame) { return frame.size() + kFrameOverheadBytes; }
  void Append(std::string frame, std::uint64_t revision_of);
  std::list<Waiting>::iterator Remove(std::list<Waiting>::iterator at);
  std::size_t RemoveRevisionsOf(std::uint64_t thing);
  std::size_t DropRevisionsFor(std::size_t frame_bytes);
  void SetControl(std::string& slot, std::string frame);

  const std::size_t bytes_max_;
  const SlowConsumerPolicy policy_;
  std::list<Waiting> waiting_;
  std::string started_;
  std::string pong_;
  std::string ping_;
  std::size_t revisions_ = 0;  // Among waiting_.
  std::size_t on_its_way_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace loquat::net
