#include "net/net_metrics.h"

#include <algorithm>
#include <string>

namespace loquat::net {
namespace {

observe::CounterFamily& Opened(observe::Registry& registry) {
  return registry.AddCounterFamily("loquat_connections_opened_total", "Client connections taken into service.",
                                   {"transport"});
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
                                        "Requests and connections ended for a fault of the client's.", {"reason"})) {}

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

}  // namespace loquat::net
