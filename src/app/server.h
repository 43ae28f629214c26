// The composition root: builds the server bottom-up from its options and stops it in reverse. The only place that knows
// every part.
//
// One thread builds, drains and destroys it.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/options.h"
#include "base/result.h"
#include "config/load.h"
#include "net/http_server.h"

namespace loquat::app {

class Server {
 public:
  // Loads the model, listens and serves. `sources` is what `options` was loaded from; their file is followed from now
  // on.
  static base::Result<std::unique_ptr<Server>> Start(config::Loaded<Options> options, config::Sources sources,
                                                     const std::string& model_path);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // "http://127.0.0.1:8080"; with TLS a second one.
  const std::string& url() const;
  const std::string& tls_url() const;                 // Empty without TLS.
  const std::string& grpc_address() const;            // "grpc://127.0.0.1:8081"; empty without gRPC.
  double start_ms() const;                            // From Start to ready.
  std::string model_summary() const;                  // "assistant: 63 intents, 42 entities"
  std::vector<std::string> engine_summaries() const;  // "qwen: chat, context 4096"

  // Refuses new connections, finishes what was accepted, and returns when all is done or the drain timeout has passed.
  net::DrainReport Drain();

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace loquat::app
