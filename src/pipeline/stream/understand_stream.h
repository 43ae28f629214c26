// One client's stream: text arrives bit by bit, each update gives a revised frame, and each utterance that ends is a
// turn like any other request's, answered in order. Knows no protocol: ingress reads events, calls, and writes what the
// sink hears.
//
// A stream belongs to the executor of its connection: everything happens there. Keep it by shared_ptr: a turn that is
// under way holds it too. Close() ends it; from then on the sink, which must live until then, hears nothing.

#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "base/call_context.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/object_pool.h"
#include "base/result.h"
#include "config/snapshot.h"
#include "observe/metrics.h"
#include "pipeline/stream/stream_events.h"
#include "pipeline/stream/stream_metrics.h"
#include "pipeline/stream/stream_options.h"
#include "pipeline/stream/utterance_history.h"
#include "pipeline/understand.h"

namespace loquat::pipeline {

class UnderstandStream;

// What all streams share. Thread-safe; outlives its streams, and the references outlive it.
class UnderstandStreams {
 public:
  UnderstandStreams(UnderstandPipeline& pipeline, StreamOptions options, const base::Clock& clock,
                    observe::Registry& metrics);
  ~UnderstandStreams();

  // `call`: whose stream it is; its id is the stem of those of its turns, and its deadline holds for all of them. Its
  // cancel token is not heeded: who watches the client calls Close. The options of now hold for the whole stream.
  // `text_bytes_max`: of one utterance. `executor` is that of the connection; call there.
  std::shared_ptr<UnderstandStream> Open(boost::asio::any_io_executor executor, base::CallContext call, StreamOpen open,
                                         std::size_t text_bytes_max, StreamSink& sink);

  void SetOptions(const StreamOptions& options) { options_.Swap(options); }
  const base::Clock& clock() const { return clock_; }

 private:
  friend class UnderstandStream;
  UnderstandPipeline& pipeline_;
  const base::Clock& clock_;
  StreamMetrics metrics_;
  base::SharedObjectPool<ArrivingText> readings_;  // Lent while an utterance arrives.
  base::SharedObjectPool<UnderstandAnswer> answers_;
  config::SnapshotHolder<StreamOptions> options_;
};

class UnderstandStream : public std::enable_shared_from_this<UnderstandStream> {
 public:
  struct Setting {
    boost::asio::any_io_executor executor;
    base::CallContext call;
    StreamOpen open;
    std::shared_ptr<const StreamOptions> options;
    std::size_t text_bytes_max;  // Of one utterance.
  };
  UnderstandStream(UnderstandStreams& shared, Setting setting, StreamSink& sink);
  ~UnderstandStream();
  UnderstandStream(const UnderstandStream&) = delete;
  UnderstandStream& operator=(const UnderstandStream&) = delete;

  // What the client says. Faults go to the sink: failed_precondition "utterance_open", "utterance_ended",
  // "nothing_said", "unknown_utterance"; resource_exhausted "text_too_large", "too_many_turns".
  void Update(TextUpdate update);
  void Final(FinalText final);
  void Cancel(const StreamCancel& cancel);

  // Makes the frame of the last update. Call it when no further event is there at once: of several updates only the
  // newest is worth a frame.
  void Flush();

  // When Wake wants to be called: a pause may end the turn then. TimePoint::max(): the client alone does.
  base::TimePoint wake_at() const;
  // Ends the turn if its time has come.
  void Wake();

  // A turn is being answered, or waits for it.
  bool busy() const { return !turns_.empty(); }
  // Cancels what is under way. May be called more than once.
  void Close();

 private:
  struct Utterance;
  struct Turn;
  class TurnSink;

  Utterance* Arriving(const std::string& id);
  base::Status MayArrive(const std::string& id) const;
  void EndTurn(TurnEndReason reason);
  void Refuse(base::Error error);
  void Fail(std::string_view utterance, const base::Error& error);
  void Ended(std::string_view utterance, const StreamTurnEnd& end);
  base::CallContext CallOf(const std::string& utterance, const base::CancelSource& cancel) const;
  boost::asio::awaitable<void> AnswerTurns();
  boost::asio::awaitable<void> Answer(Turn& turn);

  UnderstandStreams& shared_;
  const Setting setting_;
  StreamSink& sink_;
  bool closed_ = false;
  bool answering_ = false;  // The coroutine that answers turns runs.
  std::uint64_t utterances_ = 0;
  std::unique_ptr<Utterance> arriving_;
  std::deque<std::unique_ptr<Turn>> turns_;  // The first is being answered.
  std::deque<std::string> ended_;            // The last few, so that late text for them is told so.
};

}  // namespace loquat::pipeline
