// The use case of the main road: an utterance comes in, its meaning, the session's new state and a reply go out.
// Ingress parses and writes; what happens in between is here, in order. Models of this server take part where the
// settings say so: encoders in the meaning, a decoder in the reply.
//
// Thread-safe: Run may be called from any I/O thread at the same time. The references outlive the pipeline.

#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/call_context.h"
#include "base/clock.h"
#include "base/object_pool.h"
#include "base/result.h"
#include "config/snapshot.h"
#include "context/session_store.h"
#include "domain/frame.h"
#include "domain/reply.h"
#include "domain/session.h"
#include "domain/stability.h"
#include "pipeline/assistant.h"
#include "pipeline/frame_encoders.h"
#include "pipeline/generated_reply.h"
#include "pipeline/reply_policy.h"
#include "response/delivery_policy.h"
#include "response/sink.h"
#include "understanding/incremental_reader.h"

namespace loquat::pipeline {

inline constexpr std::size_t kSessionTurnsMax = 10;   // The window of turns kept in a session.
inline constexpr int kSessionSaveAttemptsMax = 1000;  // Lost races before a turn is refused.

struct UnderstandRequest {
  domain::Utterance utterance;
  bool want_intent = true;
  bool want_slots = true;
  bool want_embedding = false;
  bool want_reply = false;
  std::optional<domain::DeliveryMode> delivery;  // Empty: auto.
  std::string callback_url;
  bool callback_accepted = false;  // This is the work for a callback that was promised already.
  std::string work_id;  // Of work that may be done again after a crash: the same at each try. At most 60 bytes.
  bool wants_events = false;
  base::WallTime reference_time = {};  // What "tomorrow" counts from.
  std::int32_t utc_offset_minutes = 0;
};

// Errors: resource_exhausted "text_too_large", of the text at `param`.
base::Status CheckTextBytes(std::size_t bytes, std::size_t bytes_max, std::string_view param);

struct UnderstandAnswer {
  domain::Frame frame;
  context::SessionSnapshot session;  // After this turn; null without a session.
  std::optional<domain::Reply> reply;
  domain::Delivery delivery;
};

// An utterance that is still arriving: what it means so far. Reused from one to the next: Clear() keeps the memory.
struct ArrivingText {
  understanding::IncrementalReader reader;
  domain::Frame frame;
  domain::FrameStability stability;
  domain::TurnEnd turn_end;  // Before any pause.
  bool complete = false;     // The end of the turn would be that of a whole sentence, not of the longest pause.

  void Clear() {
    reader.Reset();
    frame.Clear();
    stability.Clear();
  }
};

// What may change between two requests; a request keeps the one that it started with.
struct UnderstandSettings {
  std::shared_ptr<const Assistant> assistant;
  response::DeliveryPolicy delivery;
  std::uint32_t tokens_max = 512;
  understanding::Truncation truncation = understanding::Truncation::kHead;
  std::uint32_t ranking_max = 5;
  float early_risk_max = 0.01F;                            // As understanding::UnderstandOptions.
  understanding::TurnEndOptions end_of_turn;               // Of text that arrives bit by bit.
  std::shared_ptr<const text::FilterChain> intent_filter;  // Null: every word counts.
  std::shared_ptr<const FrameEncoders> encoders;           // Null: the assistant's model alone understands.
  std::shared_ptr<const ReplyRule> reply;                  // Null: every reply is the domain's.
};

class Actions;

// What the road needs where the settings have encoders or a reply rule, and what intents do; they outlive the pipeline.
struct RoadParts {
  ReplyWriter* replies = nullptr;
  PromptWorkers* workers = nullptr;
  Actions* actions = nullptr;  // Null: intents do nothing.
};

class UnderstandPipeline {
 public:
  // REQUIRES: the models of `parts` are there wherever settings have encoders or a reply rule.
  UnderstandPipeline(UnderstandSettings settings, context::SessionStore& sessions, const base::Clock& clock,
                     const RoadParts& parts = {});

  // Fills `answer`, which may be reused. Where the policy decides for a callback, and none is promised yet, it ends
  // once the meaning is known: answer.delivery says so, the session is untouched, and the caller hands the request to
  // Callbacks. `sink`, if any, hears of the frame and the reply's text while a model makes
  // the reply; where none does, it hears nothing. Errors: those of Understander and Decide; failed_precondition
  // "no_embedding_model"; deadline_exceeded and cancelled, saying before which stage; aborted "session_conflict" when
  // too many updates of the session came in between; those of FrameReading. A model that makes no reply is no error:
  // the reply is the domain's, and says why.
  boost::asio::awaitable<base::Status> Run(const base::CallContext& call, const UnderstandRequest& request,
                                           UnderstandAnswer& answer, response::AnswerSink* sink = nullptr);

  // What text that is still arriving means so far, by the assistant's model alone: no session, no reply, no encoders.
  // `arriving` is that of its utterance. Errors: those of Understander.
  base::Status Preview(const UnderstandRequest& request, ArrivingText& arriving);

  // Whether a request may take longer than its client has patience: the caller should watch for a disconnect.
  // Relaxed: a request at the moment of a reload may see either.
  bool may_wait() const;

  std::shared_ptr<const UnderstandSettings> settings() const;
  // Requests under way keep what they started with.
  void SetSettings(UnderstandSettings settings);

  // Ends the waiting for encoders, now and later.
  void Stop() { stop_.Cancel(); }

 private:
  // One request on its way.
  struct Turn {
    const base::CallContext& call;
    const UnderstandRequest& request;
    const UnderstandSettings& settings;
    UnderstandAnswer& answer;
    response::AnswerSink* sink;
    base::Deadline deadline;                              // Of the stage that comes next.
    std::map<std::string, domain::FilledSlot> kept = {};  // What an action gave the session.
  };

  base::Status Understand(const Turn& turn, bool want_intent, bool want_slots);
  boost::asio::awaitable<base::Status> UnderstandWithEncoders(const Turn& turn);
  static base::Status DecideDelivery(const Turn& turn);
  boost::asio::awaitable<base::Status> Converse(Turn& turn);
  // Does what the step asks for, once a turn, and puts its words into the reply and its results into the session.
  boost::asio::awaitable<base::Status> TakeAction(Turn& turn, const context::DialogueStep& step,
                                                  domain::Session& session);
  // Replaces the reply by a model's where the rule says so and the model is able to.
  boost::asio::awaitable<base::Status> AskModel(Turn& turn, const context::DialogueStep& step,
                                                const domain::Session& session);

  context::SessionStore& sessions_;
  const base::Clock& clock_;
  const RoadParts parts_;
  base::CancelSource stop_;
  std::atomic<bool> may_wait_{false};
  struct Scratch {
    understanding::WorkspacePtr workspace = understanding::Understander::NewWorkspace();
  };
  base::SharedObjectPool<Scratch> scratch_;
  config::SnapshotHolder<UnderstandSettings> settings_;
};

}  // namespace loquat::pipeline
