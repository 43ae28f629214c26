// What the connections of one server share: the constants, the counters, and one list of connections per loop.
// Internal to net. Threads: ServerShared from any thread; a ServerShard on its loop's thread only.
// Lifetime: held by the server and by each connection's coroutine.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "net/event_loop.h"
#include "net/http_options.h"
#include "net/observer.h"

namespace loquat::net {

class TlsContext;
struct WebSocketTools;

struct ServerShared {
  // `the_observer` may be null.
  ServerShared(HttpHandler& the_handler, HttpServerOptions the_options, NetObserver* the_observer)
      : handler(the_handler), options(std::move(the_options)), observer(the_observer ? *the_observer : no_observer) {}

  HttpHandler& handler;
  const HttpServerOptions options;
  NetObserver no_observer;
  NetObserver& observer;
  // Relaxed: counts and a hint; what must be seen exactly is posted to the loops.
  std::atomic<std::size_t> connections{0};
  std::atomic<std::size_t> listeners{0};
  std::atomic<std::size_t> exchanges{0};  // Requests whose handler has not ended.
  std::atomic<std::size_t> websockets{0};
  std::atomic<bool> draining{false};

  // Told when the last connection or the last listener has gone.
  base::Mutex mutex;
  base::CondVar gone;

  bool AllGone() const { return listeners.load() == 0 && connections.load() == 0; }
  // The body of an answer that no handler saw.
  std::string FormatError(int status, const base::Error& error) const;
};

// A connection as its server sees it: something that can be asked to end.
class ServerConnection {
 public:
  virtual ~ServerConnection() = default;
  virtual void BeginDrain() = 0;  // Finish what is under way, take nothing new.
  virtual void Abort() = 0;       // End now; handlers see their token cancelled.

 private:
  friend struct ServerShard;
  ServerConnection* previous_ = nullptr;
  ServerConnection* next_ = nullptr;
};

struct ServerShard {
  ServerShard(EventLoop& the_loop, std::shared_ptr<ServerShared> the_shared)
      : loop(the_loop), shared(std::move(the_shared)) {}

  void Add(ServerConnection& connection) {
    connection.next_ = first;
    connection.previous_ = nullptr;
    if (first != nullptr) first->previous_ = &connection;
    first = &connection;
  }
  void Remove(ServerConnection& connection) {
    (connection.previous_ != nullptr ? connection.previous_->next_ : first) = connection.next_;
    if (connection.next_ != nullptr) connection.next_->previous_ = connection.previous_;
  }
  // `apply` must not add or remove connections.
  template <typename F>
  void ForEach(F apply) {
    for (ServerConnection* at = first; at != nullptr;) {
      ServerConnection* next = at->next_;
      apply(*at);
      at = next;
    }
  }

  EventLoop& loop;
  const std::shared_ptr<ServerShared> shared;
  ServerConnection* first = nullptr;
  std::shared_ptr<WebSocketTools> websockets;  // Made by the first WebSocket.
  std::size_t lingering = 0;                   // Connections that are only being emptied after a refusal.
};

}  // namespace loquat::net
