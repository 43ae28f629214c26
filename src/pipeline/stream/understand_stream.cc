#include "pipeline/stream/understand_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <utility>

#include "base/utf8.h"

namespace loquat::pipeline {
namespace {

using boost::asio::awaitable;

constexpr std::size_t kIdleMemoriesMax = 64;
constexpr std::chrono::milliseconds kFullRetry{50};  // A turn that ended itself while too many others waited.

base::Error OutOfOrder(std::string reason, std::string message) {
  return {.code = base::Code::kFailedPrecondition,
          .message = std::move(message),
          .reason = std::move(reason),
          .param = "/utterance"};
}

domain::FrameStability AllStable(const domain::Frame& frame) {
  return {.intent = true,
          .out_of_scope = true,
          .locale = true,
          .slots = std::vector<bool>(frame.slots.size(), true),
          .intent_risk = 0};
}

}  // namespace

// The text that is arriving.
struct UnderstandStream::Utterance {
  std::string id;
  UnderstandRequest request;
  std::uint32_t revision = 0;
  bool dirty = false;  // No frame was made of the last update.
  base::TimePoint heard_at;
  base::TimePoint ends_at = base::TimePoint::max();  // If nothing more comes.
  UtteranceHistory history;
  base::SharedObjectPool<ArrivingText>::Handle reading;
};

// One that was said and waits for its answer, or is being answered.
struct UnderstandStream::Turn {
  std::string id;
  UnderstandRequest request;
  std::uint32_t revision = 0;
  TurnEndReason reason = TurnEndReason::kFinal;
  UtteranceHistory history;
  base::CancelSource cancel;
  base::CallContext call;
};

// Hears the pipeline and tells the stream's sink.
class UnderstandStream::TurnSink final : public response::AnswerSink {
 public:
  TurnSink(UnderstandStream& stream, Turn& turn) : stream_(stream), turn_(turn) {}

  awaitable<base::Status> OnFrame(const domain::Frame& frame) override {
    Tell(frame);
    co_return co_await Room();
  }
  awaitable<base::Status> OnReplyDelta(std::string_view text) override {
    if (!stream_.closed_) stream_.sink_.OnReplyDelta(turn_.id, text);
    co_return co_await Room();
  }

  // The frame, unless it was told already.
  void Tell(const domain::Frame& frame) {
    if (std::exchange(told_, true) || stream_.closed_) return;
    const domain::FrameStability stability = AllStable(frame);
    if (turn_.history.Add(frame, stability, base::CountCodePoints(turn_.request.utterance.text))) {
      stream_.shared_.metrics_.taken_back.Increment();
    }
    stream_.shared_.metrics_.Understood(turn_.history);
    stream_.sink_.OnFrame({.utterance = turn_.id,
                           .revision = turn_.revision,
                           .final = true,
                           .request = turn_.request,
                           .frame = frame,
                           .stability = stability,
                           .turn_end = {.likely = true, .probability = 1}});
  }

 private:
  awaitable<base::Status> Room() {
    if (stream_.closed_) co_return base::Cancelled("the stream was closed");
    co_return co_await stream_.sink_.Room();
  }

  UnderstandStream& stream_;
  Turn& turn_;
  bool told_ = false;
};

UnderstandStreams::UnderstandStreams(UnderstandPipeline& pipeline, StreamOptions options, const base::Clock& clock,
                                     observe::Registry& metrics)
    : pipeline_(pipeline),
      clock_(clock),
      metrics_(metrics),
      readings_(
          kIdleMemoriesMax, [] { return std::make_unique<ArrivingText>(); }, [](ArrivingText& text) { text.Clear(); }),
      answers_(kIdleMemoriesMax),
      options_(options) {}

UnderstandStreams::~UnderstandStreams() = default;

std::shared_ptr<UnderstandStream> UnderstandStreams::Open(boost::asio::any_io_executor executor, base::CallContext call,
                                                          StreamOpen open, std::size_t text_bytes_max,
                                                          StreamSink& sink) {
  open.request.wants_events = true;
  UnderstandStream::Setting setting{.executor = std::move(executor),
                                    .call = std::move(call),
                                    .open = std::move(open),
                                    .options = options_.Get(),
                                    .text_bytes_max = text_bytes_max};
  return std::make_shared<UnderstandStream>(*this, std::move(setting), sink);
}

UnderstandStream::UnderstandStream(UnderstandStreams& shared, Setting setting, StreamSink& sink)
    : shared_(shared), setting_(std::move(setting)), sink_(sink) {
  shared_.metrics_.opened.Increment();
  shared_.metrics_.open.Add(1);
}

UnderstandStream::~UnderstandStream() {
  shared_.metrics_.open.Add(-1);
}

void UnderstandStream::Refuse(base::Error error) {
  shared_.metrics_.refused.With({error.reason}).Increment();
  sink_.OnError({}, error);
}

void UnderstandStream::Ended(std::string_view utterance, const StreamTurnEnd& end) {
  shared_.metrics_.TurnEnded(end.reason);
  if (ended_.size() >= kEndedUtterancesKept) ended_.pop_front();
  ended_.emplace_back(utterance);
  if (!closed_) sink_.OnTurnEnd({.utterance = utterance, .reason = end.reason, .answer = end.answer});
}

void UnderstandStream::Fail(std::string_view utterance, const base::Error& error) {
  if (!closed_) sink_.OnError(utterance, error);
  Ended(utterance, {.reason = TurnEndReason::kFailed});
}

base::Status UnderstandStream::MayArrive(const std::string& id) const {
  if (id.empty()) return {};
  if (arriving_ != nullptr && arriving_->id != id) {
    return OutOfOrder(
        "utterance_open",
        fmt::format("utterance \"{}\" is still arriving; end it by final or cancel before \"{}\"", arriving_->id, id));
  }
  const auto is_it = [&id](const auto& turn) { return turn->id == id; };
  if (arriving_ == nullptr && (std::ranges::any_of(turns_, is_it) || std::ranges::find(ended_, id) != ended_.end())) {
    return OutOfOrder("utterance_ended", fmt::format("utterance \"{}\" has ended; give the next one another name", id));
  }
  return {};
}

// The utterance that text of this name belongs to: a new one, where none is arriving. Null: it was refused.
UnderstandStream::Utterance* UnderstandStream::Arriving(const std::string& id) {
  if (base::Status may = MayArrive(id); !may.has_value()) {
    Refuse(std::move(may).error());
    return nullptr;
  }
  if (arriving_ == nullptr) {
    ++utterances_;
    arriving_ = std::make_unique<Utterance>();
    arriving_->id = id.empty() ? std::to_string(utterances_) : id;
    arriving_->request = setting_.open.request;
    arriving_->request.utterance.final = false;
    if (arriving_->request.reference_time == base::WallTime{}) {
      arriving_->request.reference_time = shared_.clock_.WallNow();
    }
    arriving_->reading = shared_.readings_.Acquire();
  }
  return arriving_.get();
}

void UnderstandStream::Update(TextUpdate update) {
  if (closed_) return;
  Utterance* utterance = Arriving(update.utterance);
  if (utterance == nullptr) return;
  std::string& text = utterance->request.utterance.text;
  const std::size_t bytes = update.text.size() + (update.delta ? text.size() : 0);
  if (const base::Status fits = CheckTextBytes(bytes, setting_.text_bytes_max, "/text"); !fits.has_value()) {
    const std::unique_ptr<Utterance> dropped = std::move(arriving_);
    return Fail(dropped->id, fits.error());
  }
  if (update.delta) {
    text += update.text;
  } else {
    text = std::move(update.text);
  }
  if (utterance->dirty) shared_.metrics_.frames_skipped.Increment();
  ++utterance->revision;
  utterance->dirty = true;
  utterance->ends_at = base::TimePoint::max();
  utterance->heard_at = shared_.clock_.Now();
}

void UnderstandStream::Flush() {
  if (closed_ || arriving_ == nullptr || !arriving_->dirty || sink_.congested()) return;
  Utterance& utterance = *arriving_;
  utterance.dirty = false;
  ArrivingText& reading = *utterance.reading;
  const base::Status read = shared_.pipeline_.Preview(utterance.request, reading);
  if (!read.has_value()) {
    const std::unique_ptr<Utterance> dropped = std::move(arriving_);
    return Fail(dropped->id, read.error());
  }
  const base::Duration took = shared_.clock_.Now() - utterance.heard_at;
  shared_.metrics_.update_seconds.Observe(std::chrono::duration<double>(took).count());
  reading.frame.timings.total = std::chrono::duration<float, std::micro>(took).count();
  if (utterance.history.Add(reading.frame, reading.stability,
                            base::CountCodePoints(utterance.request.utterance.text))) {
    shared_.metrics_.taken_back.Increment();
  }
  sink_.OnFrame({.utterance = utterance.id,
                 .revision = utterance.revision,
                 .final = false,
                 .request = utterance.request,
                 .frame = reading.frame,
                 .stability = reading.stability,
                 .turn_end = reading.turn_end});
  if (setting_.open.ending == TurnEnding::kServer && !utterance.request.utterance.text.empty()) {
    utterance.ends_at = utterance.heard_at + std::chrono::milliseconds(reading.turn_end.wait_ms);
  }
}

void UnderstandStream::Final(FinalText final) {
  if (closed_) return;
  if (arriving_ == nullptr && !final.text.has_value()) {
    if (base::Status may = MayArrive(final.utterance); !may.has_value()) return Refuse(std::move(may).error());
    return Refuse(OutOfOrder("nothing_said", "there is no text to end; send \"text\" with final, or a partial first"));
  }
  if (turns_.size() >= setting_.options->turns_waiting_max) {
    return Refuse({.code = base::Code::kResourceExhausted,
                   .message = fmt::format("{} turns of this stream wait for their answers already; wait for a turn_end",
                                          turns_.size()),
                   .reason = "too_many_turns"});
  }
  if (final.text.has_value()) {
    Update({.utterance = std::move(final.utterance), .text = *std::move(final.text)});
    if (arriving_ == nullptr) return;
    arriving_->dirty = false;  // The final frame comes at once.
  } else if (base::Status may = MayArrive(final.utterance); !may.has_value()) {
    return Refuse(std::move(may).error());
  }
  EndTurn(TurnEndReason::kFinal);
}

base::CallContext UnderstandStream::CallOf(const std::string& utterance, const base::CancelSource& cancel) const {
  base::CallContext call = setting_.call;
  if (!setting_.open.single) call.request_id += "-" + utterance;
  call.received_at = shared_.clock_.Now();
  if (setting_.open.turn_timeout.count() > 0) {
    call.deadline = call.deadline.EarlierOf(base::Deadline::After(shared_.clock_, setting_.open.turn_timeout));
  }
  call.cancel = cancel.token();
  return call;
}

// REQUIRES: an utterance is arriving, and one more turn may wait.
void UnderstandStream::EndTurn(TurnEndReason reason) {
  const std::unique_ptr<Utterance> utterance = std::move(arriving_);
  auto turn = std::make_unique<Turn>();
  turn->id = std::move(utterance->id);
  turn->request = std::move(utterance->request);
  turn->request.utterance.final = true;
  turn->revision = utterance->revision;
  turn->reason = reason;
  turn->history = std::move(utterance->history);
  turn->call = CallOf(turn->id, turn->cancel);
  turns_.push_back(std::move(turn));
  if (std::exchange(answering_, true)) return;
  boost::asio::co_spawn(
      setting_.executor, [self = shared_from_this()] { return self->AnswerTurns(); }, boost::asio::detached);
}

void UnderstandStream::Cancel(const StreamCancel& cancel) {
  if (closed_) return;
  if (arriving_ != nullptr && (cancel.utterance.empty() || arriving_->id == cancel.utterance)) {
    const std::unique_ptr<Utterance> dropped = std::move(arriving_);
    return Ended(dropped->id, {.reason = TurnEndReason::kCancelled});
  }
  const auto turn = std::ranges::find_if(turns_.rbegin(), turns_.rend(), [&](const auto& waiting) {
    return cancel.utterance.empty() || waiting->id == cancel.utterance;
  });
  if (turn == turns_.rend()) {
    return Refuse(
        OutOfOrder("unknown_utterance", cancel.utterance.empty()
                                            ? "there is nothing to cancel"
                                            : fmt::format("there is no utterance \"{}\" under way", cancel.utterance)));
  }
  (*turn)->cancel.Cancel();
}

base::TimePoint UnderstandStream::wake_at() const {
  return arriving_ == nullptr ? base::TimePoint::max() : arriving_->ends_at;
}

void UnderstandStream::Wake() {
  if (closed_ || arriving_ == nullptr || shared_.clock_.Now() < wake_at()) return;
  if (turns_.size() >= setting_.options->turns_waiting_max) {
    // The client asked for no end now, so nothing is refused: the turn ends once another has been answered.
    arriving_->ends_at = shared_.clock_.Now() + kFullRetry;
    return;
  }
  EndTurn(arriving_->reading->complete ? TurnEndReason::kComplete : TurnEndReason::kPause);
}

void UnderstandStream::Close() {
  if (std::exchange(closed_, true)) return;
  arriving_.reset();
  for (const auto& turn : turns_) turn->cancel.Cancel();
}

awaitable<void> UnderstandStream::AnswerTurns() {
  while (!turns_.empty()) {
    Turn& turn = *turns_.front();
    std::string thrown;
    try {
      co_await Answer(turn);
    } catch (const std::exception& exception) {
      thrown = exception.what();
    }
    if (!thrown.empty()) Fail(turn.id, base::Internal(fmt::format("the turn could not be answered: {}", thrown)));
    turns_.pop_front();
  }
  answering_ = false;
}

awaitable<void> UnderstandStream::Answer(Turn& turn) {
  const auto answer = shared_.answers_.Acquire();
  TurnSink sink(*this, turn);
  const base::Status done = co_await shared_.pipeline_.Run(turn.call, turn.request, *answer, &sink);
  if (!done.has_value()) {
    if (done.error().code == base::Code::kCancelled) co_return Ended(turn.id, {.reason = TurnEndReason::kCancelled});
    co_return Fail(turn.id, done.error());
  }
  sink.Tell(answer->frame);
  if (answer->reply && !closed_) sink_.OnReply(turn.id, *answer->reply);
  Ended(turn.id, {.reason = turn.reason, .answer = answer.get()});
}

}  // namespace loquat::pipeline
