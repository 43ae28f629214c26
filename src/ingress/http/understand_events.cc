#include "ingress/http/understand_events.h"

#include <boost/asio/post.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "net/sse.h"
#include "pipeline/signal.h"

namespace loquat::ingress {
namespace {

using boost::asio::awaitable;

// What waits for the client beyond this holds up the model that makes the reply.
constexpr std::size_t kWaitingBytesMax = std::size_t{64} << 10;

// Collects events until the handler writes them.
class SseOutlet final : public EventOutlet, public std::enable_shared_from_this<SseOutlet> {
 public:
  explicit SseOutlet(HttpCall& call) : call_(call) {}

  void Put(const OutgoingEvent& event) override {
    if (event.error != nullptr && !begun_ && events_.empty()) {
      refusal_ = *event.error;
    } else if (!refusal_) {
      net::AppendSseEvent(events_, {.data = event.json, .event = event.type, .id = event.id});
    }
    news_.Notify();
  }
  awaitable<base::Status> Room() override {
    const auto self = shared_from_this();  // The handler may end while a turn waits here.
    while (!over_ && events_.size() > kWaitingBytesMax) co_await room_.Wait();
    if (over_) co_return base::Cancelled("the client went away");
    co_return base::Status();
  }
  void Notify() { news_.Notify(); }

  // Writes what comes until `ended`, or until the client has gone.
  awaitable<void> WriteUntil(const std::function<bool()>& ended) {
    const base::CancelCallback gone(call_.context().cancel, std::function<void()>([this] { Notify(); }));
    while (!over_) {
      const bool last = ended();
      if (refusal_ && last) {
        call_.Fail(*refusal_);
        break;
      }
      if (call_.context().cancel.cancelled()) {
        call_.Fail(base::Cancelled("the client went away before the last event"));
        break;
      }
      if (!refusal_ && !events_.empty() && !(co_await Flush()).has_value()) break;
      if (last && events_.empty()) {
        // A client that has gone needs no end of the stream, and nobody else is there to tell.
        if (begun_) static_cast<void>((co_await call_.exchange().Finish()).has_value());
        break;
      }
      if (!last) co_await news_.Wait();
    }
    over_ = true;
    room_.Notify();
  }

 private:
  awaitable<base::Status> Flush() {
    if (!std::exchange(begun_, true)) call_.BeginEvents();
    const std::string events = std::exchange(events_, {});
    room_.Notify();
    co_return co_await call_.exchange().Write(events);
  }

  HttpCall& call_;
  std::string events_;  // Not yet written.
  std::optional<base::Error> refusal_;
  bool begun_ = false, over_ = false;
  pipeline::Signal news_, room_;
};

// The rest of a stream that dropped.
awaitable<void> ServeMissed(EventStreams& streams, HttpCall& call, std::string_view session,
                            std::string_view last_event_id) {
  auto outlet = std::make_shared<SseOutlet>(call);
  const auto missed = streams.Missed(last_event_id, {.tenant = call.context().tenant, .session = std::string(session)});
  auto ended = std::make_shared<bool>(false);
  const auto hear = [weak = std::weak_ptr(outlet), ended,
                     executor = call.exchange().executor()](const LoggedEvent* said) {
    auto copy = said == nullptr ? nullptr : std::make_shared<const LoggedEvent>(*said);
    boost::asio::post(executor, [weak, ended, copy] {
      const auto target = weak.lock();
      if (target == nullptr) return;
      if (copy == nullptr) {
        *ended = true;
        target->Notify();
      } else {
        target->Put({.type = copy->type, .id = copy->id, .json = copy->json});
      }
    });
  };
  if (missed.log == nullptr || !missed.log->Follow(missed.number, hear)) {
    call.Fail({.code = base::Code::kNotFound,
               .message = "the events after this one are not kept any more (stream.resume_for); leave Last-Event-ID "
                          "out to say the text anew",
               .reason = "stream_gone"});
    co_return;
  }
  co_await outlet->WriteUntil([&ended] { return *ended; });
  missed.log->Unfollow();
}

}  // namespace

awaitable<void> ServeEvents(EventStreams& streams, HttpCall& call, pipeline::UnderstandRequest request, bool resume) {
  if (const auto last_event_id = call.request().Header(kLastEventIdHeader); !last_event_id.empty()) {
    co_return co_await ServeMissed(streams, call, request.utterance.session, last_event_id);
  }
  if (call.context().cancel.cancelled()) {
    co_return call.Fail(base::Cancelled("the client went away before understanding"));
  }
  auto outlet = std::make_shared<SseOutlet>(call);
  OpenEvent event;
  pipeline::FinalText final{.utterance = {}, .text = std::exchange(request.utterance.text, {})};
  event.open.request = std::move(request);
  event.open.single = true;
  event.resume = resume;
  const auto stream = EventStream::Open(streams, call.exchange().executor(), call.context(), std::move(event), *outlet);
  stream->set_on_quiet([&outlet] { outlet->Notify(); });
  stream->understand().Final(std::move(final));
  co_await outlet->WriteUntil([&stream] { return stream->quiet(); });
  stream->Leave();
}

}  // namespace loquat::ingress
