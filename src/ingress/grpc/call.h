// One gRPC call of any method: the call context made from its metadata, whether it may go on, and at its end the
// trailing metadata, the metrics and a line of log.
//
// A Call belongs to one thread at a time, and is gone before the gRPC context it refers to. CallShared: any thread; it
// outlives every call.

#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <array>
#include <atomic>
#include <string_view>
#include <vector>

#include "base/call_context.h"
#include "base/clock.h"
#include "base/gate.h"
#include "base/result.h"
#include "ingress/grpc/grpc_options.h"
#include "ingress/http/api_keys.h"
#include "net/event_loop.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "observe/trace.h"

namespace loquat::ingress::grpc {

inline constexpr std::string_view kRequestIdKey = "x-request-id";
inline constexpr std::string_view kTraceparentKey = "traceparent";
inline constexpr std::string_view kPriorityKey = "x-priority";
inline constexpr std::chrono::milliseconds kBusyRetryAfter{1000};  // What a refused client is told.

enum class Method : std::uint8_t {
  kUnderstand,
  kStream,
  kStreamInfer,
  kHealthCheck,
  kHealthWatch,
  kReflection,
  kUnknown
};
inline constexpr std::size_t kMethods = 7;
inline constexpr std::size_t kCodes = 17;

// "loquat.v1.Understanding/Understand"
std::string_view MethodName(Method method);

// The handles are taken once, so that a call looks nothing up.
struct MethodMetrics {
  observe::Histogram* seconds = nullptr;
  // Null until a call has ended with the code. Relaxed: everybody who looks it up finds the same counter.
  std::array<std::atomic<observe::Counter*>, kCodes> calls{};
  observe::Counter* messages_in = nullptr;
  observe::Counter* messages_out = nullptr;
  observe::Gauge* active = nullptr;
};

struct CallShared {
  CallShared(GrpcOptions grpc_options, std::vector<ApiKeyOptions> keys, const base::Clock& the_clock,
             observe::Logger& the_log, observe::Registry& metrics, net::EventLoops& the_loops);

  MethodMetrics& of(Method method) { return methods[static_cast<std::size_t>(method)]; }
  void CountCall(Method method, base::Code code);

  const GrpcOptions options;
  const ApiKeys api_keys;
  const base::Clock& clock;
  observe::Logger& log;
  net::EventLoops& loops;
  observe::IdGenerator ids;
  std::array<MethodMetrics, kMethods> methods;
  observe::CounterFamily& calls;
  observe::CounterFamily& refusals;
  base::CancelSource draining;  // Streams end where they wait for their client.
  // Relaxed: bounds that may be off by those who come at the same moment.
  std::atomic<std::size_t> waiting_calls{0};
  std::atomic<std::size_t> streams{0};
  // From when on a cancelled call is one that the drain has cut. Relaxed: written before the calls that look at it.
  std::atomic<base::TimePoint> cut_at{base::TimePoint::max()};
  std::atomic<std::size_t> calls_cut{0};
  base::Gate gate;  // Who is inside refers to this.
};

enum class Access : std::uint8_t { kOpen, kKey };

class Call {
 public:
  // Reads the metadata and looks at the key. `status` says what is wrong, if anything is.
  Call(CallShared& shared, Method method, Access access, ::grpc::CallbackServerContext& grpc);
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  const base::Status& status() const { return status_; }
  const base::CallContext& context() const { return context_; }
  base::CallContext& context() { return context_; }
  CallShared& shared() const { return shared_; }
  MethodMetrics& metrics() { return shared_.of(method_); }
  ::grpc::CallbackServerContext& grpc() { return grpc_; }

  // The end of the call: writes the trailing metadata, the metrics and the log, and says what to finish with. Once.
  ::grpc::Status End(const base::Status& status);

 private:
  base::Status ReadMetadata(Access access);

  const base::Gate::Pass pass_;  // Released last of all.
  CallShared& shared_;
  ::grpc::CallbackServerContext& grpc_;
  const Method method_;
  base::CallContext context_;
  base::Status status_;
};

// resource_exhausted with a reason and when to come back.
base::Error Busy(std::string_view what, std::size_t limit, std::string_view key, std::string_view reason);

}  // namespace loquat::ingress::grpc
