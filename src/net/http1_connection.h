// One HTTP/1.1 connection of a server: reads requests, bounds them in size and time, runs the handler for one after the
// other. Internal to net. Threads: its loop's. Lifetime: lives in the coroutine that runs it.

#pragma once

#include <cstdint>
#include <string_view>

#include "net/conn.h"
#include "net/http1_chunked.h"
#include "net/http1_exchange.h"
#include "net/http1_parser.h"
#include "net/read_buffer.h"
#include "net/server_shard.h"

namespace loquat::net {

// The client connection preface (RFC 9113 section 3.4).
inline constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

class Http1Connection final : public ServerConnection {
 public:
  Http1Connection(Conn& conn, ServerShard& shard);
  ~Http1Connection() override;

  enum class Outcome : std::uint8_t {
    kClose,
    kLinger,  // The client may still be sending: read on for a moment, or it never sees our refusal.
    kHttp2,   // The preface came; what is read so far is in buffered().
  };
  asio::awaitable<Outcome> Run();
  std::string_view buffered() { return {in_.data().data(), in_.size()}; }

  void BeginDrain() override;
  void Abort() override;

 private:
  enum class Step : std::uint8_t { kGo, kClose, kRefused, kHttp2 };

  asio::awaitable<Step> ReadHead();
  asio::awaitable<Step> ReadBody();
  asio::awaitable<Step> ReadChunked();
  asio::awaitable<Step> ReadSized(std::uint64_t length);
  // False when it threw.
  asio::awaitable<bool> RunHandler();
  // Reads more into the buffer. No value: the connection is over, `error` says why.
  asio::awaitable<base::Result<std::size_t>> ReadMore(std::size_t wanted);
  Step Refuse(const HttpFailure& failure);
  Step AfterReadError(const base::Error& error, const HttpFailure& timeout);
  bool MayBecomeHttp2();
  bool IsHttp2();
  base::TimePoint BodyDeadline(std::uint64_t received) const;
  // Settles where the request ends, when all of it has been read.
  bool BodyIsThere();

  Conn& conn_;
  ServerShard& shard_;
  const HttpServerOptions& options_;
  Http1Exchange exchange_;
  Http1Head head_;
  ReadBuffer in_;
  std::size_t scanned_ = 0;
  std::uint64_t requests_ = 0;
  std::size_t request_bytes_ = 0;  // Head and body as they lie in the buffer.
  base::TimePoint received_at_;
  bool idle_ = false;  // Waiting for the first byte of a request.
  bool draining_ = false;
};

}  // namespace loquat::net
