#include "response/saga_record.h"

#include <limits>
#include <utility>

#include "base/journal_records.h"
#include "base/json_fields.h"
#include "base/json_writer.h"
#include "response/action_file.h"

namespace loquat::response {
namespace {

using base::JsonField;
using base::JsonFields;
using base::JsonWriter;

enum class Kind : std::uint8_t { kAccepted, kStarted, kOutcome };

constexpr std::size_t kRecordDepthMax = 3;
constexpr base::IntLimits kTimes = {.min = 0, .max = std::numeric_limits<std::int64_t>::max()};

void Text(JsonWriter& json, std::string_view key, std::string_view value) {
  json.Key(key);
  json.String(value);
}
void Number(JsonWriter& json, std::string_view key, std::int64_t value) {
  json.Key(key);
  json.Int(value);
}

// [name, text, literal] each: names may be anything, keys of an object may not stand twice.
void Write(const FieldValues& values, std::string_view key, JsonWriter& json) {
  json.Key(key);
  json.BeginArray();
  for (const auto& [name, value] : values) {
    json.BeginArray();
    json.String(name);
    json.String(value.text);
    json.Bool(value.literal);
    json.EndArray();
  }
  json.EndArray();
}

void Write(const SagaCall& call, JsonWriter& json) {
  Text(json, "id", call.id);
  Number(json, "step", call.step);
  json.Key("undo");
  json.Bool(call.undo);
  Number(json, "n", call.attempt);
}

void Write(const SagaAccepted& record, JsonWriter& json) {
  Text(json, "k", "accepted");
  Text(json, "id", record.id);
  Text(json, "tenant", record.tenant);
  Text(json, "request_id", record.request_id);
  Text(json, "trace", record.traceparent);
  Number(json, "at", record.at_ms);
  Number(json, "until", record.until_ms);
  Text(json, "definition", record.definition);
  Write(record.fields, "fields", json);
}

void Write(const SagaStarted& record, JsonWriter& json) {
  Text(json, "k", "started");
  Write(record.call, json);
}

void Write(const SagaOutcome& record, JsonWriter& json) {
  constexpr std::string_view kVerdicts[] = {"done", "retry", "failed"};
  Text(json, "k", "outcome");
  Write(record.call, json);
  Number(json, "at", record.at_ms);
  Number(json, "ms", record.duration_ms);
  Number(json, "status", record.status);
  Text(json, "outcome", record.outcome);
  Text(json, "detail", record.detail);
  Text(json, "verdict", kVerdicts[static_cast<std::uint8_t>(record.verdict)]);
  json.Key("unsure");
  json.Bool(record.unsure);
  Number(json, "next", record.next_ms);
  Write(record.results, "results", json);
}

std::string TextOf(JsonFields& fields, std::string_view key) {
  return std::string(fields.Required(key).String({}));
}
std::int64_t TimeOf(JsonFields& fields, std::string_view key) {
  return fields.Required(key).Int(kTimes);
}
std::string IdOf(JsonFields& fields) {
  return std::string(fields.Required("id").String({.min_bytes = 1, .max_bytes = kSagaIdBytesMax}));
}

FieldValues ValuesOf(JsonFields& fields, std::string_view key) {
  FieldValues values;
  fields.Required(key).Each({.max_items = kSagaFieldsMax}, [&](const JsonField& item) {
    std::string name;
    FieldValue value;
    std::size_t index = 0;
    item.Each({.min_items = 3, .max_items = 3}, [&](const JsonField& part) {
      if (index == 0) name = part.String({.min_bytes = 1, .max_bytes = kFieldNameBytesMax});
      if (index == 1) value.text = part.String({});
      if (index == 2) value.literal = part.Bool();
      ++index;
    });
    if (!values.emplace(std::move(name), std::move(value)).second) item.Fault("this name stands here twice");
  });
  return values;
}

SagaCall CallOf(JsonFields& fields) {
  SagaCall call;
  call.id = IdOf(fields);
  call.step = static_cast<std::uint32_t>(fields.Required("step").Int({.min = 0, .max = kStepsMax - 1}));
  call.undo = fields.Required("undo").Bool();
  call.attempt = static_cast<std::uint32_t>(
      fields.Required("n").Int({.min = 0, .max = std::numeric_limits<std::uint32_t>::max()}));
  return call;
}

SagaAccepted ReadAccepted(JsonFields& fields) {
  SagaAccepted record;
  record.id = IdOf(fields);
  record.tenant = TextOf(fields, "tenant");
  record.request_id = TextOf(fields, "request_id");
  record.traceparent = TextOf(fields, "trace");
  record.at_ms = TimeOf(fields, "at");
  record.until_ms = TimeOf(fields, "until");
  record.definition = fields.Required("definition").String({.min_bytes = 1, .max_bytes = kSagaDefinitionBytesMax});
  record.fields = ValuesOf(fields, "fields");
  return record;
}

SagaOutcome ReadOutcome(JsonFields& fields) {
  SagaOutcome record;
  record.call = CallOf(fields);
  record.at_ms = TimeOf(fields, "at");
  record.duration_ms = TimeOf(fields, "ms");
  record.status = static_cast<int>(fields.Required("status").Int({.min = 0, .max = 999}));
  record.outcome = TextOf(fields, "outcome");
  record.detail = TextOf(fields, "detail");
  record.verdict = fields.Required("verdict").Enum<CallVerdict>(
      {{"done", CallVerdict::kDone}, {"retry", CallVerdict::kRetry}, {"failed", CallVerdict::kFailed}},
      CallVerdict::kFailed);
  record.unsure = fields.Required("unsure").Bool();
  record.next_ms = TimeOf(fields, "next");
  record.results = ValuesOf(fields, "results");
  return record;
}

SagaRecord ReadKind(JsonFields& fields) {
  switch (fields.Required("k").Enum<Kind>(
      {{"accepted", Kind::kAccepted}, {"started", Kind::kStarted}, {"outcome", Kind::kOutcome}}, Kind::kOutcome)) {
    case Kind::kAccepted:
      return ReadAccepted(fields);
    case Kind::kStarted:
      return SagaStarted{.call = CallOf(fields)};
    case Kind::kOutcome:
      break;
  }
  return ReadOutcome(fields);
}

}  // namespace

std::string EncodeSagaRecord(const SagaRecord& record) {
  std::string out;
  JsonWriter json(out);
  json.BeginObject();
  std::visit([&json](const auto& kind) { Write(kind, json); }, record);
  json.EndObject();
  return out;
}

SagaRecordReader::SagaRecordReader()
    : parser_(base::JsonLimits{.max_bytes = base::kJournalRecordBytesMax, .max_depth = kRecordDepthMax}) {}

base::Result<SagaRecord> SagaRecordReader::Read(std::string_view payload) {
  const auto root = parser_.Parse(payload);
  if (!root.has_value()) return base::DataLoss(root.error().message);
  base::JsonFaults faults;
  JsonFields fields(*root, faults);
  SagaRecord record = ReadKind(fields);
  fields.Done();
  if (const base::Status status = faults.status(); !status.has_value()) return base::DataLoss(status.error().message);
  return record;
}

}  // namespace loquat::response
