// A reply made by a local model: the session's window and what was just said as a prompt in the model's own form, the
// answer as it comes, and the end of it in time.
//
// Thread-safe: Write from any I/O thread. References outlive it.

#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/call_context.h"
#include "base/clock.h"
#include "base/result.h"
#include "domain/frame.h"
#include "domain/session.h"
#include "observe/metrics.h"
#include "pipeline/generate.h"
#include "pipeline/reply_policy.h"
#include "response/sink.h"

namespace loquat::pipeline {

inline constexpr std::size_t kReplyBytesMax = std::size_t{64} << 10;  // A longer reply is cut there.
// Of a caller's own deadline, what is kept to answer with the domain's reply where the model is late.
inline constexpr std::chrono::milliseconds kReplyReserve{50};

// What the model is told.
struct ReplyQuestion {
  const domain::Frame& frame;
  const domain::Session& session;  // The turns before this one, and the state after it.
  std::string_view text;
  std::string_view domain_reply;  // What would be said without the model.
};

struct WrittenReply {
  std::string text;
  bool cut = false;
  std::uint32_t turns_left_out = 0;
};

class ReplyWriter {
 public:
  ReplyWriter(GenerateUseCase& generate, observe::Registry& metrics, const base::Clock& clock);

  // `sink` may be null: the whole reply is waited for. Errors: cancelled where the client has gone; deadline_exceeded
  // "model_late"; unavailable "empty_reply"; those of GenerateUseCase and of the engine.
  boost::asio::awaitable<base::Result<WrittenReply>> Write(const base::CallContext& call, const ReplyRule& rule,
                                                           const ReplyQuestion& question, response::AnswerSink* sink);

  const ModelSet& models() const { return generate_.models(); }

 private:
  boost::asio::awaitable<base::Result<WrittenReply>> Generate(const base::CallContext& call, const ReplyRule& rule,
                                                              const ReplyQuestion& question,
                                                              response::AnswerSink* sink);
  boost::asio::awaitable<base::Result<std::unique_ptr<Generation>>> Begin(const base::CallContext& call,
                                                                          const ReplyRule& rule,
                                                                          const ReplyQuestion& question, bool bounded,
                                                                          std::uint32_t& turns_left_out);

  GenerateUseCase& generate_;
  observe::CounterFamily& replies_;
  const base::Clock& clock_;
};

// The messages of the prompt: the instructions, then as many of the session's last turns as `turns`, then the text. A
// turn that was not answered is said in one breath with the next, because templates want the roles to alternate.
ChatPrompt ReplyPrompt(const ReplyRule& rule, const ReplyQuestion& question, std::size_t turns);

}  // namespace loquat::pipeline
