// etcd as a source of configuration, on a thread of its own: everything here put together. One thread builds and
// destroys it; status() is for any. The parts outlive it.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

#include "base/clock.h"
#include "base/result.h"
#include "config/etcd/beginning.h"
#include "config/etcd/etcd_options.h"
#include "config/etcd/follower.h"
#include "config/etcd/grpc_client.h"
#include "observe/log.h"
#include "observe/metrics.h"

namespace loquat::config::etcd {

class EtcdSource {
 public:
  // For the start, before there is a log: waits no longer than the options' start_timeout and one call.
  static base::Result<Beginning> Begin(const EtcdOptions& options, const base::Clock& clock);

  struct Parts {
    LayerSink& sink;
    const base::Clock& clock;
    observe::Logger& log;
    observe::Registry& metrics;
  };
  // Follows from now on. `known_revision`: of the beginning.
  static base::Result<std::unique_ptr<EtcdSource>> Start(const EtcdOptions& options, std::int64_t known_revision,
                                                         const Parts& parts);
  // No call of the sink runs afterwards.
  ~EtcdSource();

  base::Status status() const { return follower_.status(); }

 private:
  EtcdSource(std::unique_ptr<GrpcClient> client, const EtcdOptions& options, std::int64_t known_revision,
             const Parts& parts);

  const std::unique_ptr<GrpcClient> client_;
  Follower follower_;
  std::jthread thread_;
};

}  // namespace loquat::config::etcd
