// WebSockets with nothing behind them: a server whose handlers show what the protocol layer does, for test clients.
//
//   websocket_server [key=value …]     e.g. websocket.message_bytes_max=1KiB certificate=a.pem key=a.key
//
// Prints "port N" (with a certificate also "tls N"), serves until its standard input ends, drains, and says what the
// drain cut. Paths:
//   /echo            sends each message back
//   /burst           on a message sends ?count= messages of ?bytes=, as revisions of one thing with ?revisions=1, or
//                    at the client's pace with ?paced=1, and then "done"
//   /pause           says "pause" whenever nothing came for ?ms=
//   /latest          takes a message only when told by the one before it ("hold:MS"), and then the last that has come
//   /close           on a message closes with ?code= and ?reason=
//   /throw           on a message throws
//   /metrics         the counters, as a page

#include <boost/asio/awaitable.hpp>
#include <charconv>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

#include "config/load.h"
#include "net/http_server.h"
#include "net/net_metrics.h"
#include "net/tls.h"
#include "net/url.h"
#include "net/websocket.h"
#include "observe/metrics.h"

namespace loquat {
namespace {

using net::asio::awaitable;

struct Settings {
  net::WebSocketOptions websocket;
  std::size_t connections_max = net::kDefaultConnectionsMax;
  std::size_t io_threads = 1;
  std::chrono::milliseconds drain_timeout{5'000};
  std::string subprotocol;
  std::string certificate;
  std::string key;
};
void Declare(config::Section<Settings>& section) {
  section.Sub("websocket", &Settings::websocket).Help("What is tested.");
  section.Key("connections_max", &Settings::connections_max).Range(1, 1'000'000).Help("Of the server.");
  section.Key("io_threads", &Settings::io_threads).Range(1, 64).Help("Event loops.");
  section.Key("drain_timeout", &Settings::drain_timeout).Help("Before connections are cut.");
  section.Key("subprotocol", &Settings::subprotocol).Help("What is spoken.");
  section.Key("certificate", &Settings::certificate).Help("A file; empty: no TLS.");
  section.Key("key", &Settings::key).Help("Its key.");
}

std::uint64_t Number(std::string_view query, std::string_view name, std::uint64_t otherwise) {
  const auto text = net::QueryParameter(query, name);
  if (!text) return otherwise;
  std::uint64_t value = otherwise;
  std::from_chars(text->data(), text->data() + text->size(), value);
  return value;
}

awaitable<void> Echo(net::WebSocket& socket) {
  for (;;) {
    auto message = co_await socket.Read();
    if (!message) co_return;
    if (!(co_await socket.SendAwait(message->data, {.kind = message->kind}))) co_return;
  }
}

awaitable<void> Burst(net::WebSocket& socket, std::string_view query) {
  const std::string text(Number(query, "bytes", 1000), 'x');
  const std::uint64_t count = Number(query, "count", 10);
  const std::uint64_t revision_of = Number(query, "revisions", 0);
  const bool paced = Number(query, "paced", 0) != 0;
  if (!(co_await socket.Read())) co_return;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string numbered = std::to_string(i) + ":" + text;
    base::Status sent;
    if (paced) {
      sent = co_await socket.SendAwait(numbered);
    } else {
      sent = socket.Send(numbered, {.revision_of = revision_of});
    }
    if (!sent) co_return;
  }
  if (!socket.Send("done")) co_return;
  (void)co_await socket.Read();
}

awaitable<void> Pause(net::WebSocket& socket, std::string_view query) {
  const std::chrono::milliseconds wait(Number(query, "ms", 50));
  for (;;) {
    auto message = co_await socket.ReadUntil(std::chrono::steady_clock::now() + wait);
    if (!message) co_return;
    if (!socket.Send(*message ? (*message)->data : std::string("pause"))) co_return;
  }
}

awaitable<void> Latest(net::WebSocket& socket) {
  for (;;) {
    auto message = co_await socket.Read();
    if (!message) co_return;
    std::string last = std::move(message->data);
    std::size_t taken = 1;
    if (last.starts_with("hold:")) co_await net::SleepFor(std::chrono::milliseconds(std::stoi(last.substr(5))));
    for (;;) {
      auto more = socket.TryRead();
      if (!more || !*more) break;
      last = std::move((*more)->data);
      ++taken;
    }
    if (!socket.Send(std::to_string(taken) + " " + last)) co_return;
  }
}

awaitable<void> CloseOnMessage(net::WebSocket& socket, std::string_view query) {
  if (!(co_await socket.Read())) co_return;
  socket.Close(static_cast<std::uint16_t>(Number(query, "code", 1000)),
               net::QueryParameter(query, "reason").value_or(""));
}

class Handler final : public net::HttpHandler {
 public:
  Handler(const Settings& settings, observe::Registry& registry)
      : options_(std::make_shared<const net::WebSocketOptions>(settings.websocket)),
        subprotocol_(settings.subprotocol),
        registry_(registry) {}

  awaitable<void> Handle(net::HttpExchange& exchange) override {
    const std::string_view path = exchange.request().path;
    const std::string_view query = exchange.request().query;
    if (path == "/metrics") {
      exchange.Respond(200, {}, registry_.Text());
      co_return;
    }
    const auto socket = co_await exchange.AcceptWebSocket({.options = options_, .subprotocol = subprotocol_});
    if (!socket) {
      const auto& error = socket.error();
      exchange.Respond(net::HttpStatusOf(error), net::WebSocketRefusalHeaders(error),
                       error.reason + ": " + error.message);
      co_return;
    }
    if (path == "/echo") co_await Echo(**socket);
    if (path == "/burst") co_await Burst(**socket, query);
    if (path == "/pause") co_await Pause(**socket, query);
    if (path == "/latest") co_await Latest(**socket);
    if (path == "/close") co_await CloseOnMessage(**socket, query);
    if (path == "/throw" && (co_await (*socket)->Read())) throw std::runtime_error("as asked");
  }

 private:
  const std::shared_ptr<const net::WebSocketOptions> options_;
  const std::string subprotocol_;
  observe::Registry& registry_;
};

base::Status Run(int argc, char** argv) {
  LOQUAT_ASSIGN(const auto loaded,
                config::Load<Settings>({.file = {}, .variables = {}, .overrides = {argv + 1, argv + argc}}));
  const Settings& settings = loaded.value;
  observe::Registry registry;
  net::NetMetrics metrics(registry);
  net::EventLoops loops({.threads = settings.io_threads, .tick = std::chrono::milliseconds(10)});
  Handler handler(settings, registry);
  net::HttpServer server(loops, handler, {.connections_max = settings.connections_max}, &metrics);
  LOQUAT_ASSIGN(const auto port, server.Listen({}));
  std::cout << "port " << port << "\n";
  if (!settings.certificate.empty()) {
    LOQUAT_ASSIGN(auto tls,
                  net::TlsContext::ForServer({.certificate_file = settings.certificate, .key_file = settings.key}));
    LOQUAT_ASSIGN(const auto tls_port, server.Listen({.address = {}, .tls = tls}));
    std::cout << "tls " << tls_port << "\n";
  }
  std::cout << "ready" << std::endl;
  loops.Start();
  while (std::cin.get() != std::istream::traits_type::eof()) continue;
  const net::DrainReport report = server.Drain(settings.drain_timeout);
  std::cout << "cut " << report.connections_cut << std::endl;
  loops.Stop();
  loops.Join();
  return {};
}

}  // namespace
}  // namespace loquat

int main(int argc, char** argv) {
  const auto status = loquat::Run(argc, argv);
  if (status) return 0;
  std::cerr << status.error().message << "\n";
  return 1;
}
