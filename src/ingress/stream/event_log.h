// The last events of a stream, kept so that a client that dropped can get what it missed, also what is still being
// said. StreamLogs finds them by the id of the last event that the client has.
//
// Thread-safe: the stream appends on its own loop, and a client may come back on another.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/mutex.h"
#include "config/section.h"

namespace loquat::ingress {

struct LoggedEvent {
  std::uint64_t number = 0;  // From 1; superseded revisions leave gaps.
  std::string type;          // "frame".
  std::string id;            // "k3f9-17".
  std::string json;
  std::string revision_of;  // Not empty: a frame of this unfinished utterance, superseded by the next one.
};

class StreamLog {
 public:
  explicit StreamLog(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  // Drops the oldest beyond the bound, and the frame that this one supersedes.
  void Append(LoggedEvent event) LOQUAT_EXCLUDES(mutex_);
  // Nothing more will be said.
  void End() LOQUAT_EXCLUDES(mutex_);

  // Hears each event, in order, and at last null for the end. Called under the log's lock, on any thread: it hands over
  // and does nothing else.
  using Listener = std::function<void(const LoggedEvent*)>;
  // Tells what came after `number`, and from now on what comes, to `listener`, in place of any other. False, and no
  // listener: some of it is gone.
  bool Follow(std::uint64_t number, Listener listener) LOQUAT_EXCLUDES(mutex_);
  // Once it returns, the listener is not called any more.
  void Unfollow() LOQUAT_EXCLUDES(mutex_);

 private:
  const std::size_t bytes_max_;

  base::Mutex mutex_;
  std::deque<LoggedEvent> events_ LOQUAT_GUARDED_BY(mutex_);
  std::size_t bytes_ LOQUAT_GUARDED_BY(mutex_) = 0;
  std::uint64_t lost_ LOQUAT_GUARDED_BY(mutex_) = 0;  // Events up to this number are gone.
  bool ended_ LOQUAT_GUARDED_BY(mutex_) = false;
  Listener listener_ LOQUAT_GUARDED_BY(mutex_);
};

// Whose stream it is: only they can take it up again.
struct StreamOwner {
  std::string tenant;
  std::string session;

  bool operator==(const StreamOwner&) const = default;
};

struct StreamLogsOptions {
  std::size_t streams_max = 10'000;        // More than these are not kept: their clients cannot resume.
  std::size_t bytes_max = 64 * 1024;       // Of the events of one stream.
  std::chrono::milliseconds keep{30'000};  // After a drop.
};
// Keys of the section `resume`.
void Declare(config::Section<StreamLogsOptions>& section);

class StreamLogs {
 public:
  StreamLogs(StreamLogsOptions options, const base::Clock& clock) : options_(options), clock_(clock) {}

  // Null where too many are kept already. The name is unique.
  std::shared_ptr<StreamLog> Add(std::string name, StreamOwner owner) LOQUAT_EXCLUDES(mutex_);
  // The client has gone: the log goes too, after `keep`. REQUIRES: called once a name.
  void Leave(const std::string& name) LOQUAT_EXCLUDES(mutex_);

  struct Found {
    std::shared_ptr<StreamLog> log;
    std::uint64_t number = 0;  // Of the last event that the client has.
  };
  // The log that `event_id` is of; null where there is none, or it is another's. It is taken: not found again.
  Found Take(std::string_view event_id, const StreamOwner& owner) LOQUAT_EXCLUDES(mutex_);

  std::chrono::milliseconds keep() const { return options_.keep; }
  std::size_t size() const LOQUAT_EXCLUDES(mutex_);

 private:
  struct Entry {
    std::shared_ptr<StreamLog> log;
    StreamOwner owner;
  };
  void Sweep() LOQUAT_REQUIRES(mutex_);

  const StreamLogsOptions options_;
  const base::Clock& clock_;
  mutable base::Mutex mutex_;
  std::map<std::string, Entry, std::less<>> logs_ LOQUAT_GUARDED_BY(mutex_);
  std::deque<std::pair<base::TimePoint, std::string>> leaving_
      LOQUAT_GUARDED_BY(mutex_);  // When each log goes whose client has gone, in order of time.
};

}  // namespace loquat::ingress
