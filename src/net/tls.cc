#include "net/tls.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <utility>

namespace loquat::net {
namespace {

std::string LastTlsError() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  if (code == 0) return "no details";
  char text[256];
  ERR_error_string_n(code, text, sizeof(text));
  return text;
}

// The socket goes into the BIO's data pointer: OpenSSL's own socket BIO writes without MSG_NOSIGNAL.
int FdOf(BIO* bio) {
  return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
}

int BioRead(BIO* bio, char* into, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t n = ::recv(FdOf(bio), into, static_cast<std::size_t>(size), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) BIO_set_retry_read(bio);
  return static_cast<int>(n);
}

int BioWrite(BIO* bio, const char* from, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t n = ::send(FdOf(bio), from, static_cast<std::size_t>(size), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(n);
}

long BioControl(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

int SelectProtocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                   unsigned int in_size, void* arg) {
  const auto& ours = *static_cast<const std::string*>(arg);
  unsigned char* chosen = nullptr;
  const int result = SSL_select_next_proto(&chosen, out_size, reinterpret_cast<const unsigned char*>(ours.data()),
                                           static_cast<unsigned int>(ours.size()), in, in_size);
  *out = chosen;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

std::string AlpnWire(const std::vector<std::string>& protocols) {
  std::string wire;
  for (const std::string& protocol : protocols) {
    wire += static_cast<char>(protocol.size());
    wire += protocol;
  }
  return wire;
}

}  // namespace

TlsContext::TlsContext()
    : method_(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "loquat socket"), BIO_meth_free) {
  BIO_meth_set_read(method_.get(), BioRead);
  BIO_meth_set_write(method_.get(), BioWrite);
  BIO_meth_set_ctrl(method_.get(), BioControl);
}

base::Result<std::shared_ptr<TlsContext>> TlsContext::ForServer(TlsServerOptions options) {
  std::shared_ptr<TlsContext> context(new TlsContext());
  context->alpn_wire_ = AlpnWire(options.protocols);
  context->server_options_ = std::move(options);
  LOQUAT_TRY(context->Reload());
  return context;
}

base::Result<std::shared_ptr<TlsContext>> TlsContext::ForClient(TlsClientOptions options) {
  std::shared_ptr<TlsContext> context(new TlsContext());
  context->server_ = false;
  context->alpn_wire_ = AlpnWire(options.protocols);
  context->client_options_ = std::move(options);
  LOQUAT_TRY(context->Reload());
  return context;
}

base::Status TlsContext::Reload() {
  LOQUAT_ASSIGN(std::shared_ptr<ssl_ctx_st> loaded, Load());
  base::MutexLock lock(mutex_);
  context_ = std::move(loaded);
  return {};
}

base::Result<std::shared_ptr<ssl_ctx_st>> TlsContext::Load() const {
  ERR_clear_error();
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(server_ ? TLS_server_method() : TLS_client_method()), SSL_CTX_free);
  if (!context) return base::Internal("cannot make a TLS context: " + LastTlsError());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  // Buffers are given back while a connection is idle; a write may take part of the data, from a buffer that moved.
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF |
                                         SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  if (!server_) {
    if (client_options_.verify) SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    const bool trusted = client_options_.ca_file.empty()
                             ? SSL_CTX_set_default_verify_paths(context.get()) == 1
                             : SSL_CTX_load_verify_file(context.get(), client_options_.ca_file.c_str()) == 1;
    if (!trusted) {
      return base::InvalidArgument(
          fmt::format("cannot load trusted certificates from '{}': {}", client_options_.ca_file, LastTlsError()));
    }
    SSL_CTX_set_alpn_protos(context.get(), reinterpret_cast<const unsigned char*>(alpn_wire_.data()),
                            static_cast<unsigned int>(alpn_wire_.size()));
    return context;
  }
  if (SSL_CTX_use_certificate_chain_file(context.get(), server_options_.certificate_file.c_str()) != 1) {
    return base::InvalidArgument(fmt::format("cannot load the TLS certificate '{}': {}; it must be a PEM chain",
                                             server_options_.certificate_file, LastTlsError()));
  }
  if (SSL_CTX_use_PrivateKey_file(context.get(), server_options_.key_file.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context.get()) != 1) {
    return base::InvalidArgument(fmt::format("cannot use the TLS key '{}': {}; it must be the certificate's PEM key",
                                             server_options_.key_file, LastTlsError()));
  }
  SSL_CTX_set_alpn_select_cb(context.get(), SelectProtocol, const_cast<std::string*>(&alpn_wire_));
  return context;
}

base::Result<TlsContext::Session> TlsContext::NewSession(int fd) const {
  std::shared_ptr<ssl_ctx_st> context;
  {
    base::MutexLock lock(mutex_);
    context = context_;
  }
  std::shared_ptr<SSL> ssl(SSL_new(context.get()), SSL_free);
  BIO* bio = ssl ? BIO_new(method_.get()) : nullptr;
  if (bio == nullptr) return base::Internal("cannot make a TLS session: " + LastTlsError());
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(fd)));
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl.get(), bio, bio);
  return Session{.ssl = std::move(ssl), .method = method_};
}

base::Result<TlsContext::Session> TlsContext::NewServerSession(int fd) const {
  auto session = NewSession(fd);
  if (session) SSL_set_accept_state(session->ssl.get());
  return session;
}

base::Result<TlsContext::Session> TlsContext::NewClientSession(int fd, const std::string& server_name) const {
  auto session = NewSession(fd);
  if (!session) return session;
  SSL* ssl = session->ssl.get();
  SSL_set_connect_state(ssl);
  SSL_set_tlsext_host_name(ssl, server_name.c_str());
  if (client_options_.verify && SSL_set1_host(ssl, server_name.c_str()) != 1) {
    return base::InvalidArgument(fmt::format("'{}' is no host name that a certificate could name", server_name));
  }
  return session;
}

}  // namespace loquat::net
