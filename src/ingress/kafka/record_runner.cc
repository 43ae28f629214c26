#include "ingress/kafka/record_runner.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <iterator>
#include <utility>

#include "base/json_writer.h"
#include "ingress/http/frame_json.h"
#include "ingress/http/understand_outcome.h"

namespace loquat::ingress::kafka {

RecordRunner::RecordRunner(const RecordRunnerParts& parts, std::size_t threads, std::chrono::milliseconds timeout)
    : parts_(parts), timeout_(timeout), loops_({.threads = threads}) {
  for (std::size_t i = 0; i < loops_.size(); ++i) lanes_.push_back(std::make_unique<Lane>(loops_.at(i)));
  loops_.Start();
}

RecordRunner::~RecordRunner() {
  loops_.Stop();
  loops_.Join();
}

void RecordRunner::Run(InFlightPtr record) {
  Lane& lane = *lanes_[turn_++ % lanes_.size()];
  lane.collected.push_back(std::move(record));
  if (lane.collected.size() >= kBatchMax) Send(lane);
}

void RecordRunner::Flush() {
  for (const auto& lane : lanes_) {
    if (!lane->collected.empty()) Send(*lane);
  }
}

void RecordRunner::Send(Lane& lane) {
  boost::asio::post(lane.loop.context(), [this, &lane, batch = std::exchange(lane.collected, {})]() mutable {
    Begin(lane, std::move(batch));
  });
}

void RecordRunner::Begin(Lane& lane, std::vector<InFlightPtr> batch) {
  std::ranges::move(batch, std::back_inserter(lane.waiting));
  // One coroutine runs them one after the other. Where a record has to wait for somebody the coroutine stays with it,
  // and another one goes on with the rest.
  while (!lane.waiting.empty()) {
    boost::asio::co_spawn(lane.loop.executor(), Serve(lane), boost::asio::detached);
  }
  HandBack(lane);
}

boost::asio::awaitable<void> RecordRunner::Serve(Lane& lane) {
  pipeline::UnderstandAnswer answer;
  while (!lane.waiting.empty()) {
    InFlightPtr record = std::move(lane.waiting.front());
    lane.waiting.pop_front();
    try {
      record->status = co_await Answer(*record, answer);
    } catch (const std::exception&) {
      // As the HTTP server answers 500: one record never hurts another.
      record->status = base::Internal("the answer could not be made");
    }
    lane.ended.push_back(std::move(record));
  }
  HandBack(lane);
}

boost::asio::awaitable<base::Status> RecordRunner::Answer(InFlight& record, pipeline::UnderstandAnswer& answer) {
  base::CallContext& call = record.request.context;
  call.received_at = parts_.clock.Now();
  call.deadline = base::Deadline(call.received_at + timeout_).EarlierOf(record.request.deadline);
  const pipeline::UnderstandRequest& request = record.request.request;
  UnderstandOutcome outcome =
      co_await AnswerOrPromise(parts_.pipeline, parts_.callbacks, call, call.request_id, request, answer);
  if (!outcome.status.has_value()) co_return std::move(outcome.status);
  record.result.clear();
  base::JsonWriter json(record.result);
  json.BeginObject();
  if (outcome.delivery_id.empty()) {
    WriteAnswer(call.request_id, request, answer, json);
  } else {
    WriteTicket(call.request_id, outcome, json);
  }
  json.EndObject();
  co_return base::Status();
}

void RecordRunner::HandBack(Lane& lane) {
  if (lane.ended.empty()) return;
  bool first = false;
  {
    const base::MutexLock lock(mutex_);
    first = done_.empty();
    std::ranges::move(lane.ended, std::back_inserter(done_));
  }
  lane.ended.clear();
  // Who is not the first comes with the one that was.
  if (first) parts_.wakeup.Wake();
}

std::vector<InFlightPtr> RecordRunner::TakeDone() {
  std::vector<InFlightPtr> done;
  const base::MutexLock lock(mutex_);
  done.swap(done_);
  return done;
}

}  // namespace loquat::ingress::kafka
