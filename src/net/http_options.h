// Every bound and timeout of the HTTP servers, with its default. Plain values, read-only once a server runs.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "net/http1_parser.h"

namespace loquat::net {

inline constexpr std::size_t kDefaultConnectionsMax = 5000;
inline constexpr std::size_t kDefaultBodyBytesMax = 1024 * 1024;

struct HttpTimeouts {
  std::chrono::milliseconds handshake{10'000};    // TLS, from accept to done.
  std::chrono::milliseconds head{10'000};         // From the first byte of a request to the end of its head: else 408.
  std::chrono::milliseconds idle{75'000};         // Without a request: closed, silently.
  std::chrono::milliseconds write_stall{30'000};  // The client takes nothing of what waits for it: cut.
  // A body may take this long plus the time its bytes so far need at the slowest rate: else 408.
  std::chrono::milliseconds body_grace{10'000};
  std::uint32_t body_bytes_per_second_min = 1024;
  std::chrono::milliseconds linger{2'000};  // After a refusal: how long the rest of the request is read and dropped.
  // At drain an idle connection gets this long for a request that may be under way.
  std::chrono::milliseconds drain_idle_grace{250};
};

struct Http2Limits {
  std::uint32_t streams_max = 128;                        // Per connection, announced in SETTINGS.
  std::uint32_t header_list_bytes_max = 16 * 1024;        // Names and values of one request: else 431.
  std::size_t body_bytes_buffered_max = 8 * 1024 * 1024;  // Of all streams of a connection: else REFUSED_STREAM.
  std::uint32_t window_bytes = 1024 * 1024;               // Of the connection; streams get 256 KiB.
  std::size_t write_buffer_bytes_max = 64 * 1024;         // A streaming handler waits above this.
  // Within ten seconds: more of them ends the connection with ENHANCE_YOUR_CALM (CVE-2019-9512, 9515, CVE-2023-44487).
  std::uint32_t resets_max = 256;
  std::uint32_t pings_max = 256;
  std::uint32_t settings_max = 64;
};

struct HttpServerOptions {
  std::size_t connections_max = kDefaultConnectionsMax;  // Beyond: 503 with Retry-After, then close.
  std::size_t body_bytes_max = kDefaultBodyBytesMax;     // Beyond: 413.
  std::uint64_t requests_per_connection_max = 0;         // Then `Connection: close`; 0: no limit.
  std::chrono::seconds retry_after{1};                   // What refused clients are told.
  Http1Limits http1;
  Http2Limits http2;
  HttpTimeouts timeouts;
  // Makes the JSON body of an answer that no handler saw: malformed, too large, too slow, refused. Called on I/O
  // threads, concurrently. Empty: `{"error":{"code","message","reason"}}`.
  std::function<std::string(int status, const base::Error& error)> format_error;
};

}  // namespace loquat::net
