#include "ingress/grpc/grpc_server.h"

#include <absl/synchronization/mutex.h>
#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <string>
#include <utility>

#include "base/file.h"
#include "ingress/grpc/call.h"
#include "ingress/grpc/generic_service.h"
#include "ingress/grpc/inference_service.h"
#include "ingress/grpc/understanding_service.h"

namespace loquat::ingress {
namespace {

constexpr std::chrono::milliseconds kKeepaliveTimeout{20'000};  // For the sign of life.
constexpr int kPingStrikesMax = 2;                              // Pings too early, before the connection is cut.
constexpr std::size_t kPemBytesMax = std::size_t{1} << 20;

int Milliseconds(std::chrono::milliseconds duration) {
  return static_cast<int>(duration.count());
}

base::Result<std::string> ReadPem(const std::string& path) {
  auto text = base::ReadFile(path, kPemBytesMax);
  if (!text.has_value()) text.error().message = fmt::format("grpc.tls: {}", text.error().message);
  return text;
}

base::Result<std::shared_ptr<::grpc::ServerCredentials>> Credentials(const std::optional<GrpcTlsOptions>& tls) {
  if (!tls) return ::grpc::InsecureServerCredentials();
  ::grpc::SslServerCredentialsOptions options(tls->client_ca.empty()
                                                  ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                                  : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  ::grpc::SslServerCredentialsOptions::PemKeyCertPair pair;
  LOQUAT_ASSIGN(pair.cert_chain, ReadPem(tls->certificate));
  LOQUAT_ASSIGN(pair.private_key, ReadPem(tls->key));
  options.pem_key_cert_pairs.push_back(std::move(pair));
  if (!tls->client_ca.empty()) {
    LOQUAT_ASSIGN(options.pem_root_certs, ReadPem(tls->client_ca));
  }
  return ::grpc::SslServerCredentials(options);
}

// What the libraries below do for their own developers. They print to standard error what clients do wrong, which every
// call's own status says better, and Debian's Abseil looks for deadlocks at each lock, which is 3 % of a call.
void SilenceLibraries() {
  gpr_set_log_function([](gpr_log_func_args*) {});
  google::protobuf::SetLogHandler(nullptr);
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
}

void SetLimits(const GrpcSettings& settings, ::grpc::ServerBuilder& builder) {
  const GrpcOptions& options = settings.options;
  builder.SetMaxReceiveMessageSize(static_cast<int>(options.message_bytes_max));
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, static_cast<int>(options.metadata_bytes_max));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, static_cast<int>(options.connection_streams_max));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(options.keepalive));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(kKeepaliveTimeout));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             Milliseconds(options.ping_interval_min));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, kPingStrikesMax);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, Milliseconds(settings.handshake));
  // Messages are small, and a compressed one is unpacked before anybody looks at its size.
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  // A port that is taken is an error, not a share of its connections.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Introspection that nobody asks for here costs every call.
  builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
  ::grpc::ResourceQuota quota("loquat");
  quota.Resize(options.memory_bytes_max);
  builder.SetResourceQuota(quota);
}

}  // namespace

struct GrpcServer::Parts {
  Parts(GrpcSettings settings, const GrpcParts& parts)
      : shared(std::move(settings.options), std::move(settings.api_keys), parts.clock, parts.log, parts.metrics,
               parts.loops),
        understanding(parts.understand, parts.streams, parts.callbacks,
                      {.text_bytes_max = settings.text_bytes_max, .sessions_at_once = settings.sessions_at_once},
                      shared),
        inference(parts.generate, shared),
        others(parts.health,
               {loquat::v1::Understanding::service_full_name(), loquat::v1::Inference::service_full_name(),
                "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"},
               shared) {}

  grpc::CallShared shared;
  grpc::UnderstandingService understanding;
  grpc::InferenceService inference;
  grpc::GenericService others;
  std::unique_ptr<::grpc::Server> server;
  int port = 0;
};

GrpcServer::GrpcServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

base::Result<std::unique_ptr<GrpcServer>> GrpcServer::Start(GrpcSettings settings, const GrpcParts& given) {
  SilenceLibraries();
  LOQUAT_ASSIGN(auto credentials, Credentials(settings.options.tls));
  ::grpc::ServerBuilder builder;
  SetLimits(settings, builder);
  const std::string address = settings.options.listen;
  auto parts = std::make_unique<Parts>(std::move(settings), given);
  builder.AddListeningPort(address, std::move(credentials), &parts->port);
  builder.RegisterService(&parts->understanding);
  builder.RegisterService(&parts->inference);
  builder.RegisterCallbackGenericService(&parts->others);
  parts->server = builder.BuildAndStart();
  if (parts->server == nullptr) {
    return base::Error{.code = base::Code::kUnavailable,
                       .message = fmt::format("cannot serve gRPC on {}: the address is in use or not of this machine, "
                                              "or the certificate is none (grpc.listen, grpc.tls)",
                                              address),
                       .param = "/grpc/listen"};
  }
  return std::unique_ptr<GrpcServer>(new GrpcServer(std::move(parts)));
}

GrpcServer::~GrpcServer() {
  // Without any time left every call is cancelled, and this returns when gRPC has let go of all of them.
  parts_->server->Shutdown(std::chrono::system_clock::now());
  parts_->shared.gate.Close();
  (void)parts_->shared.gate.WaitUntilEmpty();
}

std::uint16_t GrpcServer::port() const {
  return static_cast<std::uint16_t>(parts_->port > 0 ? parts_->port : 0);
}

std::size_t GrpcServer::Drain(std::chrono::milliseconds timeout) {
  grpc::CallShared& shared = parts_->shared;
  shared.cut_at.store(shared.clock.Now() + timeout, std::memory_order_relaxed);
  shared.draining.Cancel();
  // Returns when every call has ended, by itself or because the time was up.
  parts_->server->Shutdown(std::chrono::system_clock::now() + timeout);
  return shared.calls_cut.load(std::memory_order_relaxed);
}

}  // namespace loquat::ingress
