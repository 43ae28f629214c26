// A C++ client that walks through the API once: every method, an error with its details, a deadline, a cancelled call.
//
//   grpc_check ADDRESS MODEL
//
// Says what it did, a line each; exit code 1 at the first thing that is not as it should be.

#include <google/rpc/error.pb.h>
#include <grpc/health/v1/health.grpc.pb.h>
#include <grpcpp/grpcpp.h>
#include <loquat/v1/inference.grpc.pb.h>
#include <loquat/v1/understanding.grpc.pb.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

namespace {

namespace v1 = loquat::v1;

void Expect(bool holds, const char* what) {
  std::printf("%s: %s\n", holds ? "ok" : "FAILED", what);
  if (!holds) std::exit(1);
}

void CheckUnderstand(v1::Understanding::Stub& stub) {
  v1::UnderstandRequest request;
  request.set_text("play some jazz");
  request.set_session("cpp");
  request.set_reply(true);
  v1::UnderstandResponse response;
  grpc::ClientContext context;
  context.AddMetadata("x-request-id", "cpp-1");
  const grpc::Status status = stub.Understand(&context, request, &response);
  Expect(status.ok(), "Understand answers");
  Expect(response.id() == "cpp-1" && response.session().turn() == 1, "the id and the session are ours");
  Expect(response.frame().intent_ranking_size() > 0 && !response.reply().text().empty(),
         "there are intents and a reply");
  Expect(context.GetServerTrailingMetadata().count("traceparent") == 1, "the trace is in the trailing metadata");
}

void CheckError(v1::Understanding::Stub& stub) {
  v1::UnderstandRequest request;
  request.set_session("a b");
  v1::UnderstandResponse response;
  grpc::ClientContext context;
  const grpc::Status status = stub.Understand(&context, request, &response);
  Expect(status.error_code() == grpc::INVALID_ARGUMENT, "a bad session id is INVALID_ARGUMENT");
  google::rpc::Status details;
  Expect(details.ParseFromString(status.error_details()) && details.details_size() == 2, "with two details");
  google::rpc::ErrorInfo info;
  google::rpc::BadRequest bad;
  Expect(details.details(0).UnpackTo(&info) && info.domain() == "loquat", "an ErrorInfo of this server");
  Expect(details.details(1).UnpackTo(&bad) && bad.field_violations(0).field() == "/session", "and the field");
}

void CheckStream(v1::Understanding::Stub& stub) {
  grpc::ClientContext context;
  const auto stream = stub.Stream(&context);
  v1::StreamRequest event;
  event.mutable_open()->mutable_request()->set_reply(true);
  stream->Write(event);
  event.mutable_partial()->set_text("hel");
  stream->Write(event);
  event.mutable_final()->set_text("hello");
  stream->Write(event);
  stream->WritesDone();
  v1::StreamResponse response;
  int finals = 0, replies = 0, ends = 0;
  while (stream->Read(&response)) {
    if (response.has_frame() && response.frame().final()) ++finals;
    if (response.has_reply()) ++replies;
    if (response.has_turn_end()) ++ends;
  }
  Expect(stream->Finish().ok() && finals == 1 && replies == 1 && ends == 1, "Stream answers a turn");
}

// Answers `ids` with up to `tokens_max` tokens; how many came, and whether the last message said so.
int Infer(v1::Inference::Stub& stub, const std::string& model, int tokens_max, bool cancel, grpc::Status& status) {
  grpc::ClientContext context;
  const auto stream = stub.StreamInfer(&context);
  v1::StreamInferRequest request;
  request.set_model(model);
  for (int id = 1; id <= 16; ++id) request.add_input_ids(id);
  request.mutable_options()->set_tokens_max(static_cast<unsigned>(tokens_max));
  request.mutable_options()->set_temperature(0);
  request.mutable_options()->set_ignore_eos(true);
  stream->Write(request);
  if (!cancel) stream->WritesDone();
  v1::StreamInferResponse response;
  int tokens = 0;
  while (stream->Read(&response)) {
    tokens += response.output_ids_size();
    if (cancel && tokens > 0) context.TryCancel();
  }
  status = stream->Finish();
  return tokens;
}

void CheckInfer(v1::Inference::Stub& stub, const std::string& model) {
  grpc::Status status;
  const int tokens = Infer(stub, model, 12, false, status);
  Expect(status.ok() && tokens == 12, "StreamInfer gives twelve tokens");
  Infer(stub, model, 0, true, status);
  Expect(status.error_code() == grpc::CANCELLED, "a cancelled StreamInfer ends as CANCELLED");
}

void CheckDeadline(v1::Understanding::Stub& stub) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(100));
  const auto stream = stub.Stream(&context);
  v1::StreamResponse response;
  while (stream->Read(&response)) {
  }
  Expect(stream->Finish().error_code() == grpc::DEADLINE_EXCEEDED, "a stream past its deadline is DEADLINE_EXCEEDED");
}

void CheckHealth(grpc::health::v1::Health::Stub& stub) {
  grpc::ClientContext context;
  grpc::health::v1::HealthCheckRequest request;
  grpc::health::v1::HealthCheckResponse response;
  Expect(stub.Check(&context, request, &response).ok() &&
             response.status() == grpc::health::v1::HealthCheckResponse::SERVING,
         "Health says SERVING");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: grpc_check ADDRESS MODEL\n");
    return 2;
  }
  const auto channel = grpc::CreateChannel(argv[1], grpc::InsecureChannelCredentials());
  const auto understanding = v1::Understanding::NewStub(channel);
  CheckUnderstand(*understanding);
  CheckError(*understanding);
  CheckStream(*understanding);
  CheckInfer(*v1::Inference::NewStub(channel), argv[2]);
  CheckDeadline(*understanding);
  CheckHealth(*grpc::health::v1::Health::NewStub(channel));
  return 0;
}
