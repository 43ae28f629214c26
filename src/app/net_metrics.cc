#include "app/net_metrics.h"

namespace loquat::app {
namespace {

observe::CounterFamily& Opened(observe::Registry& registry) {
  return registry.AddCounterFamily("loquat_connections_opened_total", "Connections accepted.", {"transport"});
}

observe::CounterFamily& Requests(observe::Registry& registry) {
  return registry.AddCounterFamily("loquat_http_messages_total", "Requests seen by the HTTP layer.", {"version"});
}

}  // namespace

NetMetrics::NetMetrics(observe::Registry& registry)
    : open_(registry.AddGauge("loquat_connections_open", "Connections open now.")),
      opened_plain_(Opened(registry).With({"tcp"})),
      opened_tls_(Opened(registry).With({"tls"})),
      http1_(Requests(registry).With({"1"})),
      http2_(Requests(registry).With({"2"})),
      bytes_read_(registry.AddCounter("loquat_network_read_bytes_total", "Bytes read from clients.")),
      bytes_written_(registry.AddCounter("loquat_network_written_bytes_total", "Bytes written to clients.")),
      refused_(
          registry.AddCounterFamily("loquat_connections_refused_total", "Connections refused, by reason.", {"reason"})),
      protocol_errors_(registry.AddCounterFamily("loquat_protocol_errors_total",
                                                 "Requests refused below any endpoint, by reason.", {"reason"})) {}

void NetMetrics::OnConnectionOpened(bool secure) {
  open_.Add(1);
  (secure ? opened_tls_ : opened_plain_).Increment();
}

void NetMetrics::OnRequest(net::HttpVersion version, int /*status*/) {
  (version == net::HttpVersion::kHttp2 ? http2_ : http1_).Increment();
}

void NetMetrics::OnBytes(std::uint64_t read, std::uint64_t written) {
  bytes_read_.Increment(read);
  bytes_written_.Increment(written);
}

}  // namespace loquat::app
