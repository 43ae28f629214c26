// A server on loopback for tests: loops, an HttpServer and a handler made of a lambda, started by the constructor and
// drained by the destructor. Test code only.

#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "net/http_server.h"

namespace loquat::net {

// The lambda may be a coroutine only if it captures nothing that it uses after a suspension; it lives as long as the
// handler, so captures are safe here.
class LambdaHandler final : public HttpHandler {
 public:
  using Function = std::function<asio::awaitable<void>(HttpExchange&)>;
  explicit LambdaHandler(Function function) : function_(std::move(function)) {}
  asio::awaitable<void> Handle(HttpExchange& exchange) override { return function_(exchange); }

 private:
  const Function function_;
};

class TestServer {
 public:
  explicit TestServer(LambdaHandler::Function function, HttpServerOptions options = {}, NetObserver* observer = nullptr,
                      std::shared_ptr<const TlsContext> tls = nullptr, std::size_t threads = 1)
      : loops({.threads = threads, .tick = std::chrono::milliseconds(5)}),
        handler(std::move(function)),
        server(loops, handler, std::move(options), observer) {
    const auto opened = server.Listen({.address = {}, .tls = std::move(tls)});
    EXPECT_TRUE(opened.has_value()) << opened.error().message;
    port = opened.value_or(0);
    loops.Start();
  }
  ~TestServer() {
    server.Drain(std::chrono::seconds(5));
    loops.Stop();
    loops.Join();
  }

  std::string Url(const std::string& path, const std::string& scheme = "http") const {
    return scheme + "://127.0.0.1:" + std::to_string(port) + path;
  }

  EventLoops loops;
  LambdaHandler handler;
  HttpServer server;
  std::uint16_t port = 0;
};

// Answers "hello" and the request's body to everything.
inline asio::awaitable<void> Echo(HttpExchange& exchange) {
  const HttpHeader type = {"Content-Type", "text/plain"};
  const std::string_view body = exchange.request().body;
  exchange.Respond(200, {&type, 1}, body.empty() ? std::string_view("hello") : body);
  co_return;
}

}  // namespace loquat::net
