#include "net/net_metrics.h"

#include <algorithm>
#include <string>

namespace loquat::net {
namespace {

observe::CounterFamily& Opened(observe::Registry& registry) {
  return registry.AddCounterFamily("loquat_connections_opened_total", "Client connections taken into service.",
                                   {"transport"});
}

observe::CounterFamily& Messages(observe::Registry& registry) {
  return registry.AddCounterFamily("loquat_websocket_messages_total", "Whole WebSocket messages.", {"direction"});
}

observe::CounterFamily& MessageBytes(observe::Registry& registry) {
  return registry.AddCounterFamily("loquat_websocket_message_bytes_total", "Bytes of WebSocket messages, uncompressed.",
                                   {"direction"});
}

// Clients may choose among thousands of codes; each is a time series only where the protocol names it.
std::string CloseCodeLabel(std::uint16_t code, bool by_peer) {
  if (!by_peer || code < 3000) return std::to_string(code);
  return code < 4000 ? "3xxx" : "4xxx";
}

}  // namespace

NetMetrics::NetMetrics(observe::Registry& registry)
    : open_(registry.AddGauge("loquat_connections_open", "Client connections that are open now.")),
      accepted_plain_(Opened(registry).With({"tcp"})),
      accepted_tls_(Opened(registry).With({"tls"})),
      bytes_read_(registry.AddCounter("loquat_network_read_bytes_total", "Bytes read from clients.")),
      bytes_written_(registry.AddCounter("loquat_network_written_bytes_total", "Bytes written to clients.")),
      refused_(registry.AddCounterFamily("loquat_connections_refused_total",
                                         "Client connections that were turned away.", {"reason"})),
      requests_(registry.AddCounterFamily("loquat_http_messages_total", "Requests that a handler answered.",
                                          {"version", "status"})),
      errors_(registry.AddCounterFamily("loquat_protocol_errors_total",
                                        "Requests and connections ended for a fault of the client's.", {"reason"})),
      websockets_open_(registry.AddGauge("loquat_websockets_open", "WebSockets that are open now.")),
      websockets_opened_(
          registry.AddCounterFamily("loquat_websockets_opened_total", "WebSockets accepted.", {"compressed"})),
      websockets_closed_(registry.AddCounterFamily("loquat_websockets_closed_total",
                                                   "WebSockets that ended, by close code and by who closed first.",
                                                   {"code", "by"})),
      websockets_refused_(registry.AddCounterFamily("loquat_websockets_refused_total",
                                                    "WebSocket handshakes that were refused.", {"reason"})),
      websocket_received_(Messages(registry).With({"received"})),
      websocket_sent_(Messages(registry).With({"sent"})),
      websocket_received_bytes_(MessageBytes(registry).With({"received"})),
      websocket_sent_bytes_(MessageBytes(registry).With({"sent"})),
      websocket_pings_missed_(
          registry.AddCounter("loquat_websocket_pings_missed_total", "Pings that a client did not answer in time.")),
      websocket_slow_(registry.AddCounterFamily("loquat_websocket_slow_consumer_total",
                                                "What was done because a client read too slowly: messages replaced or "
                                                "dropped, connections closed.",
                                                {"action"})) {}

void NetMetrics::OnConnectionOpened(bool secure) {
  open_.Add(1);
  (secure ? accepted_tls_ : accepted_plain_).Increment();
}

void NetMetrics::OnConnectionClosed() {
  open_.Add(-1);
}

void NetMetrics::OnConnectionRefused(std::string_view reason) {
  refused_.With({reason}).Increment();
}

void NetMetrics::OnRequest(HttpVersion version, int status) {
  static constexpr std::array<std::string_view, 3> kVersions = {"1.0", "1.1", "2"};
  const auto row = static_cast<std::size_t>(version);
  const int bounded = std::clamp(status, kStatusFirst, kStatusEnd - 1);
  auto& cached = request_cache_[row][static_cast<std::size_t>(bounded - kStatusFirst)];
  observe::Counter* counter = cached.load(std::memory_order_acquire);
  if (counter == nullptr) {
    counter = &requests_.With({kVersions[row], std::to_string(bounded)});
    cached.store(counter, std::memory_order_release);
  }
  counter->Increment();
}

void NetMetrics::OnBytes(std::uint64_t read, std::uint64_t written) {
  if (read != 0) bytes_read_.Increment(read);
  if (written != 0) bytes_written_.Increment(written);
}

void NetMetrics::OnProtocolError(std::string_view reason) {
  errors_.With({reason}).Increment();
}

void NetMetrics::OnWebSocketOpened(bool compressed) {
  websockets_open_.Add(1);
  websockets_opened_.With({compressed ? "true" : "false"}).Increment();
}

void NetMetrics::OnWebSocketClosed(std::uint16_t code, bool by_peer) {
  websockets_open_.Add(-1);
  websockets_closed_.With({CloseCodeLabel(code, by_peer), by_peer ? "client" : "server"}).Increment();
}

void NetMetrics::OnWebSocketRefused(std::string_view reason) {
  websockets_refused_.With({reason}).Increment();
}

void NetMetrics::OnWebSocketMessage(Direction direction, std::uint64_t bytes) {
  const bool received = direction == Direction::kReceived;
  (received ? websocket_received_ : websocket_sent_).Increment();
  (received ? websocket_received_bytes_ : websocket_sent_bytes_).Increment(bytes);
}

void NetMetrics::OnWebSocketPingMissed() {
  websocket_pings_missed_.Increment();
}

void NetMetrics::OnWebSocketSlow(SlowAction action, std::uint64_t messages) {
  static constexpr std::array<std::string_view, 3> kActions = {"replaced", "dropped", "closed"};
  websocket_slow_.With({kActions[static_cast<std::size_t>(action)]}).Increment(messages);
}

}  // namespace loquat::net
