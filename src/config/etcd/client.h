// What following keys needs of etcd: one range and one watch on a connection. An interface, so that the following is
// tested without a network and without waiting. Plain values; the wire's form is in messages.h.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace loquat::config::etcd {

inline constexpr std::string_view kStopped = "stopped";
inline constexpr std::string_view kSilent = "silent";

struct KeyValue {
  std::string key;
  std::string value;
  std::int64_t revision = 0;  // Of the transaction that wrote it.
};

struct RangeAnswer {
  std::int64_t revision = 0;  // Of the store.
  std::vector<KeyValue> keys;
  bool more = false;  // There are keys past the limit.
};

struct Event {
  KeyValue key;  // Of a deletion: key and revision.
  bool deleted = false;
};

struct WatchMessage {
  std::int64_t revision = 0;  // Of the store when the message was made.
  bool created = false;
  bool cancelled = false;
  bool fragment = false;              // More of it follows in the next one.
  bool progress = false;              // Everything up to `revision` has been sent.
  std::int64_t compact_revision = 0;  // Not zero, when cancelled: what was asked for is gone.
  std::string reason;                 // Of the cancellation.
  std::vector<Event> events;
};

// To one member. One thread. Every call ends: with an answer, or an error after the options' call_timeout.
class Connection {
 public:
  virtual ~Connection() = default;

  // All keys below the prefix, as they are now for the whole cluster; at most `limit`.
  virtual base::Result<RangeAnswer> Range(std::size_t limit) = 0;
  // Asks for all changes below the prefix from a revision on. REQUIRES: no watch yet.
  virtual base::Status Watch(std::int64_t from) = 0;
  // kDeadlineExceeded with the reason "silent": nothing came within `wait`, and the watch goes on. After any other
  // error it is over.
  virtual base::Result<WatchMessage> Next(base::Duration wait) = 0;
  // Asks for a message, whatever it is.
  virtual base::Status AskProgress() = 0;
};

class Client {
 public:
  virtual ~Client() = default;

  virtual std::size_t endpoint_count() const = 0;
  virtual std::string endpoint(std::size_t index) const = 0;
  // Logs in where a user is configured. The client outlives the connection.
  virtual base::Result<std::unique_ptr<Connection>> Connect(std::size_t index) = 0;
  // Ends the calls that are under way and all later ones: kCancelled, for the reason kStopped. From any thread.
  virtual void Stop() = 0;
};

}  // namespace loquat::config::etcd
