// A client for HTTP/1.1 over plain TCP and TLS: connections one by one for load generators, and a pooling client on
// top. Threads: each client and connection belongs to one loop; use it there only. Lifetime: the loop outlives both; a
// client outlives the calls on it.

#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/conn.h"
#include "net/http1_chunked.h"
#include "net/http1_parser.h"
#include "net/read_buffer.h"
#include "net/url.h"

namespace loquat::net {

struct HttpClientOptions {
  std::chrono::milliseconds connect_timeout{5'000};  // Name lookup, TCP and TLS together.
  std::chrono::milliseconds head_timeout{30'000};    // From the request to the end of the response head.
  std::chrono::milliseconds stall_timeout{30'000};   // Between two pieces of a body, either way.
  std::chrono::milliseconds idle_max{30'000};        // A pooled connection older than this is not used again.
  std::size_t idle_per_origin_max = 16;
  std::size_t idle_connections_max = 128;         // Of all origins; the oldest go first.
  std::size_t connections_max = 256;              // In use and idle; beyond: resource_exhausted.
  std::size_t body_bytes_max = 16 * 1024 * 1024;  // Of Fetch; streams have no limit.
  Http1Limits limits = {.head_bytes_max = 64 * 1024};
  std::shared_ptr<const TlsContext> tls;  // Needed for https.
};

// How to reach a server, besides its URL.
struct HttpRoute {
  // Connect to one of these and look no name up; empty: the host's own. TLS still asks for the URL's host.
  std::vector<asio::ip::tcp::endpoint> addresses = {};
  base::TimePoint until = base::TimePoint::max();  // The end of everything on the connection; then deadline_exceeded.
};

// One connection to one server; requests one after the other.
class HttpClientConnection {
 public:
  static asio::awaitable<base::Result<std::unique_ptr<HttpClientConnection>>> Connect(EventLoop& loop, HttpUrl url,
                                                                                      HttpClientOptions options,
                                                                                      HttpRoute route = {});
  HttpClientConnection(std::unique_ptr<Conn> conn, HttpClientOptions options);

  // Sends a whole request, head and body as they go over the wire, and reads the response head. `head_only`: the
  // request is a HEAD. The head's views are valid until the next call. Then ReadBody until it gives an empty piece.
  asio::awaitable<base::Result<const Http1Head*>> Send(std::string_view request, bool head_only = false);
  // The next piece of the body; empty at its end. Valid until the next call.
  asio::awaitable<base::Result<std::string_view>> ReadBody();

  struct Reply {
    int status = 0;
    std::uint64_t body_bytes = 0;
  };
  // The lean road: Send, and read the body away.
  asio::awaitable<base::Result<Reply>> RoundTrip(std::string_view request);

  // Holds, besides the options' timeouts, until it is set anew.
  void set_until(base::TimePoint until) { until_ = until; }
  // The last response was read to its end and the server keeps the connection.
  bool reusable() const { return body_done_ && keep_alive_; }
  Conn& conn() { return *conn_; }

 private:
  enum class Framing : std::uint8_t { kNone, kLength, kChunked, kClose };

  asio::awaitable<base::Status> ReadHead();
  asio::awaitable<base::Result<std::size_t>> ReadMore();
  void ChooseFraming(bool head_only);

  const std::unique_ptr<Conn> conn_;
  const HttpClientOptions options_;
  ReadBuffer in_;
  Http1Head head_;
  std::size_t used_ = 0;  // Bytes of the buffer that the caller has seen; dropped by the next call.
  std::optional<ChunkedDecoder> chunks_;
  Framing framing_ = Framing::kNone;
  std::uint64_t left_ = 0;
  base::TimePoint until_ = base::TimePoint::max();
  bool body_done_ = true;
  bool keep_alive_ = true;
};

struct HttpFetch {
  std::string method = "GET";
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;  // Host and Content-Length are ours.
  std::string body;
  HttpRoute route = {};
  // It may be sent once more where a pooled connection turns out to be dead, though the method is not safe: the server
  // knows it again, as by an idempotency key.
  bool repeatable = false;
};

struct HttpFetched {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // Names in lower case.
  std::string body;

  std::string_view Header(std::string_view lower_case_name) const;
};

// Makes the bytes of a request. invalid_argument when a header would break out of its line.
base::Result<std::string> SerializeRequest(const HttpUrl& url, const HttpFetch& fetch);

class HttpClient {
 public:
  explicit HttpClient(EventLoop& loop, HttpClientOptions options = {}) : loop_(loop), options_(std::move(options)) {}

  // A whole exchange. A request of a safe method, or one that is repeatable, which a pooled connection lost before any
  // answer is sent once more on a fresh connection (RFC 9110 section 9.2.2).
  asio::awaitable<base::Result<HttpFetched>> Fetch(HttpFetch fetch);

  // A response whose body is read piece by piece: `head` and ReadBody as in HttpClientConnection. Give it back when
  // done.
  struct Stream {
    std::unique_ptr<HttpClientConnection> connection;
    const Http1Head* head = nullptr;
    std::string origin;
  };
  asio::awaitable<base::Result<Stream>> Open(HttpFetch fetch);
  void GiveBack(Stream stream);

  std::size_t connections() const { return in_use_ + idle_; }

 private:
  struct Pooled {
    std::unique_ptr<HttpClientConnection> connection;
    base::TimePoint since;
  };
  std::unique_ptr<HttpClientConnection> TakeIdle(const std::string& origin);
  // Closes idle connections that are too old to be used, and the oldest ones beyond `keep`.
  void TrimIdle(std::size_t keep);

  EventLoop& loop_;
  const HttpClientOptions options_;
  // By "https://host:port"; those to given addresses by these besides, so that they serve no other route.
  std::map<std::string, std::deque<Pooled>> pool_;
  std::size_t idle_ = 0;
  std::size_t in_use_ = 0;
};

}  // namespace loquat::net
