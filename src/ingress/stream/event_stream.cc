#include "ingress/stream/event_stream.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace loquat::ingress {

using boost::asio::awaitable;

struct EventStream::Head {
  std::uint64_t number;
  std::string event_id;
  std::string id;
  std::string utterance;

  EventHead view() const { return {.event_id = event_id, .id = id, .utterance = utterance}; }
};

EventStream::EventStream(EventStreams& shared, boost::asio::any_io_executor executor, EventOutlet& outlet)
    : shared_(shared),
      executor_(std::move(executor)),
      outlet_(&outlet),
      name_(shared.ids_.RequestId()),
      lingering_(executor_) {}

EventStream::~EventStream() {
  if (stream_ != nullptr) stream_->Close();
  if (missed_ != nullptr) missed_->Unfollow();
  if (log_ != nullptr) log_->End();
}

std::shared_ptr<EventStream> EventStream::Open(EventStreams& shared, boost::asio::any_io_executor executor,
                                               const base::CallContext& call, OpenEvent event, EventOutlet& outlet) {
  auto stream = std::make_shared<EventStream>(shared, executor, outlet);
  stream->call_id_ = call.request_id;
  stream->single_ = event.open.single;
  stream->owner_ = {.tenant = call.tenant, .session = event.open.request.utterance.session};
  if (event.resume && !stream->owner_.session.empty()) {
    stream->log_ = shared.logs_.Add(stream->name_, stream->owner_);
  }
  stream->stream_ =
      shared.streams_.Open(std::move(executor), call, std::move(event.open), shared.text_bytes_max_, *stream);
  return stream;
}

void EventStream::Greet(const std::string& last_event_id) {
  StreamLogs::Found found;
  if (!last_event_id.empty()) found = shared_.logs_.Take(last_event_id, owner_);
  bool resumed = false;
  if (found.log != nullptr) {
    // Each event comes over by a post, also those that are there: after `opened`, and in order.
    resumed =
        found.log->Follow(found.number, [weak = weak_from_this(), executor = executor_](const LoggedEvent* event) {
          auto copy = event == nullptr ? nullptr : std::make_shared<const LoggedEvent>(*event);
          boost::asio::post(executor, [weak, copy] {
            if (const auto self = weak.lock()) self->Forward(copy.get());
          });
        });
    if (resumed) missed_ = std::move(found.log);
  }
  const Head head = NextHead({});
  const OpenedEvent opened{.stream = name_,
                           .session = owner_.session,
                           .resumed = resumed,
                           .resume_for = log_ == nullptr ? std::chrono::milliseconds(0) : shared_.logs_.keep()};
  Say({.type = "opened"}, head, OpenedJson(head.view(), opened));
}

void EventStream::Forward(const LoggedEvent* missed) {
  if (missed_ == nullptr) return;
  if (missed == nullptr) {
    missed_->Unfollow();
    missed_ = nullptr;
    if (on_quiet_) on_quiet_();
  } else if (outlet_ != nullptr) {
    outlet_->Put({.type = missed->type, .id = missed->id, .json = missed->json});
  }
}

EventStream::Head EventStream::NextHead(std::string_view utterance) {
  ++events_;
  std::string id = call_id_;
  if (!utterance.empty() && !single_) id.append("-").append(utterance);
  return {.number = events_,
          .event_id = name_ + "-" + std::to_string(events_),
          .id = std::move(id),
          .utterance = std::string(utterance)};
}

void EventStream::Say(const Said& what, const Head& head, std::string json) {
  if (outlet_ != nullptr) {
    outlet_->Put({.type = what.type,
                  .id = head.event_id,
                  .json = json,
                  .revision_of = what.revision_of.empty() ? 0 : revised_,
                  .error = what.error});
  }
  if (log_ == nullptr) return;
  log_->Append({.number = head.number,
                .type = std::string(what.type),
                .id = head.event_id,
                .json = std::move(json),
                .revision_of = std::string(what.revision_of)});
}

void EventStream::OnFrame(const pipeline::StreamFrame& frame) {
  const Head head = NextHead(frame.utterance);
  if (frame.utterance != revised_utterance_) {
    revised_utterance_ = frame.utterance;
    ++revised_;
  }
  Said what{.type = "frame"};
  if (!frame.final) what.revision_of = frame.utterance;
  Say(what, head, FrameJson(head.view(), frame));
}

void EventStream::OnReplyDelta(std::string_view utterance, std::string_view text) {
  const Head head = NextHead(utterance);
  Say({.type = "reply_delta"}, head, ReplyDeltaJson(head.view(), text));
}

void EventStream::OnReply(std::string_view utterance, const domain::Reply& reply) {
  const Head head = NextHead(utterance);
  Say({.type = "reply"}, head, ReplyJson(head.view(), reply));
}

void EventStream::OnTurnEnd(const pipeline::StreamTurnEnd& end) {
  const Head head = NextHead(end.utterance);
  Say({.type = "turn_end"}, head, TurnEndJson(head.view(), end));
  // The turn is still the first of its queue now, and gone once what runs here has suspended.
  boost::asio::post(executor_, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self == nullptr || self->stream_->busy()) return;
    self->lingering_.cancel();
    if (self->on_quiet_) self->on_quiet_();
  });
}

void EventStream::OnError(std::string_view utterance, const base::Error& error) {
  const Head head = NextHead(utterance);
  Say({.type = "error", .error = &error}, head, ErrorJson(head.view(), error));
}

awaitable<base::Status> EventStream::Room() {
  // Without a client the log takes it all: it has a bound of its own.
  if (outlet_ == nullptr) co_return base::Status();
  co_return co_await outlet_->Room();
}

void EventStream::Leave() {
  if (std::exchange(outlet_, nullptr) == nullptr) return;
  on_quiet_ = nullptr;
  if (missed_ != nullptr) missed_->Unfollow();
  if (log_ == nullptr || !stream_->busy()) {
    stream_->Close();
    if (log_ == nullptr) return;
    log_->End();
    shared_.logs_.Leave(name_);
    return;
  }
  shared_.logs_.Leave(name_);
  boost::asio::co_spawn(
      executor_, [self = shared_from_this()] { return self->Linger(); }, boost::asio::detached);
}

awaitable<void> EventStream::Linger() {
  lingering_.expires_after(shared_.logs_.keep());
  while (stream_->busy()) {
    boost::system::error_code cancelled;
    co_await lingering_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, cancelled));
    if (!cancelled) break;
  }
  stream_->Close();
  log_->End();
}

}  // namespace loquat::ingress
