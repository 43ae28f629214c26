// Any bytes as the key, the value and the headers of a record: it is either taken, and then within every limit, or
// refused with words that help; and either way the headers of what is sent for it can be made.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"
#include "ingress/http/json_body.h"
#include "ingress/kafka/disposition.h"
#include "ingress/kafka/out_headers.h"
#include "ingress/kafka/record.h"
#include "pipeline/sessions.h"

namespace loquat::ingress::kafka {
namespace {

constexpr RecordLimits kSmall{.record_bytes_max = 400, .body = {.text_bytes_max = 24}};

void Require(bool condition) {
  LOQUAT_CHECK(condition, "a property that holds for any record does not");
}

// A byte that says how long the next piece is; 255: there is none.
std::optional<std::string_view> TakePiece(std::string_view& bytes) {
  if (bytes.empty()) return std::nullopt;
  const auto size = static_cast<std::uint8_t>(bytes.front());
  bytes.remove_prefix(1);
  if (size == 255) return std::nullopt;
  const std::string_view piece = bytes.substr(0, size);
  bytes.remove_prefix(piece.size());
  return piece;
}

Record Split(std::string_view bytes) {
  Record record;
  record.key = TakePiece(bytes);
  const auto headers = TakePiece(bytes).value_or(std::string_view()).size();
  for (std::size_t i = 0; i < headers && !bytes.empty(); ++i) {
    const std::string_view name = TakePiece(bytes).value_or(std::string_view());
    record.headers.push_back({name, TakePiece(bytes)});
  }
  if (!bytes.empty()) record.value = bytes;
  return record;
}

void CheckTaken(const Record& record, const RecordRequest& out) {
  Require(record.value.has_value() && record.bytes() <= kSmall.record_bytes_max);
  Require(out.request.utterance.text.size() <= kSmall.body.text_bytes_max);
  Require(base::IsValidUtf8(out.request.utterance.text));
  const std::string& session = out.order_key();
  Require(session.empty() || context::IsValidSessionId(session));
  if (record.key && !record.key->empty()) Require(session == *record.key);
}

}  // namespace
}  // namespace loquat::ingress::kafka

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace loquat;                  // NOLINT(tidy): the entry point stands outside.
  using namespace loquat::ingress::kafka;  // NOLINT(tidy): as above.
  static base::JsonParser parser{base::JsonLimits{.max_depth = ingress::kJsonDepthMax}};
  static observe::IdGenerator ids(1);
  static const base::ManualClock clock{base::WallTime(std::chrono::seconds(1'700'000'000))};
  const Record record = Split({reinterpret_cast<const char*>(data), size});
  RecordRequest out;
  const base::Status read = ReadRecord(record, kSmall, clock, ids, parser, out);
  Require(observe::IsValidRequestId(out.context.request_id));
  const Source source{.topic = "t", .partition = 1, .offset = 2};
  Require(ResultHeaders(out.context, source) != nullptr);
  if (read.has_value()) {
    CheckTaken(record, out);
    return 0;
  }
  Require(!read.error().message.empty() && DispositionOf(read.error()) == Disposition::kDeadLetter);
  const Headers letter = DeadLetterHeaders(out.context, source, record, {.error = read.error()});
  Require(rd_kafka_header_cnt(letter.get()) >= 7);
  return 0;
}
