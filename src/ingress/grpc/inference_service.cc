#include "ingress/grpc/inference_service.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ingress/grpc/infer_messages.h"

namespace loquat::ingress::grpc {
namespace {

namespace v1 = loquat::v1;
using boost::asio::awaitable;

base::Error WrongPosition(std::size_t there, std::uint32_t said) {
  return {.code = base::Code::kFailedPrecondition,
          .message = fmt::format("the sequence holds {} tokens, not {}: it was forgotten, or another client went on "
                                 "with it; begin again with all of its tokens under another stream_id",
                                 there, said),
          .reason = "sequence_position",
          .param = "/position"};
}

}  // namespace

// One call. Its loop's thread only.
class InferenceService::Stream {
 public:
  Stream(InferenceService& service, StreamCall& call) : service_(service), call_(call) {}

  awaitable<base::Status> Run() {
    LOQUAT_CO_ASSIGN(Heard heard, co_await call_.Read(message_));
    if (heard == Heard::kEnd) co_return base::Status();
    LOQUAT_CO_TRY(CheckFirst(message_));
    LOQUAT_CO_TRY(service_.generate_.models().Find(message_.model()));
    first_.set_session_id(message_.session_id());
    first_.set_stream_id(message_.stream_id());
    first_.set_model(message_.model());
    LOQUAT_CO_ASSIGN(InferSequences::Lease sequence, service_.sequences_.Take(Key()));
    while (heard == Heard::kMessage) {
      LOQUAT_CO_TRY(Take(sequence.tokens()));
      if (!message_.more_input()) {
        LOQUAT_CO_TRY(co_await AnswerTurn(sequence.tokens()));
      }
      LOQUAT_CO_ASSIGN(heard, co_await call_.Read(message_));
      if (heard == Heard::kMessage) LOQUAT_CO_TRY(CheckLater(first_, message_));
    }
    co_return base::Status();
  }

 private:
  // Sequences of one caller are no business of another's, nor one model's tokens of another's. No name holds a '/'.
  std::string Key() const {
    if (first_.session_id().empty()) return {};
    return fmt::format("{}/{}/{}/{}", first_.session_id(), first_.stream_id(), first_.model(), call_.context().tenant);
  }

  base::Status Take(const std::vector<engine::TokenId>& tokens) {
    if (message_.has_position() && message_.position() != tokens.size() + input_.size()) {
      return WrongPosition(tokens.size() + input_.size(), message_.position());
    }
    const auto count = static_cast<std::size_t>(message_.input_ids_size());
    if (count > kTurnTokensMax - input_.size()) {
      return base::Error{.code = base::Code::kResourceExhausted,
                         .message = fmt::format("one turn brings more than {} tokens", kTurnTokensMax),
                         .reason = "too_many_tokens",
                         .param = "/input_ids"};
    }
    input_.insert(input_.end(), message_.input_ids().begin(), message_.input_ids().end());
    return {};
  }

  // Generates what comes after the input, and adds both to the sequence.
  awaitable<base::Status> AnswerTurn(std::vector<engine::TokenId>& tokens) {
    if (input_.empty()) {
      co_return base::InvalidArgument("a turn without input_ids; give at least one token, or set more_input",
                                      "/input_ids");
    }
    pipeline::GenerateInput input;
    input.model = first_.model();
    input.bounded = true;
    LOQUAT_CO_TRY(ReadOptions(message_.options(), input.request));
    if (!first_.session_id().empty()) input.request.session = Key();
    std::vector<engine::TokenId> grown;
    grown.reserve(tokens.size() + input_.size());
    grown.insert(grown.end(), tokens.begin(), tokens.end());
    grown.insert(grown.end(), input_.begin(), input_.end());
    input.prompts.emplace_back(grown);
    auto generation = co_await service_.generate_.Start(call_.context(), input);
    if (!generation.has_value()) co_return AtMessage(std::move(generation).error());
    LOQUAT_CO_TRY(co_await Answer(**generation, grown));
    tokens = std::move(grown);
    input_.clear();
    co_return base::Status();
  }

  awaitable<base::Status> Answer(pipeline::Generation& generation, std::vector<engine::TokenId>& grown) {
    std::vector<pipeline::AnswerDelta> deltas;
    std::optional<engine::Finish> finish;
    while (co_await generation.Next(deltas)) {
      for (const pipeline::AnswerDelta& delta : deltas) {
        grown.insert(grown.end(), delta.tokens.begin(), delta.tokens.end());
        if (delta.finish) finish = delta.finish;
        Begin();
        if (WriteDelta(delta, response_)) LOQUAT_CO_TRY(co_await call_.Write(response_));
      }
    }
    LOQUAT_CO_TRY(generation.status());
    Begin();
    WriteFinal(finish.value_or(engine::Finish::kStop), generation.usage(), grown.size(), response_);
    co_return co_await call_.Write(response_);
  }

  void Begin() {
    response_.Clear();
    response_.set_session_id(first_.session_id());
    response_.set_stream_id(first_.stream_id());
  }

  InferenceService& service_;
  StreamCall& call_;
  v1::StreamInferRequest message_, first_;
  v1::StreamInferResponse response_;
  std::vector<engine::TokenId> input_;  // Of the turn that is arriving.
};

BidiReactor* InferenceService::StreamInfer(::grpc::CallbackServerContext* grpc) {
  return StreamCall::Start(shared_, Method::kStreamInfer, Access::kKey, *grpc,
                           [this](StreamCall& call) -> awaitable<base::Status> {
                             Stream stream(*this, call);
                             co_return co_await stream.Run();
                           });
}

}  // namespace loquat::ingress::grpc
