// TLS settings shared by many connections: certificate, key, versions and protocols for servers; trust for clients.
// Threads: thread-safe. Connections keep what they started with when the files are reloaded.
// Lifetime: a connection needs the context only while it is made.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"

struct ssl_ctx_st;
struct ssl_st;
struct bio_method_st;

namespace loquat::net {

struct TlsServerOptions {
  std::string certificate_file;                             // PEM, the server's certificate first, then the chain.
  std::string key_file;                                     // PEM, unencrypted.
  std::vector<std::string> protocols = {"h2", "http/1.1"};  // ALPN, best first.
};

struct TlsClientOptions {
  std::string ca_file;  // PEM; empty: the system's trust store.
  bool verify = true;   // Off for tests alone.
  std::vector<std::string> protocols = {"http/1.1"};
};

class TlsContext {
 public:
  // TLS 1.2 and 1.3.
  static base::Result<std::shared_ptr<TlsContext>> ForServer(TlsServerOptions options);
  static base::Result<std::shared_ptr<TlsContext>> ForClient(TlsClientOptions options);

  // Reads the certificate and key files again, for connections to come. On an error the old ones stay.
  base::Status Reload();

  struct Session {
    std::shared_ptr<ssl_st> ssl;  // Reads and writes `fd` without ever blocking or raising SIGPIPE.
    std::shared_ptr<bio_method_st> method;
  };
  base::Result<Session> NewServerSession(int fd) const;
  base::Result<Session> NewClientSession(int fd, const std::string& server_name) const;

 private:
  TlsContext();
  base::Result<std::shared_ptr<ssl_ctx_st>> Load() const;
  base::Result<Session> NewSession(int fd) const;

  // Constant after construction.
  bool server_ = true;
  TlsServerOptions server_options_;
  TlsClientOptions client_options_;
  std::string alpn_wire_;  // Length-prefixed names (RFC 7301 section 3.1).
  std::shared_ptr<bio_method_st> method_;

  mutable base::Mutex mutex_;
  std::shared_ptr<ssl_ctx_st> context_ LOQUAT_GUARDED_BY(mutex_);
};

}  // namespace loquat::net
