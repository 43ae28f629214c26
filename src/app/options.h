// Everything that can be configured, as one typed tree: the sections of the modules below, under the names that users
// see. Plain values; docs/configuration.md is written from the help texts here.

#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/engine_models.h"
#include "base/result.h"
#include "config/etcd/etcd_options.h"
#include "config/section.h"
#include "context/memory_session_store.h"
#include "context/redis_options.h"
#include "ingress/grpc/grpc_options.h"
#include "ingress/http/router.h"
#include "ingress/http/understand_body.h"
#include "ingress/kafka/kafka_options.h"
#include "ingress/stream/event_log.h"
#include "net/websocket_options.h"
#include "observe/log.h"
#include "pipeline/frame_encoders.h"
#include "pipeline/reply_policy.h"
#include "pipeline/stream/stream_options.h"
#include "response/action_options.h"
#include "response/delivery_policy.h"
#include "text/filters.h"
#include "understanding/turn_end.h"
#include "understanding/understander.h"

namespace loquat::app {

struct TlsOptions {
  std::string listen;
  std::string certificate;
  std::string key;
};
void Declare(config::Section<TlsOptions>& section);

struct TimeoutOptions {
  std::chrono::milliseconds handshake{10'000};
  std::chrono::milliseconds head{10'000};
  std::chrono::milliseconds idle{75'000};
  std::chrono::milliseconds write_stall{30'000};
  std::chrono::milliseconds body_grace{10'000};
};
void Declare(config::Section<TimeoutOptions>& section);

struct ServerOptions {
  std::string listen = "127.0.0.1:8080";
  std::optional<TlsOptions> tls;
  std::size_t io_threads = 0;
  bool pin_io_threads = false;  // Each to a core of its own.
  std::size_t connections_max = 5000;
  std::size_t streams_max = 128;
  std::size_t header_bytes_max = 16 * 1024;
  std::size_t body_bytes_max = std::size_t{1} << 20;
  TimeoutOptions timeouts;
  std::chrono::milliseconds drain_timeout{30'000};
  std::vector<std::string> cors_origins;
  std::vector<ingress::ApiKeyOptions> api_keys;
};
void Declare(config::Section<ServerOptions>& section);

struct ModelOptions {
  std::string name = "assistant";
  std::string path;
  std::string isa;
};
void Declare(config::Section<ModelOptions>& section);

struct StopWordOptions {
  std::vector<std::string> zh;
  std::vector<std::string> en;
};
void Declare(config::Section<StopWordOptions>& section);
// Null without any. Errors: as text::FilterChain::Create.
base::Result<std::shared_ptr<const text::FilterChain>> IntentFilter(const StopWordOptions& options);

struct UnderstandOptions {
  std::size_t text_bytes_max = 16 * 1024;
  std::size_t batch_max = 256;
  std::uint32_t tokens_max = 512;
  understanding::Truncation truncation = understanding::Truncation::kHead;
  std::uint32_t ranking_max = 5;
  float early_risk_max = understanding::UnderstandOptions{}.early_risk_max;
  understanding::TurnEndOptions end_of_turn;
  StopWordOptions stop_words;
};
void Declare(config::Section<UnderstandOptions>& section);

enum class SessionStoreKind : std::uint8_t { kMemory, kRedis };

struct SessionOptions {
  SessionStoreKind store = SessionStoreKind::kMemory;
  context::RedisOptions redis;
  std::chrono::milliseconds ttl = std::chrono::minutes(30);
  std::size_t sessions_max = 100'000;
  std::size_t bytes_max = std::size_t{256} << 20;
};
void Declare(config::Section<SessionOptions>& section);

enum class LogFormat : std::uint8_t { kConsole, kJson };

struct LogFileOptions {
  std::string path;
  std::size_t bytes_max = 200'000'000;
  std::size_t backups = 7;
  std::chrono::hours age_max{24 * 30};
};
void Declare(config::Section<LogFileOptions>& section);

struct LogOptions {
  observe::Level level = observe::Level::kInfo;
  LogFormat format = LogFormat::kConsole;
  std::optional<LogFileOptions> file;
};
void Declare(config::Section<LogOptions>& section);

struct Options {
  ServerOptions server;
  ModelOptions model;
  std::vector<EngineModelOptions> models;
  UnderstandOptions understand;
  pipeline::EncoderOptions encoders;
  pipeline::ReplyPolicy reply;
  SessionOptions sessions;
  response::DeliveryPolicy delivery;
  response::ActionOptions actions;
  pipeline::StreamOptions stream;
  ingress::StreamLogsOptions resume;
  net::WebSocketOptions websocket;
  ingress::GrpcOptions grpc;
  ingress::KafkaOptions kafka;
  LogOptions log;
  config::etcd::EtcdOptions etcd;
};
void Declare(config::Section<Options>& section);

}  // namespace loquat::app
