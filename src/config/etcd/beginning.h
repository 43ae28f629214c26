// What a server starts with: etcd's keys as they are now, or, where etcd does not answer in time, those of the
// snapshot. One thread.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "config/etcd/client.h"
#include "config/etcd/etcd_options.h"
#include "config/layer.h"

namespace loquat::config::etcd {

struct Beginning {
  LayerPtr wanted;            // What etcd says, or the snapshot.
  LayerPtr good;              // What stood last: of the snapshot; empty without one.
  std::int64_t revision = 0;  // Of etcd's store, as far as it was ever seen; 0: never.
  std::vector<std::string> warnings;
};

// Lets so much time pass; on a manual clock in tests.
using Wait = std::function<void(base::Duration)>;

// Tries the members in turn until the options' start_timeout. Errors: with `required`, when there is neither an answer
// nor a snapshot: kUnavailable "etcd_away".
base::Result<Beginning> Begin(Client& client, const EtcdOptions& options, const base::Clock& clock, const Wait& wait,
                              std::uint64_t seed);

}  // namespace loquat::config::etcd
