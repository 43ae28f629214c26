#include "ingress/grpc/understanding_service.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <optional>
#include <utility>

#include "base/cancel.h"
#include "ingress/grpc/understanding_stream.h"
#include "ingress/grpc/wire.h"
#include "ingress/http/understand_work.h"

namespace loquat::ingress::grpc {
namespace {

constexpr std::size_t kIdleMemoriesMax = 64;
// What a message may leave behind in the pool; a larger one takes its memory with it.
constexpr std::size_t kKeptBytesMax = 64 * 1024;

}  // namespace

// A call on an event loop. Owned by gRPC until OnDone; the coroutine lets go of it before it finishes the call.
class UnderstandingService::WaitingCall final : public ::grpc::ServerUnaryReactor {
 public:
  WaitingCall(UnderstandingService& service, std::unique_ptr<Call> call, decltype(memories_.Acquire()) memory,
              ::grpc::ByteBuffer& response)
      : service_(service), call_(std::move(call)), memory_(std::move(memory)), response_(response) {
    call_->context().cancel = cancel_.token();
  }

  boost::asio::awaitable<void> Run() {
    std::string delivery_id;
    const base::Status status = co_await service_.Answer(call_->context(), *memory_, delivery_id);
    if (status.has_value()) {
      call_->metrics().messages_out->Increment();
      if (delivery_id.empty()) {
        Write(call_->context(), *memory_, response_);
      } else {
        WriteTicket(call_->context(), delivery_id, *memory_, response_);
      }
    }
    ::grpc::Status end = call_->End(status);
    memory_.reset();
    // Once the call is finished gRPC may destroy it at any time.
    Finish(std::move(end));
  }

 private:
  void OnCancel() override { cancel_.Cancel(); }
  void OnDone() override {
    service_.shared_.waiting_calls.fetch_sub(1, std::memory_order_relaxed);
    delete this;
  }

  UnderstandingService& service_;
  const std::unique_ptr<Call> call_;
  base::CancelSource cancel_;
  decltype(memories_.Acquire()) memory_;
  ::grpc::ByteBuffer& response_;
};

UnderstandingService::UnderstandingService(pipeline::UnderstandPipeline& pipeline, pipeline::UnderstandStreams& streams,
                                           pipeline::Callbacks& callbacks, const UnderstandingOptions& options,
                                           CallShared& shared)
    : pipeline_(pipeline),
      streams_(streams),
      callbacks_(callbacks),
      options_(options),
      shared_(shared),
      memories_(
          kIdleMemoriesMax, [] { return std::make_unique<Memory>(); }, &Forget) {}

UnderstandingService::~UnderstandingService() = default;

void UnderstandingService::Forget(Memory& memory) {
  if (memory.bytes <= kKeptBytesMax) return;
  loquat::v1::UnderstandRequest().Swap(&memory.message_in);
  loquat::v1::UnderstandResponse().Swap(&memory.message_out);
  memory.request = {};
  memory.bytes = 0;
}

base::Status UnderstandingService::Read(const ::grpc::ByteBuffer& buffer, Memory& memory) const {
  memory.bytes = buffer.Length();
  LOQUAT_TRY(ReadMessage(buffer, memory.message_in));
  return ReadRequest(memory.message_in, shared_.clock.WallNow(), options_.text_bytes_max, memory.request);
}

void UnderstandingService::Write(const base::CallContext& call, Memory& memory, ::grpc::ByteBuffer& buffer) {
  memory.message_out.Clear();
  WriteResponse(call.request_id, memory.request, memory.answer, memory.message_out);
  WriteMessage(memory.message_out, buffer);
}

void UnderstandingService::WriteTicket(const base::CallContext& call, const std::string& delivery_id, Memory& memory,
                                       ::grpc::ByteBuffer& buffer) {
  memory.message_out.Clear();
  memory.message_out.set_id(call.request_id);
  WriteDelivery(memory.answer.delivery, *memory.message_out.mutable_delivery());
  memory.message_out.mutable_delivery()->set_id(delivery_id);
  WriteMessage(memory.message_out, buffer);
}

// As POST /v1/understand: nothing is understood before a callback that was asked for is promised; the policy has to see
// the intent first; what is out of time may be promised too.
boost::asio::awaitable<base::Status> UnderstandingService::Answer(const base::CallContext& call, Memory& memory,
                                                                  std::string& delivery_id) {
  const pipeline::UnderstandRequest& request = memory.request;
  domain::Delivery& delivery = memory.answer.delivery;
  const bool may_promise = callbacks_.available() && !request.callback_url.empty();
  base::Status done;
  if (may_promise && request.delivery == domain::DeliveryMode::kCallback) {
    delivery = {.mode = domain::DeliveryMode::kCallback, .reason = "asked for by the request"};
  } else {
    done = co_await pipeline_.Run(call, request, memory.answer);
    const bool late = !done.has_value() && done.error().code == base::Code::kDeadlineExceeded;
    if (late && may_promise && !request.delivery) {
      delivery = {.mode = domain::DeliveryMode::kCallback, .reason = "out of time"};
      done = {};
    }
  }
  if (!done.has_value() || delivery.mode != domain::DeliveryMode::kCallback) co_return done;
  auto promised =
      co_await callbacks_.Promise(call, call.request_id, request.callback_url, EncodeUnderstandWork(request));
  if (!promised.has_value()) co_return std::move(promised).error();
  delivery_id = std::move(*promised);
  co_return base::Status();
}

base::Status UnderstandingService::RunHere(const base::CallContext& call, Memory& memory) {
  std::optional<base::Status> status;
  memory.here.restart();
  boost::asio::co_spawn(memory.here, pipeline_.Run(call, memory.request, memory.answer),
                        [&status](const std::exception_ptr& thrown, base::Status ran) {
                          if (thrown) std::rethrow_exception(thrown);
                          status.emplace(std::move(ran));
                        });
  // Where a reload has just given the road something to wait for, this thread waits with this one call.
  memory.here.run();
  return std::move(*status);
}

::grpc::ServerUnaryReactor* UnderstandingService::Understand(::grpc::CallbackServerContext* grpc,
                                                             const ::grpc::ByteBuffer* request,
                                                             ::grpc::ByteBuffer* response) {
  auto call = std::make_unique<Call>(shared_, Method::kUnderstand, Access::kKey, *grpc);
  call->metrics().messages_in->Increment();
  auto memory = memories_.Acquire();
  base::Status status = call->status();
  if (status.has_value()) status = Read(*request, *memory);
  const bool waits = pipeline_.may_wait() || !options_.sessions_at_once || !memory->request.callback_url.empty();
  if (status.has_value() && waits) {
    if (shared_.waiting_calls.fetch_add(1, std::memory_order_relaxed) < shared_.options.calls_max) {
      net::EventLoop& loop = shared_.loops.Next();
      auto* waiting = new WaitingCall(*this, std::move(call), std::move(memory), *response);
      boost::asio::co_spawn(loop.executor(), waiting->Run(), boost::asio::detached);
      return waiting;
    }
    shared_.waiting_calls.fetch_sub(1, std::memory_order_relaxed);
    status = Busy("calls", shared_.options.calls_max, "grpc.calls_max", "too_many_calls");
  }
  if (status.has_value()) status = RunHere(call->context(), *memory);
  if (status.has_value()) Write(call->context(), *memory, *response);
  if (status.has_value()) call->metrics().messages_out->Increment();
  ::grpc::ServerUnaryReactor* reactor = grpc->DefaultReactor();
  reactor->Finish(call->End(status));
  return reactor;
}

BidiReactor* UnderstandingService::Stream(::grpc::CallbackServerContext* grpc) {
  return StreamCall::Start(shared_, Method::kStream, Access::kKey, *grpc,
                           [this](StreamCall& call) -> boost::asio::awaitable<base::Status> {
                             UnderstandingStream stream(streams_, call, options_.text_bytes_max);
                             co_return co_await stream.Run();
                           });
}

}  // namespace loquat::ingress::grpc
