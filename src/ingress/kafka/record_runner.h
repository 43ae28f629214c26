// Understands records on event loops of its own, so that they take nothing from the threads that serve connections, and
// hands them back to the thread that owns them. Records go over to a loop and come back in batches, for a wake-up of
// the other thread costs as much as a part of the understanding.
//
// Run, Flush and TakeDone by one thread. The references outlive it. Between Run and TakeDone `request`, `status` and
// `result` of the record belong to a loop.

#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <deque>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "ingress/kafka/client_handles.h"
#include "ingress/kafka/in_flight.h"
#include "net/event_loop.h"
#include "pipeline/callbacks.h"
#include "pipeline/understand.h"

namespace loquat::ingress::kafka {

// Of records that go over together, and of those that come back: about a millisecond of understanding.
inline constexpr std::size_t kBatchMax = 32;

struct RecordRunnerParts {
  pipeline::UnderstandPipeline& pipeline;
  pipeline::Callbacks& callbacks;
  const base::Clock& clock;
  Wakeup& wakeup;  // Told when there is something for TakeDone.
};

class RecordRunner {
 public:
  // `timeout`: of one attempt, from its beginning on a loop.
  RecordRunner(const RecordRunnerParts& parts, std::size_t threads, std::chrono::milliseconds timeout);
  // Destroys what is still suspended.
  ~RecordRunner();
  RecordRunner(const RecordRunner&) = delete;
  RecordRunner& operator=(const RecordRunner&) = delete;

  // It may be collected for a batch: Flush before waiting for anything.
  void Run(InFlightPtr record);
  void Flush();
  // Those that have ended since the last call, in the order of their ends.
  std::vector<InFlightPtr> TakeDone() LOQUAT_EXCLUDES(mutex_);

 private:
  struct Lane {
    explicit Lane(net::EventLoop& its_loop) : loop(its_loop) {}
    net::EventLoop& loop;
    std::vector<InFlightPtr> collected;  // The owner's: for the next batch.
    // The loop's: to be begun, and ended but not handed back.
    std::deque<InFlightPtr> waiting;
    std::vector<InFlightPtr> ended;
  };

  void Send(Lane& lane);
  void Begin(Lane& lane, std::vector<InFlightPtr> batch);
  boost::asio::awaitable<void> Serve(Lane& lane);
  boost::asio::awaitable<base::Status> Answer(InFlight& record, pipeline::UnderstandAnswer& answer);
  void HandBack(Lane& lane) LOQUAT_EXCLUDES(mutex_);

  const RecordRunnerParts parts_;
  const std::chrono::milliseconds timeout_;
  base::Mutex mutex_;
  std::vector<InFlightPtr> done_ LOQUAT_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Lane>> lanes_;  // One for each loop.
  std::size_t turn_ = 0;
  net::EventLoops loops_;
};

}  // namespace loquat::ingress::kafka
