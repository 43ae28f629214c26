// From engines to one reader: collects what several generations say until the reader takes it, within a bound. A
// reader that falls behind further is cut, and the engine stops working for it.
//
// Sources are called by engines' threads, Next by one coroutine, Abort by anybody. Shared by reader and sources.

#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "engine/engine.h"
#include "pipeline/signal.h"

namespace loquat::pipeline {

// What a reader is behind by at most, before it is cut.
inline constexpr std::size_t kStreamBufferBytesMax = 256 * 1024;

// As engine::Delta, with memory of its own and the choice counted over all sources.
struct AnswerDelta {
  std::uint32_t choice = 0;
  std::string text;
  std::vector<engine::TokenId> tokens;
  std::vector<engine::TokenLogprob> logprobs;  // [tokens, 1 + top_logprobs]
  std::optional<engine::Finish> finish;
};

class GenerationStream : public std::enable_shared_from_this<GenerationStream> {
 public:
  // Zero bytes: no bound but what the generations may say.
  explicit GenerationStream(std::size_t buffer_bytes_max) : buffer_bytes_max_(buffer_bytes_max) {}

  // The sink for one more generation, whose choices count from `first_choice`.
  std::shared_ptr<engine::GenerationSink> AddSource(std::uint32_t first_choice);
  // Takes back a source whose generation was refused and never began.
  void RemoveSource();

  // Waits for news and replaces `deltas` by it. False, and no deltas: all sources have ended, or it was aborted.
  boost::asio::awaitable<bool> Next(std::vector<AnswerDelta>& deltas);
  // Ends the stream for its reader at once, and for the sources at their next word. The first reason stands.
  void Abort(base::Error error);

  // Sums over the sources that have ended; whole after Next has said false with an ok status.
  engine::Usage usage() const LOQUAT_EXCLUDES(mutex_);
  base::Status status() const LOQUAT_EXCLUDES(mutex_);

 private:
  class Source;
  bool Add(std::uint32_t first_choice, const engine::Delta& delta) LOQUAT_EXCLUDES(mutex_);
  void End(const engine::GenerationEnd& end) LOQUAT_EXCLUDES(mutex_);
  AnswerDelta& PendingOf(std::uint32_t choice) LOQUAT_REQUIRES(mutex_);

  const std::size_t buffer_bytes_max_;
  Signal news_;

  mutable base::Mutex mutex_;
  std::vector<AnswerDelta> pending_ LOQUAT_GUARDED_BY(mutex_);  // One a choice at most.
  std::size_t pending_bytes_ LOQUAT_GUARDED_BY(mutex_) = 0;
  std::uint32_t running_ LOQUAT_GUARDED_BY(mutex_) = 0;  // Sources that have not ended.
  base::Status status_ LOQUAT_GUARDED_BY(mutex_);        // An error: aborted, or a source failed.
  engine::Usage usage_ LOQUAT_GUARDED_BY(mutex_);
};

}  // namespace loquat::pipeline
