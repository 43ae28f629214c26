// A record from its taking to its acknowledged result or dead letter, and the partition that it is of.
//
// The worker's thread, but while the record is being understood `request`, `status` and `result` belong to the loop.

#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/backoff.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/result.h"
#include "ingress/kafka/client_handles.h"
#include "ingress/kafka/key_queues.h"
#include "ingress/kafka/offset_tracker.h"
#include "ingress/kafka/record.h"

namespace loquat::ingress::kafka {

struct InFlight;
using InFlightPtr = std::shared_ptr<InFlight>;

// A partition for as long as this member has it; another object each time.
struct Partition {
  explicit Partition(std::int32_t partition_id) : id(partition_id) {}

  const std::int32_t id;
  OffsetTracker offsets;
  KeyQueues<InFlightPtr> keys;
  std::size_t running = 0;  // Records being understood or produced.
  std::size_t held = 0;     // Records for which it is paused.
  bool paused = false;
  bool closing = false;  // It goes to another member: nothing is started any more.
  bool gone = false;     // It has: nothing of it is committed any more.
};

enum class Stage : std::uint8_t { kWaiting, kUnderstanding, kProducing };

struct InFlight {
  Message message;
  Record record;  // Views the message.
  std::shared_ptr<Partition> partition;
  std::int64_t offset = 0;
  std::size_t bytes = 0;
  base::TimePoint taken_at;
  std::size_t place = 0;  // Among those of the worker.

  RecordRequest request;
  std::uint32_t attempts = 0;
  base::CancelSource cancel;
  base::Status status;  // Of the last attempt.
  std::string result;   // While it is produced the producer views it.

  Stage stage = Stage::kWaiting;
  bool in_key = false;  // It is the one of its key that is under way.
  bool holds = false;   // It is among partition->held.
  bool dead = false;    // It becomes a dead letter, for `error`.
  bool bare = false;    // As out_headers.h.
  base::Error error;
  base::TimePoint produced_at;
  InFlightPtr self;  // While it is with the producer, which knows its address alone.
  std::optional<base::Backoff> backoff;
};

}  // namespace loquat::ingress::kafka
