// An HTTP server: any number of listeners, plain or TLS, in front of one handler. HTTP/1.1 and HTTP/2 share each
// listener: by preface on plain ones (prior knowledge), by ALPN over TLS.
// Threads: every method from any thread, but from I/O threads no Drain, which blocks.
// Lifetime: the loops, the handler and the observer outlive it. Destroy it after Drain, or after the loops were stopped
// and joined: connections still open then are cut.
//
//   EventLoops loops;
//   HttpServer server(loops, handler);
//   auto port = server.Listen({.address = {.host = "127.0.0.1", .port = 8080}});
//   loops.Start();  …  server.Drain(std::chrono::seconds(10));

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "net/event_loop.h"
#include "net/http.h"
#include "net/http_options.h"
#include "net/listener.h"
#include "net/observer.h"

namespace loquat::net {

class TlsContext;
struct ServerShard;
struct ServerShared;

struct ListenOptions {
  ListenAddress address;
  std::shared_ptr<const TlsContext> tls;  // Empty: plain.
};

struct DrainReport {
  std::size_t connections_cut = 0;  // Still open when the time was up.
  std::size_t exchanges_cut = 0;    // Requests among them that were being worked on.
};

class HttpServer {
 public:
  // `observer` may be null.
  HttpServer(EventLoops& loops, HttpHandler& handler, HttpServerOptions options = {}, NetObserver* observer = nullptr);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Starts to listen; accepted connections are served as soon as the loops run. Returns the port.
  base::Result<std::uint16_t> Listen(const ListenOptions& options);

  // Stops accepting, asks every connection to finish: answers carry `Connection: close`, HTTP/2 peers get GOAWAY, idle
  // connections close after a short grace for requests already on the wire. Returns at once; may be called twice.
  void BeginDrain();
  // BeginDrain, then blocks until all connections have gone, or `limit` has passed and the rest is cut.
  DrainReport Drain(base::Duration limit);

  std::size_t connections() const;
  std::size_t exchanges() const;  // Requests being worked on.
  bool draining() const;

 private:
  bool WaitUntilGone(base::TimePoint until);

  EventLoops& loops_;
  std::shared_ptr<ServerShared> shared_;
  std::vector<std::shared_ptr<ServerShard>> shards_;  // One a loop, by index. Constant after construction.
  base::Mutex mutex_;
  std::vector<std::shared_ptr<Listener>> listeners_ LOQUAT_GUARDED_BY(mutex_);
};

}  // namespace loquat::net
