// The public services around loquat.v1: health checks (grpc.health.v1), reflection (grpc.reflection.v1, and v1alpha,
// whose messages are the same) and a clear answer to methods that there are not. They take no API key, as probes and
// tools have none.
//
// Reactions run on gRPC's threads, calls on their event loops. The references outlive the service, and it its calls.

#pragma once

#include <grpc/reflection/v1/reflection.pb.h>
#include <grpcpp/generic/async_generic_service.h>

#include <chrono>
#include <string_view>
#include <vector>

#include "ingress/grpc/call.h"
#include "ingress/grpc/stream_call.h"
#include "pipeline/health.h"

namespace loquat::ingress::grpc {

// How soon a watcher hears that this server has become unable to serve, or able again.
inline constexpr std::chrono::milliseconds kHealthWatchPeriod{1000};

class GenericService final : public ::grpc::CallbackGenericService {
 public:
  // `services`: their full names.
  GenericService(const pipeline::Health& health, std::vector<std::string> services, CallShared& shared)
      : health_(health), services_(std::move(services)), shared_(shared) {}

  ::grpc::ServerGenericBidiReactor* CreateReactor(::grpc::GenericCallbackServerContext* grpc) override;

 private:
  bool Knows(std::string_view service) const;
  boost::asio::awaitable<base::Status> Check(StreamCall& call);
  boost::asio::awaitable<base::Status> Watch(StreamCall& call);
  boost::asio::awaitable<base::Status> Reflect(StreamCall& call);

  const pipeline::Health& health_;
  const std::vector<std::string> services_;
  CallShared& shared_;
};

// What reflection answers to one request. Pure but for the descriptors of this program.
void AnswerReflection(const ::grpc::reflection::v1::ServerReflectionRequest& request,
                      const std::vector<std::string>& services,
                      ::grpc::reflection::v1::ServerReflectionResponse& response);

}  // namespace loquat::ingress::grpc
