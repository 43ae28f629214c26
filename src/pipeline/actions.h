// The use case of actions: what an intent does once it has all that it needs. A turn begins a saga and waits for it as
// long as its caller does; the saga goes on without either.
//
// Thread-safe, once attached. The sagas outlive it or its last call.

#pragma once

#include <boost/asio/awaitable.hpp>
#include <map>
#include <string>
#include <string_view>

#include "base/call_context.h"
#include "base/clock.h"
#include "base/result.h"
#include "context/dialogue.h"
#include "domain/frame.h"
#include "domain/reply.h"
#include "domain/session.h"
#include "pipeline/assistant.h"
#include "response/sagas.h"

namespace loquat::pipeline {

// The slot under which a session remembers its latest saga: the id, and the state as its normal form.
inline constexpr std::string_view kSagaSlot = "saga";
inline constexpr std::string_view kRefusedState = "refused";  // Of an action that was not begun.

// Who asks for an action, and with what. Views of the turn.
struct ActionQuestion {
  const domain::Frame& frame;
  const domain::Session& session;  // After the dialogue's step.
  const context::DialogueStep& step;
  std::string_view text;
  std::string_view work_id;  // Of the callback that this is the work for: the same work never begins two sagas.
};

struct ActionAnswer {
  domain::ReplyAction action;
  std::string words;                               // Empty: the domain's reply stands.
  std::map<std::string, domain::FilledSlot> kept;  // For the session.
};

class Actions {
 public:
  explicit Actions(const base::Clock& clock) : clock_(clock) {}
  // REQUIRES: called before the first call, if at all.
  void Attach(response::Sagas& sagas) { sagas_ = &sagas; }
  bool available() const { return sagas_ != nullptr; }

  // Whether this step of a dialogue leads to an action: the intent has one, its slots are filled, and a mere correction
  // does not repeat what was done. `text` is whole.
  bool Acts(const ActionQuestion& question) const;
  // Ends with the saga, in time before the call's deadline, or when the client goes away. A saga that is not accepted
  // is an answer too. REQUIRES: Acts.
  boost::asio::awaitable<ActionAnswer> Act(const base::CallContext& call, const ActionQuestion& question);
  // Errors: not_found "saga_unknown".
  base::Result<response::SagaView> Find(const base::CallContext& call, std::string_view id) const;

 private:
  base::TimePoint WaitUntil(const base::CallContext& call, const response::SagaDefinition& saga) const;

  const base::Clock& clock_;
  response::Sagas* sagas_ = nullptr;  // Constant while serving.
};

// Errors: invalid_argument, with the place in the file: an intent that the assistant does not know, a slot that its
// intent does not take.
base::Status CheckActions(const response::ActionSet& actions, const Assistant& assistant);

}  // namespace loquat::pipeline
