// The gRPC server: loquat.v1, health checks and reflection on one port.
//
// Start, Drain and destruction by one thread. The references outlive the server; the loops run from before the first
// call until after the server is gone, for its calls end there. gRPC's own threads come and go with it.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "ingress/grpc/grpc_options.h"
#include "ingress/http/api_keys.h"
#include "net/event_loop.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "pipeline/callbacks.h"
#include "pipeline/generate.h"
#include "pipeline/health.h"
#include "pipeline/stream/understand_stream.h"
#include "pipeline/understand.h"

namespace loquat::ingress {

struct GrpcParts {
  pipeline::UnderstandPipeline& understand;
  pipeline::UnderstandStreams& streams;
  pipeline::Callbacks& callbacks;
  pipeline::GenerateUseCase& generate;
  const pipeline::Health& health;
  const base::Clock& clock;
  observe::Logger& log;
  observe::Registry& metrics;
  net::EventLoops& loops;
};

struct GrpcSettings {
  GrpcOptions options;
  std::vector<ApiKeyOptions> api_keys;
  std::size_t text_bytes_max = 16 * 1024;       // Of one utterance.
  std::chrono::milliseconds handshake{10'000};  // TLS, from accept to done.
  bool sessions_at_once = true;                 // The session store never waits.
};

class GrpcServer {
 public:
  // Listens and serves. Errors: invalid_argument for certificates that cannot be read, unavailable for an address that
  // cannot be listened on.
  static base::Result<std::unique_ptr<GrpcServer>> Start(GrpcSettings settings, const GrpcParts& parts);
  // Cuts what is still under way.
  ~GrpcServer();
  GrpcServer(const GrpcServer&) = delete;
  GrpcServer& operator=(const GrpcServer&) = delete;

  std::uint16_t port() const;  // Zero for a Unix socket.

  // Says NOT_SERVING, ends streams that wait for their client, takes no new calls, and waits until the rest has ended
  // or the time is up. Returns how many calls were cut then.
  std::size_t Drain(std::chrono::milliseconds timeout);

 private:
  struct Parts;
  explicit GrpcServer(std::unique_ptr<Parts> parts);
  const std::unique_ptr<Parts> parts_;
};

}  // namespace loquat::ingress
