#include "ingress/grpc/generic_service.h"

#include <fmt/format.h>
#include <grpc/health/v1/health.pb.h>

#include <algorithm>
#include <functional>
#include <string>
#include <utility>

namespace loquat::ingress::grpc {
namespace {

using boost::asio::awaitable;
using ::grpc::health::v1::HealthCheckRequest;
using ::grpc::health::v1::HealthCheckResponse;

// The one message of a unary request.
awaitable<base::Status> ReadOne(StreamCall& call, google::protobuf::MessageLite& message) {
  LOQUAT_CO_ASSIGN(const Heard heard, co_await call.Read(message));
  if (heard == Heard::kMessage) co_return base::Status();
  co_return base::InvalidArgument("the call ended before its message");
}

}  // namespace

::grpc::ServerGenericBidiReactor* GenericService::CreateReactor(::grpc::GenericCallbackServerContext* grpc) {
  const std::string& path = grpc->method();
  Method method = Method::kUnknown;
  awaitable<base::Status> (GenericService::*serve)(StreamCall&) = nullptr;
  if (path == "/grpc.health.v1.Health/Check") {
    method = Method::kHealthCheck;
    serve = &GenericService::Check;
  } else if (path == "/grpc.health.v1.Health/Watch") {
    method = Method::kHealthWatch;
    serve = &GenericService::Watch;
  } else if (path == "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo" ||
             path == "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo") {
    method = Method::kReflection;
    serve = &GenericService::Reflect;
  } else {
    return StreamCall::Refuse(shared_, *grpc,
                              {.code = base::Code::kUnimplemented,
                               .message = "there is no such method; reflection lists what there is",
                               .reason = "no_method"});
  }
  return StreamCall::Start(shared_, method, Access::kOpen, *grpc, std::bind_front(serve, this));
}

bool GenericService::Knows(std::string_view service) const {
  return service.empty() || std::ranges::find(services_, service) != services_.end();
}

awaitable<base::Status> GenericService::Check(StreamCall& call) {
  HealthCheckRequest request;
  LOQUAT_CO_TRY(co_await ReadOne(call, request));
  if (!Knows(request.service())) {
    co_return base::Error{.code = base::Code::kNotFound,
                          .message = "there is no such service here; ask about \"\" or one that reflection lists",
                          .reason = "no_service",
                          .param = "/service"};
  }
  HealthCheckResponse response;
  const bool serving = health_.Ready().has_value() && !call.draining();
  response.set_status(serving ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING);
  call.Send(response);
  co_return base::Status();
}

// A client that does not know the service is told so, and goes on watching (the protocol's rule).
awaitable<base::Status> GenericService::Watch(StreamCall& call) {
  HealthCheckRequest request;
  LOQUAT_CO_TRY(co_await ReadOne(call, request));
  HealthCheckResponse response;
  for (bool first = true;; first = false) {
    HealthCheckResponse::ServingStatus status = HealthCheckResponse::SERVICE_UNKNOWN;
    if (Knows(request.service())) {
      const bool serving = health_.Ready().has_value() && !call.draining();
      status = serving ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
    }
    if (first || status != response.status()) {
      response.set_status(status);
      LOQUAT_CO_TRY(co_await call.Write(response));
    }
    if (call.draining()) co_return base::Error(StoppingStream());
    LOQUAT_CO_TRY(co_await call.Pause(shared_.clock.Now() + kHealthWatchPeriod));
  }
}

awaitable<base::Status> GenericService::Reflect(StreamCall& call) {
  ::grpc::reflection::v1::ServerReflectionRequest request;
  ::grpc::reflection::v1::ServerReflectionResponse response;
  for (;;) {
    LOQUAT_CO_ASSIGN(const Heard heard, co_await call.Read(request));
    if (heard == Heard::kEnd) co_return base::Status();
    response.Clear();
    AnswerReflection(request, services_, response);
    LOQUAT_CO_TRY(co_await call.Write(response));
  }
}

}  // namespace loquat::ingress::grpc
