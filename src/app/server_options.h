// How the options of the server become those of its parts. Pure but for MakeSinks, which opens the log's file, and
// ReserveFiles, which raises the limit of open files. Startup thread; Settings also while reloading.

#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/options.h"
#include "base/clock.h"
#include "base/result.h"
#include "config/load.h"
#include "context/memory_session_store.h"
#include "context/redis_session_store.h"
#include "ingress/grpc/grpc_server.h"
#include "net/http_options.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "pipeline/understand.h"

namespace loquat::app {

using Sinks = std::vector<std::unique_ptr<observe::LogSink>>;

base::Result<Sinks> MakeSinks(const LogOptions& options, const base::Clock& clock);
std::size_t IoThreads(const ServerOptions& options);
net::HttpServerOptions HttpOptions(const ServerOptions& options);
ingress::GrpcSettings GrpcSettings(const Options& options);
// A limit that is too low would otherwise show under load alone.
void ReserveFiles(const ServerOptions& options, observe::Logger& log);
context::MemorySessionStoreOptions SessionBounds(const SessionOptions& options);
// Null where sessions live in memory alone.
base::Result<std::unique_ptr<context::RedisSessionStore>> MakeRedisStore(const SessionOptions& options,
                                                                         const base::Clock& clock, observe::Logger& log,
                                                                         observe::Registry& metrics);
// Without encoders and a reply rule, which need the models.
pipeline::UnderstandSettings Settings(const Options& options, std::shared_ptr<const pipeline::Assistant> assistant);

// "reply.model", for "/reply/model".
std::string KeyOf(std::string_view pointer);
// With the place in the file where the key, or the nearest section around it, was set.
base::Error AtOrigin(base::Error error, const config::Origins& origins);

}  // namespace loquat::app
