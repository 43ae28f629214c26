// loquat.v1.Inference: a sequence of tokens that client and model write by turns.
//
// Reactions run on gRPC's threads, the turns of a call on its event loop. The references outlive the service, and it
// outlives its calls.

#pragma once

#include <loquat/v1/inference.grpc.pb.h>

#include "ingress/grpc/call.h"
#include "ingress/grpc/infer_sequences.h"
#include "ingress/grpc/stream_call.h"
#include "pipeline/generate.h"

namespace loquat::ingress::grpc {

class InferenceService final
    : public loquat::v1::Inference::WithRawCallbackMethod_StreamInfer<loquat::v1::Inference::Service> {
 public:
  InferenceService(pipeline::GenerateUseCase& generate, CallShared& shared) : generate_(generate), shared_(shared) {}

  BidiReactor* StreamInfer(::grpc::CallbackServerContext* grpc) override;

 private:
  class Stream;

  pipeline::GenerateUseCase& generate_;
  CallShared& shared_;
  InferSequences sequences_;
};

}  // namespace loquat::ingress::grpc
