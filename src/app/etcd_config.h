// etcd as a source of this server's configuration: read before anything is built, followed while it serves. One thread
// builds and destroys; status() is for any. The parts outlive it.

#pragma once

#include <cstdint>
#include <memory>

#include "app/options.h"
#include "base/clock.h"
#include "base/result.h"
#include "config/etcd/etcd_source.h"
#include "config/live.h"
#include "config/load.h"
#include "observe/log.h"
#include "observe/metrics.h"

namespace loquat::app {

// The configuration of a start. Where the sources name an etcd, it or its snapshot becomes their layer: what of it
// stands; what does not is told once the server follows it.
base::Result<config::Loaded<Options>> LoadAtStart(config::Sources& sources);

class EtcdConfig final : public config::etcd::LayerSink {
 public:
  // `known_revision`: of the layer that the server started with.
  static base::Result<std::unique_ptr<EtcdConfig>> Start(const config::etcd::EtcdOptions& options,
                                                         std::int64_t known_revision, config::LiveConfig<Options>& live,
                                                         const base::Clock& clock, observe::Logger& log,
                                                         observe::Registry& metrics);

  base::Status status() const { return source_->status(); }

  base::Status Take(config::LayerPtr layer) override { return live_.TakeLayer(std::move(layer)); }
  config::LayerPtr InForce() const override { return live_.layer(); }

 private:
  explicit EtcdConfig(config::LiveConfig<Options>& live) : live_(live) {}

  config::LiveConfig<Options>& live_;
  std::unique_ptr<config::etcd::EtcdSource> source_;  // Last: its thread calls the rest.
};

}  // namespace loquat::app
