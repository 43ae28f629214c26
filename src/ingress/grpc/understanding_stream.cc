#include "ingress/grpc/understanding_stream.h"

#include <utility>

#include "ingress/grpc/stream_messages.h"
#include "ingress/grpc/understand_messages.h"

namespace loquat::ingress::grpc {
namespace {

using boost::asio::awaitable;
using loquat::v1::StreamRequest;

base::Error OutOfOrder(std::string reason, std::string message) {
  return {.code = base::Code::kFailedPrecondition, .message = std::move(message), .reason = std::move(reason)};
}

}  // namespace

awaitable<base::Status> UnderstandingStream::Run() {
  LOQUAT_CO_ASSIGN(const Heard heard, co_await call_.Read(in_));
  if (heard == Heard::kEnd) co_return base::Status();
  LOQUAT_CO_TRY(Open());
  const base::Status status = co_await Converse();
  // Nothing of this call is heard of any more, whatever its turns still do.
  stream_->Close();
  co_return status;
}

base::Status UnderstandingStream::Open() {
  if (!in_.has_open()) return OutOfOrder("not_open", "a stream begins with an open event");
  LOQUAT_ASSIGN(pipeline::StreamOpen open, ReadOpen(in_.open(), text_bytes_max_));
  out_.mutable_opened()->set_id(call_.context().request_id);
  out_.mutable_opened()->set_session(open.request.utterance.session);
  stream_ = streams_.Open(call_.executor(), call_.context(), std::move(open), text_bytes_max_, *this);
  call_.Send(out_);
  return {};
}

awaitable<base::Status> UnderstandingStream::Converse() {
  for (;;) {
    // Of several updates that are here already only the newest is worth a frame.
    if (!call_.HasMessage()) stream_->Flush();
    const auto heard = co_await call_.Read(in_, stream_->wake_at());
    if (heard.has_value() && *heard == Heard::kMessage) {
      Take();
      // A client that says much and reads nothing is not heard further.
      LOQUAT_CO_TRY(co_await call_.Room());
    } else if (heard.has_value() && *heard == Heard::kWake) {
      stream_->Wake();
    } else if (heard.has_value()) {
      stream_->Flush();
      co_return co_await AwaitAnswers();
    } else if (heard.error().code == base::Code::kDeadlineExceeded && stream_->busy()) {
      continue;  // The client waits for its answer; it is not idle.
    } else {
      // A server that stops answers what was said.
      if (heard.error().code == base::Code::kUnavailable) LOQUAT_CO_TRY(co_await AwaitAnswers());
      co_return heard.error();
    }
  }
}

awaitable<base::Status> UnderstandingStream::AwaitAnswers() {
  while (stream_->busy()) {
    LOQUAT_CO_TRY(co_await call_.Pause(base::TimePoint::max()));
  }
  co_return base::Status();
}

void UnderstandingStream::Take() {
  switch (in_.event_case()) {
    case StreamRequest::kPartial:
      return TakePartial();
    case StreamRequest::kFinal:
      return TakeFinal();
    case StreamRequest::kCancel:
      return stream_->Cancel({.utterance = std::move(*in_.mutable_cancel()->mutable_utterance())});
    case StreamRequest::kOpen:
      return OnError({}, OutOfOrder("already_open", "this stream is open already; open another call"));
    case StreamRequest::EVENT_NOT_SET:
      return OnError({}, base::Error{.code = base::Code::kInvalidArgument,
                                     .message = "the message has no event; set partial, final or cancel",
                                     .reason = "no_event"});
  }
}

void UnderstandingStream::TakePartial() {
  auto& partial = *in_.mutable_partial();
  if (const base::Status named = CheckUtterance(partial.utterance(), "/partial/utterance"); !named.has_value()) {
    return OnError({}, named.error());
  }
  stream_->Update({.utterance = std::move(*partial.mutable_utterance()),
                   .text = std::move(*partial.mutable_text()),
                   .delta = partial.delta()});
}

void UnderstandingStream::TakeFinal() {
  auto& final = *in_.mutable_final();
  if (const base::Status named = CheckUtterance(final.utterance(), "/final/utterance"); !named.has_value()) {
    return OnError({}, named.error());
  }
  pipeline::FinalText text{.utterance = std::move(*final.mutable_utterance()), .text = {}};
  if (final.has_text()) text.text = std::move(*final.mutable_text());
  stream_->Final(std::move(text));
}

void UnderstandingStream::OnFrame(const pipeline::StreamFrame& frame) {
  WriteEvent(call_.context().request_id, frame, out_);
  call_.Send(out_);
}

void UnderstandingStream::OnReplyDelta(std::string_view utterance, std::string_view text) {
  out_.Clear();
  out_.mutable_reply_delta()->mutable_utterance()->assign(utterance);
  out_.mutable_reply_delta()->mutable_text()->assign(text);
  call_.Send(out_);
}

void UnderstandingStream::OnReply(std::string_view utterance, const domain::Reply& reply) {
  out_.Clear();
  out_.mutable_reply()->mutable_utterance()->assign(utterance);
  WriteReply(reply, *out_.mutable_reply()->mutable_reply());
  call_.Send(out_);
}

void UnderstandingStream::OnTurnEnd(const pipeline::StreamTurnEnd& end) {
  WriteEvent(call_.context().request_id, end, out_);
  call_.Send(out_);
  // Whoever waits for the answers looks again.
  call_.Wake();
}

void UnderstandingStream::OnError(std::string_view utterance, const base::Error& error) {
  WriteEvent(utterance, error, out_);
  call_.Send(out_);
}

awaitable<base::Status> UnderstandingStream::Room() {
  // A turn may wait here longer than this object lives.
  const std::shared_ptr<StreamCall> call = call_.shared_from_this();
  co_return co_await call->Room();
}

}  // namespace loquat::ingress::grpc
