// One saga, the steps of an action that is under way: the records of the journal that it is rebuilt from after a crash.
// Plain values and pure functions, but for the parser of SagaRecordReader, which one thread uses at a time.
//
// A record is one JSON object whose "k" says what happened:
//   accepted  id, tenant, request_id, trace, at, until, definition, fields   the saga was promised to be done or undone
//   started   id, step, undo, n                                              a call may go out from now on
//   outcome   id, step, undo, n, at, ms, status, outcome, detail, verdict, unsure, next, results
// Times are Unix milliseconds. `until` is when no new step begins. An outcome with n 0 is of no call: the step was
// given up without one.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/json_value.h"
#include "base/result.h"
#include "response/action_template.h"

namespace loquat::response {

inline constexpr std::size_t kSagaIdBytesMax = 64;
inline constexpr std::size_t kCallDetailBytesMax = 300;
inline constexpr std::size_t kSagaFieldsMax = 4096;
inline constexpr std::size_t kSagaDefinitionBytesMax = std::size_t{1} << 20;

struct SagaAccepted {
  std::string id;
  std::string tenant;
  std::string request_id;
  std::string traceparent;
  std::int64_t at_ms = 0;
  std::int64_t until_ms = 0;
  std::string definition;  // As SagaDefinition::text.
  FieldValues fields;      // What its templates may name, besides results.

  bool operator==(const SagaAccepted&) const = default;
};

// Which call of a saga.
struct SagaCall {
  std::string id;
  std::uint32_t step = 0;  // From 0.
  bool undo = false;
  std::uint32_t attempt = 0;  // From 1.

  bool operator==(const SagaCall&) const = default;
};

struct SagaStarted {
  SagaCall call;

  bool operator==(const SagaStarted&) const = default;
};

enum class CallVerdict : std::uint8_t {
  kDone,
  kRetry,
  kFailed,  // For good.
};

struct SagaOutcome {
  SagaCall call;
  std::int64_t at_ms = 0;
  std::int64_t duration_ms = 0;
  int status = 0;       // Of the answer; 0: there was none.
  std::string outcome;  // A stable word: "2xx", "5xx", "timeout" …; see action_caller.h.
  std::string detail;   // For a person; cut to kCallDetailBytesMax.
  CallVerdict verdict = CallVerdict::kDone;
  bool unsure = false;       // It failed, and may have had its effect all the same.
  std::int64_t next_ms = 0;  // Of a retry.
  FieldValues results;       // By their own names.

  bool operator==(const SagaOutcome&) const = default;
};

using SagaRecord = std::variant<SagaAccepted, SagaStarted, SagaOutcome>;

std::string EncodeSagaRecord(const SagaRecord& record);

class SagaRecordReader {
 public:
  SagaRecordReader();
  // Errors: data_loss that says what is wrong with the payload.
  base::Result<SagaRecord> Read(std::string_view payload);

 private:
  base::JsonParser parser_;
};

}  // namespace loquat::response
