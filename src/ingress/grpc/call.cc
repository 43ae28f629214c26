#include "ingress/grpc/call.h"

#include <fmt/format.h>

#include <chrono>
#include <map>
#include <string>
#include <utility>

#include "ingress/grpc/status.h"

namespace loquat::ingress::grpc {
namespace {

using ClientMetadata = std::multimap<::grpc::string_ref, ::grpc::string_ref>;

// A view without data where there is none, as HttpRequest::Header.
std::string_view Find(const ClientMetadata& metadata, std::string_view key) {
  const auto found = metadata.find(::grpc::string_ref(key.data(), key.size()));
  if (found == metadata.end()) return {};
  return {found->second.data(), found->second.size()};
}

// gRPC keeps deadlines by the wall clock; ours are of the steady one. `max` is what it gives for a call without.
base::Deadline DeadlineOf(const ::grpc::ServerContextBase& grpc, const base::Clock& clock) {
  const std::chrono::system_clock::time_point at = grpc.deadline();
  if (at == std::chrono::system_clock::time_point::max()) return {};
  const auto left = at - std::chrono::system_clock::now();
  if (left > std::chrono::hours(24)) return {};
  return base::Deadline(clock.Now() + std::chrono::duration_cast<base::Duration>(left));
}

}  // namespace

std::string_view MethodName(Method method) {
  constexpr std::array<std::string_view, kMethods> kNames = {"loquat.v1.Understanding/Understand",
                                                             "loquat.v1.Understanding/Stream",
                                                             "loquat.v1.Inference/StreamInfer",
                                                             "grpc.health.v1.Health/Check",
                                                             "grpc.health.v1.Health/Watch",
                                                             "grpc.reflection/ServerReflectionInfo",
                                                             "none"};
  return kNames[static_cast<std::size_t>(method)];
}

CallShared::CallShared(GrpcOptions grpc_options, std::vector<ApiKeyOptions> keys, const base::Clock& the_clock,
                       observe::Logger& the_log, observe::Registry& metrics, net::EventLoops& the_loops)
    : options(std::move(grpc_options)),
      api_keys(std::move(keys)),
      clock(the_clock),
      log(the_log),
      loops(the_loops),
      calls(metrics.AddCounterFamily("loquat_grpc_calls_total", "gRPC calls that have ended.", {"method", "code"})),
      refusals(metrics.AddCounterFamily("loquat_grpc_refusals_total", "gRPC calls refused or failed, by reason.",
                                        {"code", "reason"})) {
  auto& seconds = metrics.AddHistogramFamily("loquat_grpc_call_duration_seconds",
                                             "From the arrival of a gRPC call to its end.", {"method"});
  auto& messages =
      metrics.AddCounterFamily("loquat_grpc_messages_total", "Messages of gRPC calls.", {"method", "direction"});
  auto& active_calls = metrics.AddGaugeFamily("loquat_grpc_active_calls", "gRPC calls under way.", {"method"});
  for (std::size_t i = 0; i < kMethods; ++i) {
    const std::string_view name = MethodName(static_cast<Method>(i));
    methods[i].seconds = &seconds.With({name});
    methods[i].messages_in = &messages.With({name, "in"});
    methods[i].messages_out = &messages.With({name, "out"});
    methods[i].active = &active_calls.With({name});
  }
}

void CallShared::CountCall(Method method, base::Code code) {
  std::atomic<observe::Counter*>& known = of(method).calls[static_cast<std::size_t>(code)];
  observe::Counter* counter = known.load(std::memory_order_relaxed);
  if (counter == nullptr) {
    counter = &calls.With({MethodName(method), base::CodeName(code)});
    known.store(counter, std::memory_order_relaxed);
  }
  counter->Increment();
}

Call::Call(CallShared& shared, Method method, Access access, ::grpc::CallbackServerContext& grpc)
    : pass_(shared.gate.Enter()), shared_(shared), grpc_(grpc), method_(method) {
  context_.received_at = shared.clock.Now();
  metrics().active->Add(1);
  status_ = ReadMetadata(access);
}

Call::~Call() {
  metrics().active->Add(-1);
}

base::Status Call::ReadMetadata(Access access) {
  const ClientMetadata& metadata = grpc_.client_metadata();
  const std::string_view request_id = Find(metadata, kRequestIdKey);
  context_.request_id = observe::IsValidRequestId(request_id) ? std::string(request_id) : shared_.ids.RequestId();
  context_.trace =
      observe::StartTrace(Find(metadata, kTraceparentKey), Find(metadata, "tracestate"), false, shared_.ids);
  context_.deadline = DeadlineOf(grpc_, shared_.clock);
  const std::string_view priority = Find(metadata, kPriorityKey);
  if (priority == "batch") {
    context_.priority = base::Priority::kBatch;
  } else if (priority.data() != nullptr && priority != "interactive") {
    return base::InvalidArgument(fmt::format("the metadata {} is \"interactive\" or \"batch\"", kPriorityKey),
                                 std::string(kPriorityKey));
  }
  if (access == Access::kKey) {
    LOQUAT_ASSIGN(const std::string_view tenant,
                  shared_.api_keys.Authenticate(Find(metadata, "authorization"), Find(metadata, "x-api-key")));
    context_.tenant = tenant;
  }
  return {};
}

::grpc::Status Call::End(const base::Status& status) {
  const base::TimePoint now = shared_.clock.Now();
  const base::Duration elapsed = now - context_.received_at;
  const base::Code code = status.has_value() ? base::Code::kOk : status.error().code;
  metrics().seconds->Observe(std::chrono::duration<double>(elapsed).count());
  shared_.CountCall(method_, code);
  grpc_.AddTrailingMetadata(std::string(kRequestIdKey), context_.request_id);
  grpc_.AddTrailingMetadata(std::string(kTraceparentKey), observe::FormatTraceparent(context_.trace));
  if (code == base::Code::kCancelled && now >= shared_.cut_at.load(std::memory_order_relaxed)) {
    shared_.calls_cut.fetch_add(1, std::memory_order_relaxed);
  }
  if (!status.has_value()) {
    shared_.refusals.With({base::CodeName(code), status.error().reason}).Increment();
    for (auto& [key, value] : ErrorTrailers(status.error())) grpc_.AddTrailingMetadata(key, value);
  }
  const bool severe = code == base::Code::kInternal || code == base::Code::kUnknown || code == base::Code::kDataLoss;
  const observe::Level level = severe ? observe::Level::kWarn : observe::Level::kDebug;
  if (shared_.log.Enabled(level)) {
    shared_.log.Log(level, &context_, "call",
                    {{"method", MethodName(method_)},
                     {"code", base::CodeName(code)},
                     {"us", std::chrono::duration_cast<std::chrono::microseconds>(elapsed).count()},
                     {"tenant", context_.tenant},
                     {"error", status.has_value() ? std::string_view() : std::string_view(status.error().message)}});
  }
  return status.has_value() ? ::grpc::Status::OK : ToStatus(status.error(), context_.request_id);
}

base::Error Busy(std::string_view what, std::size_t limit, std::string_view key, std::string_view reason) {
  return {.code = base::Code::kResourceExhausted,
          .message = fmt::format("this server has {} {} under way, which is its limit ({}); try again later", limit,
                                 what, key),
          .reason = std::string(reason),
          .retry_after = kBusyRetryAfter};
}

}  // namespace loquat::ingress::grpc
