#include "app/etcd_config.h"

#include <optional>
#include <string>
#include <utility>

#include "config/reconcile.h"

namespace loquat::app {

base::Result<config::Loaded<Options>> LoadAtStart(config::Sources& sources) {
  LOQUAT_ASSIGN(config::Loaded<Options> loaded, config::Load<Options>(sources));
  const config::etcd::EtcdOptions etcd = loaded.value.etcd;
  if (etcd.endpoints.empty()) return loaded;
  LOQUAT_ASSIGN(config::etcd::Beginning beginning, config::etcd::EtcdSource::Begin(etcd, base::SystemClock()));
  const auto check = [&](const std::string& file, const config::LayerPtr& layer) -> base::Status {
    config::Sources tried = sources;
    tried.file_text = file;
    tried.layer = layer;
    LOQUAT_ASSIGN(loaded, config::Load<Options>(tried));
    return {};
  };
  config::Contents good{.file = loaded.file_text, .layer = beginning.good};
  if (base::Status stands = check(good.file, good.layer); !stands.has_value()) {
    beginning.warnings.push_back("the snapshot of etcd's configuration is not used: " + stands.error().message);
    good.layer = std::make_shared<const config::Layer>();
  }
  config::Reconciler reconciler(std::move(good));
  reconciler.WantLayer(beginning.wanted);
  (void)reconciler.Settle(check);
  sources.layer = reconciler.good().layer;
  sources.layer_revision = beginning.revision;
  for (std::string& warning : beginning.warnings) loaded.warnings.push_back(std::move(warning));
  return loaded;
}

base::Result<std::unique_ptr<EtcdConfig>> EtcdConfig::Start(const config::etcd::EtcdOptions& options,
                                                            std::int64_t known_revision,
                                                            config::LiveConfig<Options>& live, const base::Clock& clock,
                                                            observe::Logger& log, observe::Registry& metrics) {
  std::unique_ptr<EtcdConfig> config(new EtcdConfig(live));
  LOQUAT_ASSIGN(config->source_,
                config::etcd::EtcdSource::Start(options, known_revision,
                                                {.sink = *config, .clock = clock, .log = log, .metrics = metrics}));
  return config;
}

}  // namespace loquat::app
