// What the gRPC listener may be told, with its defaults. Plain values, read-only once the server runs.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "config/section.h"

namespace loquat::ingress {

struct GrpcTlsOptions {
  std::string certificate;  // PEM, the server's first, then the chain. Empty: that of server.tls.
  std::string key;          // PEM, unencrypted. Empty: that of server.tls.
  std::string client_ca;    // PEM: clients must show a certificate that it has signed. Empty: none is asked for.
};

struct GrpcOptions {
  std::string listen;  // Empty: no gRPC.
  std::optional<GrpcTlsOptions> tls;
  std::size_t message_bytes_max = std::size_t{1} << 20;   // Of one request message.
  std::size_t metadata_bytes_max = 16 * 1024;             // Of one call.
  std::uint32_t connection_streams_max = 128;             // Calls at once on one connection.
  std::size_t calls_max = 4096;                           // Unary calls at once that wait for a model or a store.
  std::size_t streams_max = 5000;                         // Streaming calls at once.
  std::size_t memory_bytes_max = std::size_t{512} << 20;  // What gRPC may hold for its connections.
  std::size_t write_buffer_bytes_max = 256 * 1024;        // Of one stream; above it its producer waits.
  std::chrono::milliseconds write_stall{30'000};          // A stream whose client takes nothing for so long is cut.
  std::chrono::milliseconds stream_idle{300'000};         // A stream without a message for so long is ended.
  std::chrono::milliseconds keepalive{60'000};            // A silent connection is asked for a sign of life.
  std::chrono::milliseconds ping_interval_min{10'000};    // Clients that ping more often are cut.
};

void Declare(config::Section<GrpcTlsOptions>& section);
void Declare(config::Section<GrpcOptions>& section);

}  // namespace loquat::ingress
