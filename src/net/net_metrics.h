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
  // Found once, then read without a lock: [version][status - kStatusFirst]. Released when stored and acquired when
  // read, so that a thread which sees the pointer sees the counter behind it.
  std::array<std::array<std::atomic<observe::Counter*>, kStatusEnd - kStatusFirst>, 3> request_cache_{};
};

}  // namespace loquat::net
