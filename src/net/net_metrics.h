// The server's events as metrics: connections, bytes, requests by version and status, faults of clients by reason.
// Threads and lifetime: as NetObserver; the registry outlives it.

#pragma once

#include <array>
#include <atomic>

#include "net/observer.h"
#include "observe/metrics.h"

namespace loquat::net {

class NetMetrics final : public NetObserver {
 public:
  explicit NetMetrics(observe::Registry& registry);

  void OnConnectionOpened(bool secure) override;
  void OnConnectionClosed() override;
  void OnConnectionRefused(std::string_view reason) override;
  void OnRequest(HttpVersion version, int status) override;
  void OnBytes(std::uint64_t read, std::uint64_t written) override;
  void OnProtocolError(std::string_view reason) override;
  void OnWebSocketOpened(bool compressed) override;
  void OnWebSocketClosed(std::uint16_t code, bool by_peer) override;
  void OnWebSocketRefused(std::string_view reason) override;
  void OnWebSocketMessage(Direction direction, std::uint64_t bytes) override;
  void OnWebSocketPingMissed() override;
  void OnWebSocketSlow(SlowAction action, std::uint64_t messages) override;

 private:
  static constexpr int kStatusFirst = 100;
  static constexpr int kStatusEnd = 600;

  observe::Gauge& open_;
  observe::Counter& accepted_plain_;
  observe::Counter& accepted_tls_;
  observe::Counter& bytes_read_;
  observe::Counter& bytes_written_;
  observe::CounterFamily& refused_;
  observe::CounterFamily& requests_;
  observe::CounterFamily& errors_;
  observe::Gauge& websockets_open_;
  observe::CounterFamily& websockets_opened_;
  observe::CounterFamily& websockets_closed_;
  observe::CounterFamily& websockets_refused_;
  observe::Counter& websocket_received_;
  observe::Counter& websocket_sent_;
  observe::Counter& websocket_received_bytes_;
  observe::Counter& websocket_sent_bytes_;
  observe::Counter& websocket_pings_missed_;
  observe::CounterFamily& websocket_slow_;
  // Found once, then read without a lock: [version][status - kStatusFirst]. Released when stored and acquired when
  // read, so that a thread which sees the pointer sees the counter behind it.
  std::array<std::array<std::atomic<observe::Counter*>, kStatusEnd - kStatusFirst>, 3> request_cache_{};
};

}  // namespace loquat::net
