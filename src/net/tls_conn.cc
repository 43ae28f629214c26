// Conn over TLS: OpenSSL works on the socket directly and never blocks; Asio only waits. An idle connection thus holds
// no record buffers, neither ours nor OpenSSL's.

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "net/socket_conn.h"
#include "net/tls.h"

namespace loquat::net {
namespace {

constexpr std::size_t kRecordBytes = 16 * 1024;  // The most a TLS record carries (RFC 8446 section 5.1).

base::Error TlsError(std::string_view doing) {
  const unsigned long code = ERR_peek_last_error();
  char text[256] = "the peer closed the connection";
  if (code != 0) ERR_error_string_n(code, text, sizeof(text));
  ERR_clear_error();
  return base::Unavailable(fmt::format("TLS {}: {}", doing, text));
}

class TlsConn final : public SocketConn {
 public:
  TlsConn(EventLoop& loop, int fd, base::Result<TlsContext::Session> session)
      : SocketConn(loop, fd), session_(std::move(session)) {}

  ~TlsConn() override { TlsConn::Close(); }

  asio::awaitable<base::Status> Handshake() override {
    if (!session_) co_return session_.error();
    for (;;) {
      if (closed()) co_return base::Unavailable("the connection is closed");
      ERR_clear_error();
      const int result = SSL_do_handshake(ssl());
      if (result == 1) break;
      const int why = SSL_get_error(ssl(), result);
      if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
        failed_ = true;
        co_return TlsError("handshake");
      }
      auto waited = why == SSL_ERROR_WANT_READ ? co_await SocketConn::WaitReadable() : co_await WaitWritable();
      if (!waited) co_return std::move(waited).error();
    }
    established_ = true;
    const unsigned char* name = nullptr;
    unsigned int size = 0;
    SSL_get0_alpn_selected(ssl(), &name, &size);
    protocol_.assign(reinterpret_cast<const char*>(name), size);
    co_return base::Status();
  }

  asio::awaitable<base::Result<std::size_t>> Read(std::span<char> into) override {
    for (;;) {
      auto got = TryRead(into);
      if (!got) co_return std::move(got).error();
      if (!got->blocked) co_return got->bytes;
      if (auto waited = co_await SocketConn::WaitReadable(); !waited) co_return std::move(waited).error();
    }
  }

  base::Result<Attempt> TryRead(std::span<char> into) override {
    if (closed() || !session_ || failed_) return base::Unavailable("the connection is closed");
    ERR_clear_error();
    std::size_t bytes = 0;
    if (SSL_read_ex(ssl(), into.data(), into.size(), &bytes) == 1) return Attempt{.bytes = bytes};
    switch (SSL_get_error(ssl(), 0)) {
      case SSL_ERROR_WANT_READ:
      case SSL_ERROR_WANT_WRITE:
        return Attempt{.blocked = true};
      case SSL_ERROR_ZERO_RETURN:
        return Attempt{};
      default:
        failed_ = true;
        return TlsError("read");
    }
  }

  // Gathers the pieces into records, so that a head and its body leave as one. A blocked record is repeated by the next
  // call with the same bytes, and at least as many of them, as OpenSSL demands.
  base::Result<Attempt> TryWrite(std::span<const std::string_view> pieces) override {
    if (closed() || !session_ || failed_) return base::Unavailable("the connection is closed");
    Attempt done;
    std::size_t index = 0;
    std::size_t offset = 0;
    for (;;) {
      const std::span<char> record = loop().read_scratch().first(kRecordBytes);
      std::size_t size = 0;
      while (index < pieces.size() && size < record.size()) {
        const std::size_t n = pieces[index].substr(offset).copy(record.data() + size, record.size() - size);
        size += n;
        offset += n;
        if (offset == pieces[index].size()) {
          ++index;
          offset = 0;
        }
      }
      if (size == 0) return done;
      ERR_clear_error();
      std::size_t written = 0;
      if (SSL_write_ex(ssl(), record.data(), size, &written) == 1) {
        done.bytes += written;
        if (written < size) return done;
        continue;
      }
      const int why = SSL_get_error(ssl(), 0);
      if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
        failed_ = true;
        return TlsError("write");
      }
      done.blocked = done.bytes == 0;
      return done;
    }
  }

  asio::awaitable<base::Status> WaitReadable() override {
    if (session_ && SSL_pending(ssl()) > 0) co_return base::Status();
    co_return co_await SocketConn::WaitReadable();
  }

  void ShutdownWrite() override {
    SendCloseNotify();
    SocketConn::ShutdownWrite();
  }

  void Close() override {
    SendCloseNotify();
    SocketConn::Close();
  }

  std::string_view protocol() const override { return protocol_; }
  bool secure() const override { return true; }

 private:
  SSL* ssl() { return session_->ssl.get(); }

  // After a fatal error OpenSSL must not be called for this.
  void SendCloseNotify() {
    if (closed() || !established_ || failed_ || std::exchange(close_sent_, true)) return;
    ERR_clear_error();
    SSL_shutdown(ssl());
  }

  base::Result<TlsContext::Session> session_;
  std::string protocol_;
  bool established_ = false;
  bool failed_ = false;
  bool close_sent_ = false;
};

}  // namespace

std::unique_ptr<Conn> MakeTlsServerConn(EventLoop& loop, int fd, const TlsContext& context) {
  return std::make_unique<TlsConn>(loop, fd, context.NewServerSession(fd));
}

std::unique_ptr<Conn> MakeTlsClientConn(EventLoop& loop, int fd, const TlsContext& context,
                                        const std::string& server_name) {
  return std::make_unique<TlsConn>(loop, fd, context.NewClientSession(fd, server_name));
}

}  // namespace loquat::net
