// One answer by callback: what is known of it, and the records of the journal that it is rebuilt from after a crash.
// Plain values and pure functions, but for the parser of RecordReader, which one thread uses at a time.
//
// A record is one JSON object whose "k" says what happened:
//   accepted  id, url, tenant, request_id, trace, at, work    the request was promised an answer
//   result    id, body                                        the answer was made
//   attempt   id, n, at, ms, status, outcome, detail, next    one call failed; the next one is due at `next`
//   ended     id, at, state ("delivered", "dead"), reason     nothing more will happen
// Times are Unix milliseconds.

#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <variant>

#include "base/json_value.h"
#include "base/result.h"

namespace loquat::response {

inline constexpr std::size_t kDeliveryIdBytesMax = 64;
inline constexpr std::size_t kAttemptsKept = 20;  // Of one delivery; the latest.
inline constexpr std::size_t kDetailBytesMax = 300;

enum class DeliveryState : std::uint8_t {
  kQueued,      // The answer is not made yet.
  kWorking,     // It is being made.
  kDelivering,  // It waits for a call or is being sent.
  kDelivered,
  kDead,  // Given up.
};
constexpr std::string_view DeliveryStateName(DeliveryState state) {
  constexpr std::string_view kNames[] = {"queued", "working", "delivering", "delivered", "dead"};
  return kNames[static_cast<std::uint8_t>(state)];
}
constexpr bool IsFinished(DeliveryState state) {
  return state == DeliveryState::kDelivered || state == DeliveryState::kDead;
}

// What was promised: everything that making and sending the answer needs, also after a restart.
struct CallbackWork {
  std::string id;
  std::string url;
  std::string tenant;
  std::string request_id;
  std::string traceparent;
  std::int64_t accepted_ms = 0;
  std::string work;  // In the words of whoever accepted it.
};

struct DeliveryAttempt {
  std::uint32_t number = 0;  // From one.
  std::int64_t at_ms = 0;
  std::int64_t duration_ms = 0;
  int status = 0;       // Of the answer; 0: there was none.
  std::string outcome;  // A stable word: "2xx", "5xx", "timeout" …; see callback_sender.h.
  std::string detail;   // For a person; cut to kDetailBytesMax.
};

struct AcceptedRecord {
  CallbackWork work;
};
struct ResultRecord {
  std::string id;
  std::string body;
};
struct AttemptRecord {
  std::string id;
  DeliveryAttempt attempt;
  std::int64_t next_ms = 0;  // Zero: there is no next one.
};
struct EndedRecord {
  std::string id;
  std::int64_t at_ms = 0;
  DeliveryState state = DeliveryState::kDelivered;
  std::string reason;
};
using DeliveryRecord = std::variant<AcceptedRecord, ResultRecord, AttemptRecord, EndedRecord>;

std::string EncodeRecord(const DeliveryRecord& record);

class RecordReader {
 public:
  RecordReader();
  // Errors: data_loss that says what is wrong with the payload.
  base::Result<DeliveryRecord> Read(std::string_view payload);

 private:
  base::JsonParser parser_;
};

}  // namespace loquat::response
