// loquat.v1.Understanding. Where nothing on the road can wait, a unary call runs to its end on gRPC's own thread; else
// on an event loop, to which it is handed over.
//
// Reactions run on gRPC's threads. The references outlive the service, and it outlives its calls.

#pragma once

#include <loquat/v1/understanding.grpc.pb.h>

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

#include "base/object_pool.h"
#include "ingress/grpc/call.h"
#include "ingress/grpc/stream_call.h"
#include "ingress/grpc/understand_messages.h"
#include "pipeline/callbacks.h"
#include "pipeline/stream/understand_stream.h"
#include "pipeline/understand.h"

namespace loquat::ingress::grpc {

struct UnderstandingOptions {
  std::size_t text_bytes_max = 16 * 1024;
  // The session store answers at once and on any thread: a call may stay on gRPC's thread.
  bool sessions_at_once = true;
};

using UnderstandingBase = loquat::v1::Understanding::WithRawCallbackMethod_Understand<
    loquat::v1::Understanding::WithRawCallbackMethod_Stream<loquat::v1::Understanding::Service>>;

class UnderstandingService final : public UnderstandingBase {
 public:
  UnderstandingService(pipeline::UnderstandPipeline& pipeline, pipeline::UnderstandStreams& streams,
                       pipeline::Callbacks& callbacks, const UnderstandingOptions& options, CallShared& shared);
  ~UnderstandingService() override;

  ::grpc::ServerUnaryReactor* Understand(::grpc::CallbackServerContext* grpc, const ::grpc::ByteBuffer* request,
                                         ::grpc::ByteBuffer* response) override;
  BidiReactor* Stream(::grpc::CallbackServerContext* grpc) override;

 private:
  // What a call needs and gives back: messages and buffers keep their memory from call to call.
  struct Memory {
    loquat::v1::UnderstandRequest message_in;
    pipeline::UnderstandRequest request;
    pipeline::UnderstandAnswer answer;
    loquat::v1::UnderstandResponse message_out;
    boost::asio::io_context here{1};  // Runs a call that waits for nothing.
    std::size_t bytes = 0;            // Of the message that it holds.
  };
  class WaitingCall;

  // As a memory goes back to the pool.
  static void Forget(Memory& memory);
  // Answers, or promises an answer by callback: then `delivery_id` is that of the promise.
  boost::asio::awaitable<base::Status> Answer(const base::CallContext& call, Memory& memory, std::string& delivery_id);
  // On this thread, to the end.
  base::Status RunHere(const base::CallContext& call, Memory& memory);
  base::Status Read(const ::grpc::ByteBuffer& buffer, Memory& memory) const;
  static void Write(const base::CallContext& call, Memory& memory, ::grpc::ByteBuffer& buffer);
  static void WriteTicket(const base::CallContext& call, const std::string& delivery_id, Memory& memory,
                          ::grpc::ByteBuffer& buffer);

  pipeline::UnderstandPipeline& pipeline_;
  pipeline::UnderstandStreams& streams_;
  pipeline::Callbacks& callbacks_;
  const UnderstandingOptions options_;
  CallShared& shared_;
  base::SharedObjectPool<Memory> memories_;
};

}  // namespace loquat::ingress::grpc
