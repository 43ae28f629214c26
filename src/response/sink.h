// All that the pipeline and an ingress share about streaming: what an answer says while it is still being made.
//
// Called by the coroutine of its request alone, in order: the frame once, then the deltas of the reply.

#pragma once

#include <boost/asio/awaitable.hpp>
#include <string_view>

#include "base/result.h"
#include "domain/frame.h"

namespace loquat::response {

class AnswerSink {
 public:
  virtual ~AnswerSink() = default;

  // Both wait while the reader is slow. An error: nobody reads any more, and the rest need not be made.
  virtual boost::asio::awaitable<base::Status> OnFrame(const domain::Frame& frame) = 0;
  // More of a reply's text, whole characters. The reply that the answer ends with counts: where the model fails in the
  // middle, its words are other ones.
  virtual boost::asio::awaitable<base::Status> OnReplyDelta(std::string_view text) = 0;
};

}  // namespace loquat::response
