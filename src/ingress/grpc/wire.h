// Messages to gRPC's byte buffers and back. Methods are registered raw, so that what is no message gets a status that
// says so (the typed interface answers UNIMPLEMENTED without a word), and so that messages come from pools of ours.
//
// Pure functions; the buffers are one thread's at a time.

#pragma once

#include <google/protobuf/message_lite.h>
#include <grpcpp/support/byte_buffer.h>

#include "base/result.h"

namespace loquat::ingress::grpc {

// Fills `message`, which is cleared first and keeps its memory. invalid_argument "malformed_message" for bytes that are
// none of its kind, and for text in it that is not UTF-8.
base::Status ReadMessage(const ::grpc::ByteBuffer& buffer, google::protobuf::MessageLite& message);

// One piece of memory for the whole message.
void WriteMessage(const google::protobuf::MessageLite& message, ::grpc::ByteBuffer& buffer);

}  // namespace loquat::ingress::grpc
