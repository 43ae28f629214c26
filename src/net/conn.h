// A byte stream to a peer, whatever it runs over: TCP, TLS or a Unix-domain socket. Templates end here: codecs and
// servers above see this interface only.
// Threads: all of it on the connection's loop thread. At most one read-side and one write-side operation at a time.
// Lifetime: the owner keeps the Conn alive until every awaited operation has resumed; Close() makes them resume soon.
// Errors: deadline_exceeded when the side's deadline passed, cancelled after CancelRead(), unavailable when the peer or
// Close() broke the stream.

#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "net/event_loop.h"

namespace loquat::net {

class Conn {
 public:
  // Non-blocking attempts never suspend. `bytes` is 0 and `blocked` true when the call would have to wait.
  struct Attempt {
    std::size_t bytes = 0;
    bool blocked = false;
  };

  virtual ~Conn() = default;

  // Bytes read, 0 at the end of the stream.
  virtual asio::awaitable<base::Result<std::size_t>> Read(std::span<char> into) = 0;
  virtual base::Result<Attempt> TryRead(std::span<char> into) = 0;
  // Sends all pieces, in order and together where they fit. The pieces stay valid until it resumes.
  virtual asio::awaitable<base::Status> Write(std::span<const std::string_view> pieces) = 0;
  virtual base::Result<Attempt> TryWrite(std::span<const std::string_view> pieces) = 0;
  // Resumes when a read would return something (data, end or error), leaving it there.
  virtual asio::awaitable<base::Status> WaitReadable() = 0;
  // True when the peer has closed its sending half or the connection is broken. May be called at any time.
  virtual bool PeerGone() = 0;
  // Completes the TLS handshake as server or client; nothing to do on plain connections.
  virtual asio::awaitable<base::Status> Handshake() = 0;

  // Tells the peer that nothing more will come. Best effort.
  virtual void ShutdownWrite() = 0;
  // Ends the connection; waiting operations resume with an error. May be called more than once.
  virtual void Close() = 0;
  // Makes a waiting Read or WaitReadable resume with `cancelled`.
  virtual void CancelRead() = 0;

  // Each side has one deadline; it holds until set anew. base::TimePoint::max() for none. Late by at most a loop tick.
  virtual void SetReadDeadline(base::TimePoint at) = 0;
  virtual void SetWriteDeadline(base::TimePoint at) = 0;

  virtual EventLoop& loop() = 0;
  virtual std::string_view peer() const = 0;      // "127.0.0.1:54321", "unix".
  virtual std::string_view protocol() const = 0;  // As negotiated by ALPN ("h2", "http/1.1"); empty: none.
  virtual bool secure() const = 0;

  // Convenience for a single piece.
  asio::awaitable<base::Status> WriteAll(std::string_view bytes);
};

class TlsContext;

// Take ownership of a connected socket and put it on `loop`. REQUIRES: loop thread.
std::unique_ptr<Conn> MakePlainConn(EventLoop& loop, int fd);
std::unique_ptr<Conn> MakeTlsServerConn(EventLoop& loop, int fd, const TlsContext& context);
// `server_name` goes into SNI and is what the certificate must name.
std::unique_ptr<Conn> MakeTlsClientConn(EventLoop& loop, int fd, const TlsContext& context,
                                        const std::string& server_name);

}  // namespace loquat::net
