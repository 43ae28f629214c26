#include "app/server_options.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <thread>
#include <utility>

#include "app/open_files.h"
#include "ingress/http/error_body.h"
#include "observe/rotating_file.h"

namespace loquat::app {

base::Result<Sinks> MakeSinks(const LogOptions& options, const base::Clock& clock) {
  Sinks sinks;
  const auto format = options.format == LogFormat::kJson ? observe::LogFormat::kJson : observe::LogFormat::kConsole;
  const bool colour = observe::DescriptorSink::WantsColour(STDERR_FILENO, std::getenv("NO_COLOR") != nullptr);
  sinks.push_back(std::make_unique<observe::DescriptorSink>(STDERR_FILENO, format, colour));
  if (options.file) {
    const observe::RotationOptions rotation{
        .bytes_max = options.file->bytes_max, .backups_max = options.file->backups, .age_max = options.file->age_max};
    LOQUAT_ASSIGN(auto file,
                  observe::RotatingFileSink::Open(options.file->path, observe::LogFormat::kJson, rotation, clock));
    sinks.push_back(std::move(file));
  }
  return sinks;
}

std::size_t IoThreads(const ServerOptions& options) {
  if (options.io_threads > 0) return options.io_threads;
  return std::max<std::size_t>(1, std::thread::hardware_concurrency() / 2);
}

net::HttpServerOptions HttpOptions(const ServerOptions& options) {
  net::HttpServerOptions http{.connections_max = options.connections_max, .body_bytes_max = options.body_bytes_max};
  http.http1.head_bytes_max = options.header_bytes_max;
  http.http2.streams_max = static_cast<std::uint32_t>(options.streams_max);
  http.http2.header_list_bytes_max = static_cast<std::uint32_t>(options.header_bytes_max);
  http.timeouts.handshake = options.timeouts.handshake;
  http.timeouts.head = options.timeouts.head;
  http.timeouts.idle = options.timeouts.idle;
  http.timeouts.write_stall = options.timeouts.write_stall;
  http.timeouts.body_grace = options.timeouts.body_grace;
  http.format_error = [](int, const base::Error& error) { return ingress::ErrorBody(error, {}); };
  return http;
}

ingress::GrpcSettings GrpcSettings(const Options& options) {
  ingress::GrpcSettings settings{.options = options.grpc,
                                 .api_keys = options.server.api_keys,
                                 .text_bytes_max = options.understand.text_bytes_max,
                                 .handshake = options.server.timeouts.handshake};
  if (settings.options.tls && settings.options.tls->certificate.empty()) {
    settings.options.tls->certificate = options.server.tls->certificate;
    settings.options.tls->key = options.server.tls->key;
  }
  return settings;
}

void ReserveFiles(const ServerOptions& options, observe::Logger& log) {
  const std::size_t needed = options.connections_max + kOtherFilesMax;
  const std::size_t limit = RaiseOpenFilesLimit(needed);
  if (limit >= needed) return;
  log.Warn("fewer files may be open than server.connections_max needs; raise the hard limit (ulimit -Hn)",
           {{"limit", limit}, {"needed", needed}});
}

std::string KeyOf(std::string_view pointer) {
  std::string key(pointer.substr(pointer.starts_with('/') ? 1 : 0));
  std::ranges::replace(key, '/', '.');
  return key;
}

base::Error AtOrigin(base::Error error, const config::Origins& origins) {
  const std::string key = KeyOf(error.param);
  const auto origin = std::ranges::find_if(origins, [&key](const auto& entry) {
    return entry.first == key || entry.first.starts_with(key + ".") || key.starts_with(entry.first + ".");
  });
  const std::string place = origin == origins.end() ? "" : origin->second + ": ";
  error.message = fmt::format("{}{}: {}", place, key, error.message);
  return error;
}

pipeline::UnderstandSettings Settings(const Options& options, std::shared_ptr<const pipeline::Assistant> assistant) {
  return {.assistant = std::move(assistant),
          .delivery = options.delivery,
          .tokens_max = options.understand.tokens_max,
          .truncation = options.understand.truncation,
          .ranking_max = options.understand.ranking_max,
          .early_risk_max = options.understand.early_risk_max,
          .end_of_turn = options.understand.end_of_turn,
          .intent_filter = IntentFilter(options.understand.stop_words).value()};
}

context::MemorySessionStoreOptions SessionBounds(const SessionOptions& options) {
  return {.ttl = options.ttl, .sessions_max = options.sessions_max, .bytes_max = options.bytes_max};
}

base::Result<std::unique_ptr<context::RedisSessionStore>> MakeRedisStore(const SessionOptions& options,
                                                                         const base::Clock& clock, observe::Logger& log,
                                                                         observe::Registry& metrics) {
  if (options.store != SessionStoreKind::kRedis) return nullptr;
  LOQUAT_ASSIGN(net::RedisClientOptions client, context::ClientOptions(options.redis));
  const context::RedisSessionStoreOptions store{
      .redis = {.client = std::move(client), .prefix = options.redis.prefix, .ttl = options.ttl},
      .memory = SessionBounds(options),
      .turns_max = pipeline::kSessionTurnsMax,
      .fallback = options.redis.fallback};
  return std::make_unique<context::RedisSessionStore>(store, clock, log, metrics);
}

}  // namespace loquat::app
