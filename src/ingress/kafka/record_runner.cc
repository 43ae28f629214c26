#include "ingress/kafka/record_runner.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <exception>
#include <utility>

#include "base/json_writer.h"
#include "ingress/http/frame_json.h"
#include "ingress/http/understand_outcome.h"

namespace loquat::ingress::kafka {

RecordRunner::RecordRunner(pipeline::UnderstandPipeline& pipeline, pipeline::Callbacks& callbacks, std::size_t threads,
                           Wakeup& wakeup)
    : pipeline_(pipeline), callbacks_(callbacks), wakeup_(wakeup), loops_({.threads = threads}) {
  loops_.Start();
}

RecordRunner::~RecordRunner() {
  loops_.Stop();
  loops_.Join();
}

void RecordRunner::Run(InFlightPtr record) {
  net::EventLoop& loop = loops_.Next();
  boost::asio::co_spawn(loop.executor(), RunOne(std::move(record)), boost::asio::detached);
}

boost::asio::awaitable<void> RecordRunner::RunOne(InFlightPtr record) {
  try {
    record->status = co_await Answer(*record);
  } catch (const std::exception&) {
    // As the HTTP server answers 500: one record never hurts another.
    record->status = base::Internal("the answer could not be made");
  }
  Done(std::move(record));
}

boost::asio::awaitable<base::Status> RecordRunner::Answer(InFlight& record) {
  const base::CallContext& call = record.request.context;
  const pipeline::UnderstandRequest& request = record.request.request;
  pipeline::UnderstandAnswer answer;
  UnderstandOutcome outcome = co_await AnswerOrPromise(pipeline_, callbacks_, call, call.request_id, request, answer);
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

void RecordRunner::Done(InFlightPtr record) {
  bool first = false;
  {
    const base::MutexLock lock(mutex_);
    first = done_.empty();
    done_.push_back(std::move(record));
  }
  // Who is not the first comes with the one that was.
  if (first) wakeup_.Wake();
}

std::vector<InFlightPtr> RecordRunner::TakeDone() {
  std::vector<InFlightPtr> done;
  const base::MutexLock lock(mutex_);
  done.swap(done_);
  return done;
}

}  // namespace loquat::ingress::kafka
