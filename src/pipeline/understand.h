// The use case of the main road: an utterance comes in, its meaning, the session's new state and a reply go out.
// Ingress parses and writes; what happens in between is here, in order.
//
// Thread-safe: Run may be called from any I/O thread at the same time. The references outlive the pipeline.

#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
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
#include "pipeline/assistant.h"
#include "response/delivery_policy.h"

namespace loquat::pipeline {

inline constexpr std::size_t kSessionTurnsMax = 10;   // The window of turns kept in a session.
inline constexpr int kSessionSaveAttemptsMax = 1000;  // Lost races before a turn is refused.

struct UnderstandRequest {
  domain::Utterance utterance;
  bool want_intent = true;
  bool want_slots = true;
  bool want_reply = false;
  std::optional<domain::DeliveryMode> delivery;  // Empty: auto.
  std::string callback_url;
  bool wants_events = false;
  base::WallTime reference_time = {};  // What "tomorrow" counts from.
  std::int32_t utc_offset_minutes = 0;
};

struct UnderstandAnswer {
  domain::Frame frame;
  context::SessionSnapshot session;  // After this turn; null without a session.
  std::optional<domain::Reply> reply;
  domain::Delivery delivery;
};

// What may change between two requests; a request keeps the one that it started with.
struct UnderstandSettings {
  std::shared_ptr<const Assistant> assistant;
  response::DeliveryPolicy delivery;
  std::uint32_t tokens_max = 512;
  understanding::Truncation truncation = understanding::Truncation::kHead;
  std::uint32_t ranking_max = 5;
  std::shared_ptr<const text::FilterChain> intent_filter;  // Null: every word counts.
};

class UnderstandPipeline {
 public:
  UnderstandPipeline(UnderstandSettings settings, context::SessionStore& sessions, const base::Clock& clock);

  // Fills `answer`, which may be reused. Errors: those of Understander and Decide; deadline_exceeded and cancelled,
  // saying before which stage; aborted "session_conflict" when too many updates of the session came in between.
  boost::asio::awaitable<base::Status> Run(const base::CallContext& call, const UnderstandRequest& request,
                                           UnderstandAnswer& answer);

  std::shared_ptr<const UnderstandSettings> settings() const;
  // Requests under way keep what they started with.
  void SetSettings(UnderstandSettings settings);

 private:
  base::Status Understand(const UnderstandRequest& request, const UnderstandSettings& settings,
                          UnderstandAnswer& answer);
  static base::Status DecideDelivery(const UnderstandRequest& request, const UnderstandSettings& settings,
                                     UnderstandAnswer& answer);
  boost::asio::awaitable<base::Status> Converse(const base::CallContext& call, base::Deadline deadline,
                                                const UnderstandRequest& request, const UnderstandSettings& settings,
                                                UnderstandAnswer& answer);

  context::SessionStore& sessions_;
  const base::Clock& clock_;
  struct Scratch {
    understanding::WorkspacePtr workspace = understanding::Understander::NewWorkspace();
  };
  base::SharedObjectPool<Scratch> scratch_;
  config::SnapshotHolder<UnderstandSettings> settings_;
};

}  // namespace loquat::pipeline
