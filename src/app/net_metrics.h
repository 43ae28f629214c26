// Counts what the network layer tells, in the registry. Thread-safe; the registry outlives it.

#pragma once

#include "net/observer.h"
#include "observe/metrics.h"

namespace loquat::app {

class NetMetrics final : public net::NetObserver {
 public:
  explicit NetMetrics(observe::Registry& registry);

  void OnConnectionOpened(bool secure) override;
  void OnConnectionClosed() override { open_.Add(-1); }
  void OnConnectionRefused(std::string_view reason) override { refused_.With({reason}).Increment(); }
  void OnRequest(net::HttpVersion version, int status) override;
  void OnBytes(std::uint64_t read, std::uint64_t written) override;
  void OnProtocolError(std::string_view reason) override { protocol_errors_.With({reason}).Increment(); }

 private:
  observe::Gauge& open_;
  observe::Counter& opened_plain_;
  observe::Counter& opened_tls_;
  observe::Counter& http1_;
  observe::Counter& http2_;
  observe::Counter& bytes_read_;
  observe::Counter& bytes_written_;
  observe::CounterFamily& refused_;
  observe::CounterFamily& protocol_errors_;
};

}  // namespace loquat::app
