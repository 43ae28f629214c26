#include "ingress/kafka/out_headers.h"

#include <fmt/format.h>

#include <string>

#include "base/check.h"
#include "base/strings.h"
#include "ingress/http/http_call.h"

namespace loquat::ingress::kafka {
namespace {

void Add(Headers& headers, std::string_view name, std::string_view value) {
  const rd_kafka_resp_err_t error =
      rd_kafka_header_add(headers.get(), name.data(), static_cast<ssize_t>(name.size()),
                          value.data() == nullptr ? "" : value.data(), static_cast<ssize_t>(value.size()));
  LOQUAT_CHECK(error == RD_KAFKA_RESP_ERR_NO_ERROR, "a list of our own takes every header");
}

void AddSource(Headers& headers, const Source& source) {
  Add(headers, "loquat-source-topic", source.topic);
  Add(headers, "loquat-source-partition", fmt::to_string(source.partition));
  Add(headers, "loquat-source-offset", fmt::to_string(source.offset));
}

std::string_view CutAtCharacter(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end);
}

}  // namespace

Headers ResultHeaders(const base::CallContext& call, const Source& source) {
  Headers headers(rd_kafka_headers_new(8));
  Add(headers, "content-type", kJson);
  Add(headers, kRequestIdHeader, call.request_id);
  Add(headers, "traceparent", observe::FormatTraceparent(call.trace));
  if (!call.trace.state.empty()) Add(headers, "tracestate", call.trace.state);
  AddSource(headers, source);
  return headers;
}

Headers DeadLetterHeaders(const base::CallContext& call, const Source& source, const Record& record,
                          const DeadLetter& letter) {
  Headers headers(rd_kafka_headers_new(16));
  if (!letter.bare) {
    for (const auto& [name, value] : record.headers) {
      if (name.size() >= kOwnHeaderPrefix.size() &&
          base::EqualsIgnoringAsciiCase(name.substr(0, kOwnHeaderPrefix.size()), kOwnHeaderPrefix)) {
        continue;
      }
      if (value) {
        Add(headers, name, *value);
      } else {
        rd_kafka_header_add(headers.get(), name.data(), static_cast<ssize_t>(name.size()), nullptr, 0);
      }
    }
  }
  if (letter.bare || FindHeader(record, kRequestIdHeader) != call.request_id) {
    Add(headers, kRequestIdHeader, call.request_id);
  }
  Add(headers, "loquat-error-code", base::CodeName(letter.error.code));
  Add(headers, "loquat-error-reason", letter.error.reason);
  Add(headers, "loquat-error-message", CutAtCharacter(letter.error.message, kErrorMessageBytesMax));
  if (!letter.error.param.empty()) Add(headers, "loquat-error-param", letter.error.param);
  Add(headers, "loquat-attempts", fmt::to_string(letter.attempts));
  AddSource(headers, source);
  if (letter.bare) Add(headers, "loquat-dropped-bytes", fmt::to_string(record.bytes()));
  return headers;
}

}  // namespace loquat::ingress::kafka
