#include "response/delivery_record.h"

#include <limits>
#include <utility>

#include "base/journal_records.h"
#include "base/json_fields.h"
#include "base/json_writer.h"
#include "response/callback_options.h"

namespace loquat::response {
namespace {

using base::IntLimits;
using base::JsonFields;
using base::JsonWriter;

enum class Kind : std::uint8_t { kAccepted, kResult, kAttempt, kEnded };

constexpr std::size_t kRecordDepthMax = 1;
constexpr IntLimits kTimes = {.min = 0, .max = std::numeric_limits<std::int64_t>::max()};

void Text(JsonWriter& json, std::string_view key, std::string_view value) {
  json.Key(key);
  json.String(value);
}
void Number(JsonWriter& json, std::string_view key, std::int64_t value) {
  json.Key(key);
  json.Int(value);
}

void Write(const AcceptedRecord& record, JsonWriter& json) {
  Text(json, "k", "accepted");
  Text(json, "id", record.work.id);
  Text(json, "url", record.work.url);
  Text(json, "tenant", record.work.tenant);
  Text(json, "request_id", record.work.request_id);
  Text(json, "trace", record.work.traceparent);
  Number(json, "at", record.work.accepted_ms);
  Text(json, "work", record.work.work);
}
void Write(const ResultRecord& record, JsonWriter& json) {
  Text(json, "k", "result");
  Text(json, "id", record.id);
  Text(json, "body", record.body);
}
void Write(const AttemptRecord& record, JsonWriter& json) {
  Text(json, "k", "attempt");
  Text(json, "id", record.id);
  Number(json, "n", record.attempt.number);
  Number(json, "at", record.attempt.at_ms);
  Number(json, "ms", record.attempt.duration_ms);
  Number(json, "status", record.attempt.status);
  Text(json, "outcome", record.attempt.outcome);
  Text(json, "detail", record.attempt.detail);
  Number(json, "next", record.next_ms);
}
void Write(const EndedRecord& record, JsonWriter& json) {
  Text(json, "k", "ended");
  Text(json, "id", record.id);
  Number(json, "at", record.at_ms);
  Text(json, "state", DeliveryStateName(record.state));
  Text(json, "reason", record.reason);
}

std::string TextOf(JsonFields& fields, std::string_view key) {
  return std::string(fields.Required(key).String({}));
}
std::int64_t TimeOf(JsonFields& fields, std::string_view key) {
  return fields.Required(key).Int(kTimes);
}
std::string IdOf(JsonFields& fields) {
  return std::string(fields.Required("id").String({.min_bytes = 1, .max_bytes = kDeliveryIdBytesMax}));
}

AcceptedRecord ReadAccepted(JsonFields& fields) {
  AcceptedRecord record;
  record.work.id = IdOf(fields);
  record.work.url = TextOf(fields, "url");
  record.work.tenant = TextOf(fields, "tenant");
  record.work.request_id = TextOf(fields, "request_id");
  record.work.traceparent = TextOf(fields, "trace");
  record.work.accepted_ms = TimeOf(fields, "at");
  record.work.work = TextOf(fields, "work");
  return record;
}

AttemptRecord ReadAttempt(JsonFields& fields) {
  AttemptRecord record;
  record.id = IdOf(fields);
  record.attempt.number = static_cast<std::uint32_t>(fields.Required("n").Int({.min = 1, .max = kAttemptsMax}, 1));
  record.attempt.at_ms = TimeOf(fields, "at");
  record.attempt.duration_ms = TimeOf(fields, "ms");
  record.attempt.status = static_cast<int>(fields.Required("status").Int({.min = 0, .max = 999}));
  record.attempt.outcome = TextOf(fields, "outcome");
  record.attempt.detail = TextOf(fields, "detail");
  record.next_ms = TimeOf(fields, "next");
  return record;
}

EndedRecord ReadEnded(JsonFields& fields) {
  EndedRecord record;
  record.id = IdOf(fields);
  record.at_ms = TimeOf(fields, "at");
  record.state = fields.Required("state").Enum<DeliveryState>(
      {{"delivered", DeliveryState::kDelivered}, {"dead", DeliveryState::kDead}}, DeliveryState::kDead);
  record.reason = TextOf(fields, "reason");
  return record;
}

DeliveryRecord ReadKind(JsonFields& fields) {
  switch (fields.Required("k").Enum<Kind>(
      {{"accepted", Kind::kAccepted}, {"result", Kind::kResult}, {"attempt", Kind::kAttempt}, {"ended", Kind::kEnded}},
      Kind::kEnded)) {
    case Kind::kAccepted:
      return ReadAccepted(fields);
    case Kind::kResult:
      return ResultRecord{.id = IdOf(fields), .body = TextOf(fields, "body")};
    case Kind::kAttempt:
      return ReadAttempt(fields);
    case Kind::kEnded:
      break;
  }
  return ReadEnded(fields);
}

}  // namespace

std::string EncodeRecord(const DeliveryRecord& record) {
  std::string out;
  JsonWriter json(out);
  json.BeginObject();
  std::visit([&json](const auto& kind) { Write(kind, json); }, record);
  json.EndObject();
  return out;
}

RecordReader::RecordReader()
    : parser_(base::JsonLimits{.max_bytes = base::kJournalRecordBytesMax, .max_depth = kRecordDepthMax}) {}

base::Result<DeliveryRecord> RecordReader::Read(std::string_view payload) {
  const auto root = parser_.Parse(payload);
  if (!root.has_value()) return base::DataLoss(root.error().message);
  base::JsonFaults faults;
  JsonFields fields(*root, faults);
  DeliveryRecord record = ReadKind(fields);
  fields.Done();
  if (const base::Status status = faults.status(); !status.has_value()) return base::DataLoss(status.error().message);
  return record;
}

}  // namespace loquat::response
