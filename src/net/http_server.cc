#include "net/http_server.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <string>
#include <utility>

#include "net/serve_connection.h"
#include "net/server_shard.h"
#include "net/tls.h"

namespace loquat::net {
namespace {

// After the cut: how long the handlers of cut connections get to see their cancelled token.
constexpr std::chrono::milliseconds kCutGrace{1000};

void AppendJsonString(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  out += '"';
}

}  // namespace

std::string ServerShared::FormatError(int status, const base::Error& error) const {
  if (options.format_error) return options.format_error(status, error);
  std::string body = R"({"error":{"code":)";
  AppendJsonString(body, base::CodeName(error.code));
  body += R"(,"message":)";
  AppendJsonString(body, error.message);
  body += R"(,"reason":)";
  AppendJsonString(body, error.reason);
  body += "}}\n";
  return body;
}

HttpServer::HttpServer(EventLoops& loops, HttpHandler& handler, HttpServerOptions options, NetObserver* observer)
    : loops_(loops), shared_(std::make_shared<ServerShared>(handler, std::move(options), observer)) {
  for (std::size_t i = 0; i < loops_.size(); ++i) {
    shards_.push_back(std::make_shared<ServerShard>(loops_.at(i), shared_));
  }
}

HttpServer::~HttpServer() {
  BeginDrain();
}

base::Result<std::uint16_t> HttpServer::Listen(const ListenOptions& options) {
  LOQUAT_ASSIGN(std::shared_ptr<Listener> listener, Listener::Open(loops_.Next(), options.address));
  shared_->listeners.fetch_add(1);
  listener->Start({.accepted =
                       [loops = &loops_, shards = shards_, shared = shared_, tls = options.tls](int fd) {
                         const bool refused = shared->connections.fetch_add(1) >= shared->options.connections_max;
                         const auto& shard = shards[loops->Next().index()];
                         asio::co_spawn(shard->loop.context(), ServeConnection(shard, fd, tls, refused),
                                        asio::detached);
                       },
                   .failed = [shared = shared_](std::string_view) { shared->observer.OnConnectionRefused("accept"); }});
  base::MutexLock lock(mutex_);
  listeners_.push_back(listener);
  return listener->port();
}

void HttpServer::BeginDrain() {
  shared_->draining.store(true, std::memory_order_relaxed);
  std::vector<std::shared_ptr<Listener>> listeners;
  {
    base::MutexLock lock(mutex_);
    listeners.swap(listeners_);
  }
  for (const auto& listener : listeners) {
    listener->Close([shared = shared_] {
      shared->listeners.fetch_sub(1);
      base::MutexLock lock(shared->mutex);
      shared->gone.NotifyAll();
    });
  }
  // A connection that reaches its loop after this task sees `draining` by itself.
  for (const auto& shard : shards_) {
    shard->loop.Post([shard] { shard->ForEach([](ServerConnection& connection) { connection.BeginDrain(); }); });
  }
}

bool HttpServer::WaitUntilGone(base::TimePoint until) {
  base::MutexLock lock(shared_->mutex);
  while (!shared_->AllGone()) {
    if (!shared_->gone.WaitUntil(shared_->mutex, until)) break;
  }
  return shared_->AllGone();
}

DrainReport HttpServer::Drain(base::Duration limit) {
  const base::TimePoint until = std::chrono::steady_clock::now() + limit;
  BeginDrain();
  if (WaitUntilGone(until)) return {};
  const DrainReport report = {.connections_cut = connections(), .exchanges_cut = exchanges()};
  for (const auto& shard : shards_) {
    shard->loop.Post([shard] { shard->ForEach([](ServerConnection& connection) { connection.Abort(); }); });
  }
  WaitUntilGone(std::chrono::steady_clock::now() + kCutGrace);
  return report;
}

std::size_t HttpServer::connections() const {
  return shared_->connections.load(std::memory_order_relaxed);
}
std::size_t HttpServer::exchanges() const {
  return shared_->exchanges.load(std::memory_order_relaxed);
}
bool HttpServer::draining() const {
  return shared_->draining.load(std::memory_order_relaxed);
}

}  // namespace loquat::net
