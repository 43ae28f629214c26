// The strict reading of HTTP/1.1 messages (RFC 9112): heads in place, without allocation, as views over the caller's
// buffer. What two parsers could read differently is refused (request smuggling: RFC 9112 section 11.2): Content-Length
// with Transfer-Encoding, repeated lengths, folded lines, bare LF or CR, NUL, space before the colon.
// Threads: pure functions over their arguments. Lifetime: the views point into `data`.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "net/http.h"

namespace loquat::net {

inline constexpr std::size_t kDefaultHeadBytesMax = 16 * 1024;
inline constexpr std::size_t kDefaultHeaderCountMax = 100;
inline constexpr std::size_t kDefaultTargetBytesMax = 8 * 1024;
inline constexpr std::size_t kMethodBytesMax = 32;

struct Http1Limits {
  std::size_t head_bytes_max = kDefaultHeadBytesMax;      // Request line and headers with all line ends; beyond: 431.
  std::size_t header_count_max = kDefaultHeaderCountMax;  // Beyond: 431.
  std::size_t target_bytes_max = kDefaultTargetBytesMax;  // Beyond: 414.
};

// Why a message is refused. `status` 0: nothing is wrong.
struct HttpFailure {
  int status = 0;
  std::string_view reason;   // A stable word for programs and counters: "header_too_large".
  std::string_view message;  // A sentence for a person. Both are literals.

  explicit operator bool() const { return status != 0; }
};

// A failure as an Error, with the canonical code of its status.
base::Error ToError(const HttpFailure& failure);

struct Http1Head {
  std::string_view method, target, path, query, authority;  // As in HttpRequest.
  HttpVersion version = HttpVersion::kHttp11;
  int status = 0;  // Of a response head.
  std::vector<HttpHeader> headers;
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
  bool keep_alive = true;
  bool expect_continue = false;
  std::size_t size = 0;  // Bytes of the head, its final empty line included.

  // Moves all views by `by` bytes, after the buffer under them moved.
  void Rebase(const char* from, const char* to);
  void Clear();
};

enum class ParseState : std::uint8_t { kNeedMore, kDone, kFailed };

struct ParseOutcome {
  ParseState state = ParseState::kNeedMore;
  HttpFailure failure;
};

// Reads the request head at the start of `data`, making header names lower case in place. `scanned` starts at 0 and
// carries the progress from one call to the next over the same, growing data. A request that can no longer become valid
// fails at once, not when the rest has come.
ParseOutcome ParseRequestHead(std::span<char> data, std::size_t& scanned, const Http1Limits& limits, Http1Head& head);

// The same for a response head (status line instead of a request line).
ParseOutcome ParseResponseHead(std::span<char> data, std::size_t& scanned, const Http1Limits& limits, Http1Head& head);

}  // namespace loquat::net
