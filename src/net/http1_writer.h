// Writes HTTP/1.1 response heads (RFC 9112 section 4) into a string. Pure functions.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "net/http.h"

namespace loquat::net {

enum class ConnectionHeader : std::uint8_t { kNone, kClose, kKeepAlive };

struct Http1ResponseHead {
  int status = 200;
  std::span<const HttpHeader> headers;
  std::string_view date;
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
  ConnectionHeader connection = ConnectionHeader::kNone;
};

void AppendResponseHead(std::string& out, const Http1ResponseHead& head);
// The line before a chunk's data; the data is followed by CR LF, the body by "0\r\n\r\n".
void AppendChunkSize(std::string& out, std::size_t size);
// A status that never has a body, nor a Content-Length: 1xx, 204, 304.
bool IsBodiless(int status);

}  // namespace loquat::net
