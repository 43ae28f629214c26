// From etcd's messages to plain values. Pure; safe from any thread.

#pragma once

#include <etcd/rpc.pb.h>

#include "config/etcd/client.h"

namespace loquat::config::etcd {

// The id of the only watch of a connection; the first is always this (etcd counts from zero).
inline constexpr std::int64_t kWatchId = 0;

RangeAnswer ToRangeAnswer(etcdserverpb::RangeResponse&& message);
WatchMessage ToWatchMessage(etcdserverpb::WatchResponse&& message);

}  // namespace loquat::config::etcd
