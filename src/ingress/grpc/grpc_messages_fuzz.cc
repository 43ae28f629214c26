// Any bytes as a message of loquat.v1: it is either taken, and then within every limit, or refused with a code, words
// and a field. The first byte says which message.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/check.h"
#include "base/utf8.h"
#include "ingress/grpc/generic_service.h"
#include "ingress/grpc/infer_messages.h"
#include "ingress/grpc/status.h"
#include "ingress/grpc/stream_messages.h"
#include "ingress/grpc/understand_messages.h"
#include "ingress/grpc/wire.h"
#include "ingress/http/understand_body.h"

namespace loquat::ingress::grpc {
namespace {

constexpr std::size_t kTextBytesMax = 24;
constexpr base::WallTime kNow{std::chrono::seconds(1'763'715'600)};

void Require(bool condition) {
  LOQUAT_CHECK(condition, "a property that holds for any message does not");
}

void CheckRefused(const base::Error& error) {
  Require(!error.message.empty());
  Require(error.code == base::Code::kInvalidArgument || error.code == base::Code::kResourceExhausted);
  Require(error.param.empty() || error.param.starts_with('/'));
  const ::grpc::Status status = ToStatus(error, "id");
  Require(!status.ok() && status.error_message().size() <= 4 * kStatusTextBytesMax);
  for (const auto& [key, value] : ErrorTrailers(error)) {
    for (const char c : value) Require(c >= ' ' && c <= '~');
  }
}

void CheckTaken(const pipeline::UnderstandRequest& request) {
  Require(request.utterance.text.size() <= kTextBytesMax && base::IsValidUtf8(request.utterance.text));
  Require(request.utterance.session.empty() || context::IsValidSessionId(request.utterance.session));
  Require(request.want_intent || request.want_slots || request.want_embedding);
  Require(request.callback_url.size() <= kCallbackUrlBytesMax);
  Require(request.utc_offset_minutes >= -kUtcOffsetMinutesMax && request.utc_offset_minutes <= kUtcOffsetMinutesMax);
}

void Understand(const ::grpc::ByteBuffer& bytes) {
  loquat::v1::UnderstandRequest message;
  pipeline::UnderstandRequest request;
  base::Status read = ReadMessage(bytes, message);
  if (read.has_value()) read = ReadRequest(message, kNow, kTextBytesMax, request);
  if (!read.has_value()) return CheckRefused(read.error());
  CheckTaken(request);
  pipeline::UnderstandAnswer answer;
  loquat::v1::UnderstandResponse response;
  WriteResponse("id", request, answer, response);
  ::grpc::ByteBuffer out;
  WriteMessage(response, out);
  Require(ReadMessage(out, response).has_value() && response.frame().text() == request.utterance.text);
}

void Stream(const ::grpc::ByteBuffer& bytes) {
  loquat::v1::StreamRequest message;
  if (const base::Status read = ReadMessage(bytes, message); !read.has_value()) return CheckRefused(read.error());
  if (!message.has_open()) return;
  const auto open = ReadOpen(message.open(), kTextBytesMax);
  if (!open.has_value()) return CheckRefused(open.error());
  CheckTaken(open->request);
  Require(open->request.utterance.text.empty() && open->turn_timeout.count() <= kTurnTimeoutMsMax);
}

void Infer(const ::grpc::ByteBuffer& bytes) {
  loquat::v1::StreamInferRequest message;
  if (const base::Status read = ReadMessage(bytes, message); !read.has_value()) return CheckRefused(read.error());
  base::Status valid = CheckFirst(message);
  engine::GenerateRequest request;
  if (valid.has_value()) valid = CheckLater(message, message);
  if (valid.has_value()) valid = ReadOptions(message.options(), request);
  // What the model is asked for is within what a model can be asked for, or refused in its turn.
  if (valid.has_value()) valid = engine::ValidateSampling(request.sampling, 256);
  if (!valid.has_value()) return CheckRefused(AtMessage(valid.error()));
  Require(!message.model().empty() && message.model().size() <= kModelNameBytesMax);
  Require(request.stop.size() <= kStopStringsMax && request.tokens_max <= kInferTokensMax);
}

void Reflect(const ::grpc::ByteBuffer& bytes) {
  ::grpc::reflection::v1::ServerReflectionRequest message;
  ::grpc::reflection::v1::ServerReflectionResponse response;
  if (const base::Status read = ReadMessage(bytes, message); !read.has_value()) return CheckRefused(read.error());
  AnswerReflection(message, {"loquat.v1.Understanding"}, response);
  Require(response.message_response_case() !=
          ::grpc::reflection::v1::ServerReflectionResponse::MESSAGE_RESPONSE_NOT_SET);
}

}  // namespace
}  // namespace loquat::ingress::grpc

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  // Malformed text would otherwise be reported on standard error each time.
  google::protobuf::SetLogHandler(nullptr);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace loquat::ingress::grpc;  // NOLINT(tidy): the entry point stands outside.
  if (size == 0) return 0;
  const ::grpc::Slice slice(data + 1, size - 1);
  const ::grpc::ByteBuffer bytes(&slice, 1);
  void (*const kinds[])(const ::grpc::ByteBuffer&) = {Understand, Stream, Infer, Reflect};
  kinds[data[0] % std::size(kinds)](bytes);
  return 0;
}
