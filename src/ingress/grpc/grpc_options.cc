#include "ingress/grpc/grpc_options.h"

#include "base/result.h"

namespace loquat::ingress {

using std::chrono::hours;
using std::chrono::milliseconds;

void Declare(config::Section<GrpcTlsOptions>& section) {
  section.Key("certificate", &GrpcTlsOptions::certificate)
      .NeedsRestart()
      .Help("PEM file: the certificate, then its chain; empty: that of `server.tls`.");
  section.Key("key", &GrpcTlsOptions::key)
      .NeedsRestart()
      .Help("PEM file of the private key, unencrypted; empty: that of `server.tls`.");
  section.Key("client_ca", &GrpcTlsOptions::client_ca)
      .NeedsRestart()
      .Help("PEM file: clients must show a certificate signed by one of these; empty: none is asked for.");
  section.Check([](const GrpcTlsOptions& options) -> base::Status {
    if (options.certificate.empty() == options.key.empty()) return {};
    return base::InvalidArgument("a certificate and its key go together; give both or neither",
                                 options.key.empty() ? "/key" : "/certificate");
  });
}

void Declare(config::Section<GrpcOptions>& section) {
  const auto low = milliseconds(10);
  section.Key("listen", &GrpcOptions::listen)
      .NeedsRestart()
      .Help("Address and port of gRPC: HOST:PORT, [IPV6]:PORT or unix:/PATH; port 0 picks a free one. Empty: no gRPC.");
  section.Sub("tls", &GrpcOptions::tls).NeedsRestart().Help("Speak TLS on the gRPC port; without it, plain HTTP/2.");
  section.Key("message_bytes_max", &GrpcOptions::message_bytes_max)
      .Bytes()
      .Range(1024, 1 << 30)
      .NeedsRestart()
      .Help("One request message; a larger one is refused with RESOURCE_EXHAUSTED.");
  section.Key("metadata_bytes_max", &GrpcOptions::metadata_bytes_max)
      .Bytes()
      .Range(1024, 1 << 20)
      .NeedsRestart()
      .Help("Metadata of one call; more is refused with RESOURCE_EXHAUSTED.");
  section.Key("connection_streams_max", &GrpcOptions::connection_streams_max)
      .Range(1, 65'535)
      .NeedsRestart()
      .Help("Calls at once on one connection; the client holds back the rest.");
  section.Key("calls_max", &GrpcOptions::calls_max)
      .Range(1, 1'000'000)
      .NeedsRestart()
      .Help("Unary calls at once that wait for a model or a store; one more is refused with RESOURCE_EXHAUSTED.");
  section.Key("streams_max", &GrpcOptions::streams_max)
      .Range(1, 1'000'000)
      .NeedsRestart()
      .Help("Streaming calls at once; one more is refused with RESOURCE_EXHAUSTED.");
  section.Key("memory_bytes_max", &GrpcOptions::memory_bytes_max)
      .Bytes()
      .Range(std::int64_t{16} << 20, std::int64_t{1} << 40)
      .NeedsRestart()
      .Help("Memory for connections and messages on their way; near it gRPC slows its clients down.");
  section.Key("write_buffer_bytes_max", &GrpcOptions::write_buffer_bytes_max)
      .Bytes()
      .Range(4096, 1 << 30)
      .NeedsRestart()
      .Help("What one stream may be behind by; above it whoever makes the messages waits.");
  section.Key("write_stall", &GrpcOptions::write_stall)
      .Range(low, milliseconds(hours(1)))
      .NeedsRestart()
      .Help("A stream whose client takes nothing for so long is cut.");
  section.Key("stream_idle", &GrpcOptions::stream_idle)
      .Range(low, milliseconds(hours(24)))
      .NeedsRestart()
      .Help("A stream on which the client says nothing for so long, and nothing is under way, is ended.");
  section.Key("keepalive", &GrpcOptions::keepalive)
      .Range(milliseconds(1000), milliseconds(hours(24)))
      .NeedsRestart()
      .Help("A connection that is silent for so long is asked for a sign of life, and closed after 20 s without one.");
  section.Key("ping_interval_min", &GrpcOptions::ping_interval_min)
      .Range(milliseconds(0), milliseconds(hours(1)))
      .NeedsRestart()
      .Help("Clients that ping more often than this are cut (ENHANCE_YOUR_CALM).");
}

}  // namespace loquat::ingress
