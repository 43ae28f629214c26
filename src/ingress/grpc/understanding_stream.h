// One call of loquat.v1.Understanding.Stream: its messages to the pipeline's stream, and what that says back.
//
// On the loop of its call; gone when its coroutine ends.

#pragma once

#include <loquat/v1/understanding.pb.h>

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "ingress/grpc/stream_call.h"
#include "pipeline/stream/stream_events.h"
#include "pipeline/stream/understand_stream.h"

namespace loquat::ingress::grpc {

class UnderstandingStream final : public pipeline::StreamSink {
 public:
  UnderstandingStream(pipeline::UnderstandStreams& streams, StreamCall& call, std::size_t text_bytes_max)
      : streams_(streams), call_(call), text_bytes_max_(text_bytes_max) {}

  boost::asio::awaitable<base::Status> Run();

  void OnFrame(const pipeline::StreamFrame& frame) override;
  void OnReplyDelta(std::string_view utterance, std::string_view text) override;
  void OnReply(std::string_view utterance, const domain::Reply& reply) override;
  void OnTurnEnd(const pipeline::StreamTurnEnd& end) override;
  void OnError(std::string_view utterance, const base::Error& error) override;
  bool congested() const override { return call_.congested(); }
  boost::asio::awaitable<base::Status> Room() override;

 private:
  base::Status Open();
  boost::asio::awaitable<base::Status> Converse();
  void Take();
  void TakePartial();
  void TakeFinal();
  // Waits until every turn has its answer.
  boost::asio::awaitable<base::Status> AwaitAnswers();

  pipeline::UnderstandStreams& streams_;
  StreamCall& call_;
  const std::size_t text_bytes_max_;
  std::shared_ptr<pipeline::UnderstandStream> stream_;
  loquat::v1::StreamRequest in_;
  loquat::v1::StreamResponse out_;
};

}  // namespace loquat::ingress::grpc
