#include "ingress/grpc/wire.h"

#include <fmt/format.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/slice.h>

#include <cstdint>

namespace loquat::ingress::grpc {
namespace {

base::Error Malformed(const google::protobuf::MessageLite& message) {
  return {.code = base::Code::kInvalidArgument,
          .message = fmt::format("this is no {}, or a text in it is not UTF-8; the .proto files are in proto/",
                                 message.GetTypeName()),
          .reason = "malformed_message"};
}

}  // namespace

base::Status ReadMessage(const ::grpc::ByteBuffer& buffer, google::protobuf::MessageLite& message) {
  message.Clear();
  // A message without a field has no bytes, and may come as no buffer at all.
  if (!buffer.Valid() || buffer.Length() == 0) return {};
  ::grpc::Slice slice;
  bool parsed = false;
  if (buffer.TrySingleSlice(&slice).ok()) {
    parsed = message.ParseFromArray(slice.begin(), static_cast<int>(slice.size()));
  } else {
    // The reader takes a pointer that is not const and changes nothing in what it points to.
    ::grpc::ByteBuffer copy(buffer);
    ::grpc::ProtoBufferReader reader(&copy);
    parsed = reader.status().ok() && message.ParseFromZeroCopyStream(&reader);
  }
  if (!parsed) return Malformed(message);
  return {};
}

void WriteMessage(const google::protobuf::MessageLite& message, ::grpc::ByteBuffer& buffer) {
  ::grpc::Slice slice(message.ByteSizeLong());
  message.SerializeWithCachedSizesToArray(const_cast<std::uint8_t*>(slice.begin()));
  ::grpc::ByteBuffer made(&slice, 1);
  buffer.Swap(&made);
}

}  // namespace loquat::ingress::grpc
