#include "ingress/kafka/record.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/strings.h"
#include "ingress/http/http_call.h"
#include "pipeline/sessions.h"

namespace loquat::ingress::kafka {
namespace {

using std::chrono::milliseconds;

base::Error Invalid(std::string message, std::string reason, std::string param = {}) {
  return {.code = base::Code::kInvalidArgument,
          .message = std::move(message),
          .reason = std::move(reason),
          .param = std::move(param)};
}

std::optional<std::int64_t> ParseMilliseconds(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

// Both count as over HTTP, the timeout from when this server took the record.
base::Status ReadDeadlines(const Record& record, const base::Clock& clock, RecordRequest& out) {
  if (const std::string_view text = FindHeader(record, kTimeoutHeader); text.data() != nullptr) {
    const auto timeout = ParseMilliseconds(text);
    if (!timeout || *timeout > kTimeoutMsMax) {
      return Invalid(fmt::format("the header {} is milliseconds from 0 to {}", kTimeoutHeader, kTimeoutMsMax),
                     "record_headers", std::string(kTimeoutHeader));
    }
    out.deadline = base::Deadline(clock.Now() + milliseconds(*timeout));
  }
  if (const std::string_view text = FindHeader(record, kDeadlineHeader); text.data() != nullptr) {
    const auto deadline = ParseMilliseconds(text);
    if (!deadline) {
      return Invalid(fmt::format("the header {} is a Unix time in milliseconds", kDeadlineHeader), "record_headers",
                     std::string(kDeadlineHeader));
    }
    const auto now = std::chrono::duration_cast<milliseconds>(clock.WallNow().time_since_epoch()).count();
    // Long ago is as good as now: this keeps the sum in range whatever the clock's epoch is.
    const std::int64_t left = std::max<std::int64_t>(*deadline - now, 0);
    if (left <= kTimeoutMsMax) {
      out.deadline = out.deadline.EarlierOf(base::Deadline(clock.Now() + milliseconds(left)));
    }
  }
  return {};
}

base::Status ReadPriority(const Record& record, const RecordLimits& limits, RecordRequest& out) {
  out.context.priority = limits.priority;
  const std::string_view text = FindHeader(record, kPriorityHeader);
  if (text.data() == nullptr) return {};
  if (text != "interactive" && text != "batch") {
    return Invalid(fmt::format("the header {} is \"interactive\" or \"batch\"", kPriorityHeader), "record_headers",
                   std::string(kPriorityHeader));
  }
  out.context.priority = text == "batch" ? base::Priority::kBatch : base::Priority::kInteractive;
  return {};
}

base::Status CheckContentType(const Record& record) {
  const std::string_view text = FindHeader(record, "content-type");
  if (text.data() == nullptr) return {};
  // Parameters as charset say nothing about JSON (RFC 8259, section 11).
  const std::string_view type = base::TrimAscii(text.substr(0, text.find(';')));
  if (base::EqualsIgnoringAsciiCase(type, kJson)) return {};
  return Invalid("the header content-type is application/json, or left out", "content_type", "content-type");
}

// The key is the session's id, whether the body repeats it or not.
base::Status ReadKey(const Record& record, RecordRequest& out) {
  if (!record.key || record.key->empty()) return {};
  std::string& session = out.request.utterance.session;
  if (session.empty()) {
    if (const base::Status valid = pipeline::CheckSessionId(*record.key, "key"); !valid.has_value()) {
      return Invalid(fmt::format("the key of the record is its session: {}", valid.error().message), "record_key",
                     "key");
    }
    session = *record.key;
    return {};
  }
  if (session == *record.key) return {};
  return Invalid(
      "the key of the record and `session` in its value name different sessions; they are the same, or one is "
      "left out",
      "record_key", "/session");
}

}  // namespace

std::size_t Record::bytes() const {
  std::size_t sum = (key ? key->size() : 0) + (value ? value->size() : 0);
  for (const RecordHeader& header : headers) sum += header.name.size() + (header.value ? header.value->size() : 0);
  return sum;
}

std::string_view FindHeader(const Record& record, std::string_view name) {
  for (auto header = record.headers.rbegin(); header != record.headers.rend(); ++header) {
    if (base::EqualsIgnoringAsciiCase(header->name, name)) return header->value.value_or(std::string_view());
  }
  return {};
}

base::Status ReadRecord(const Record& record, const RecordLimits& limits, const base::Clock& clock,
                        observe::IdGenerator& ids, base::JsonParser& parser, RecordRequest& out) {
  const std::string_view request_id = FindHeader(record, kRequestIdHeader);
  out.context.request_id = observe::IsValidRequestId(request_id) ? std::string(request_id) : ids.RequestId();
  out.context.trace =
      observe::StartTrace(FindHeader(record, "traceparent"), FindHeader(record, "tracestate"), false, ids);
  out.context.tenant = "kafka";
  if (record.bytes() > limits.record_bytes_max) {
    return base::ResourceExhausted(
        fmt::format("the record has {} bytes; at most {} are allowed (kafka.record_bytes_max)", record.bytes(),
                    limits.record_bytes_max),
        "record_too_large");
  }
  if (record.headers.size() > kHeadersMax) {
    return Invalid(fmt::format("the record has {} headers; at most {} are allowed", record.headers.size(), kHeadersMax),
                   "record_headers");
  }
  if (!record.value) {
    return Invalid("the record has no value (a tombstone); its value is the JSON of POST /v1/understand",
                   "record_null");
  }
  LOQUAT_TRY(CheckContentType(record));
  LOQUAT_TRY(ReadDeadlines(record, clock, out));
  LOQUAT_TRY(ReadPriority(record, limits, out));
  // "Tomorrow" counts from when the record was written, however long it lay in the topic.
  const base::WallTime written = record.timestamp.value_or(clock.WallNow());
  LOQUAT_ASSIGN(UnderstandBody body, ParseUnderstandBody(*record.value, written, limits.body, parser));
  if (body.batch) {
    return Invalid("a record holds one utterance; send each of `inputs` as a record of its own", "record_batch",
                   "/inputs");
  }
  out.request = std::move(body.inputs.front());
  return ReadKey(record, out);
}

}  // namespace loquat::ingress::kafka
