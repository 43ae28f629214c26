// What client and server say to each other while text arrives, the same on every protocol: updates of an utterance in,
// revised frames, the reply and the end of the turn out. Ingress turns these into its own form and back.
//
// Plain values and one interface. What goes out refers to memory of the stream: valid until the call returns.

#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "domain/frame.h"
#include "domain/reply.h"
#include "domain/stability.h"
#include "pipeline/understand.h"

namespace loquat::pipeline {

// Who decides that a turn has ended.
enum class TurnEnding : std::uint8_t {
  kClient,  // The client, by its final.
  kServer,  // The server besides: from the text and from pauses.
};

// How a stream begins: what holds for all of its utterances.
struct StreamOpen {
  UnderstandRequest request;  // Without a text.
  TurnEnding ending = TurnEnding::kClient;
  bool single = false;  // One utterance and no more: its turn's id is that of the call.
  // Longest time from the end of a turn to its answer; zero: no limit of the client's.
  std::chrono::milliseconds turn_timeout{0};
};

// Text of the utterance that is arriving. The first update begins one.
struct TextUpdate {
  std::string utterance;  // The client's name for it; empty: the one that is arriving, or the next.
  std::string text;
  bool delta = false;  // The text goes after what came before; otherwise it is all so far.
};

// The utterance is complete.
struct FinalText {
  std::string utterance;
  std::optional<std::string> text;  // Empty: as it stands.
};

struct StreamCancel {
  std::string utterance;  // Empty: the one that is arriving, else the last that was said.
};

enum class TurnEndReason : std::uint8_t {
  kFinal,      // The client said so.
  kComplete,   // The text was whole and a short pause followed.
  kPause,      // Nothing more came for long.
  kCancelled,  // Nobody wants the answer any more.
  kFailed,     // An error came before.
};

constexpr std::string_view TurnEndReasonName(TurnEndReason reason) {
  constexpr std::string_view kNames[] = {"final", "complete", "pause", "cancelled", "failed"};
  return kNames[static_cast<std::uint8_t>(reason)];
}

struct StreamFrame {
  std::string_view utterance;
  std::uint32_t revision = 0;  // From 1; grows by one with each update that the client sent, shown or not.
  bool final = false;
  const UnderstandRequest& request;
  const domain::Frame& frame;
  const domain::FrameStability& stability;
  domain::TurnEnd turn_end;  // Of a frame that is not final.
};

struct StreamTurnEnd {
  std::string_view utterance;
  TurnEndReason reason = TurnEndReason::kFinal;
  const UnderstandAnswer* answer = nullptr;  // Null where there is none: cancelled, failed.
};

// Hears of everything a stream says, in order. For each utterance: frames, the final one, deltas of the reply, the
// reply, and at last the end of the turn; where something fails, the error and the end of the turn. An error without an
// utterance speaks of an event that was refused, and ends nothing.
// Called on the stream's executor.
class StreamSink {
 public:
  virtual ~StreamSink() = default;

  virtual void OnFrame(const StreamFrame& frame) = 0;
  virtual void OnReplyDelta(std::string_view utterance, std::string_view text) = 0;
  virtual void OnReply(std::string_view utterance, const domain::Reply& reply) = 0;
  virtual void OnTurnEnd(const StreamTurnEnd& end) = 0;
  virtual void OnError(std::string_view utterance, const base::Error& error) = 0;

  // The reader is behind: frames of unfinished text are left out until it has caught up.
  virtual bool congested() const = 0;
  // Waits until there is room for more of a reply. An error: nobody reads any more.
  virtual boost::asio::awaitable<base::Status> Room() = 0;
};

}  // namespace loquat::pipeline
