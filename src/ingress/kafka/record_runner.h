// Understands records on event loops of its own, so that they take nothing from the threads that serve connections, and
// hands them back to the thread that owns them.
//
// Run and TakeDone by one thread. The references outlive it. Between Run and TakeDone `request`, `status` and `result`
// of the record belong to a loop.

#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "ingress/kafka/client_handles.h"
#include "ingress/kafka/in_flight.h"
#include "net/event_loop.h"
#include "pipeline/callbacks.h"
#include "pipeline/understand.h"

namespace loquat::ingress::kafka {

class RecordRunner {
 public:
  RecordRunner(pipeline::UnderstandPipeline& pipeline, pipeline::Callbacks& callbacks, std::size_t threads,
               Wakeup& wakeup);
  // Destroys what is still suspended.
  ~RecordRunner();
  RecordRunner(const RecordRunner&) = delete;
  RecordRunner& operator=(const RecordRunner&) = delete;

  void Run(InFlightPtr record);
  // Those that have ended since the last call, in the order of their ends.
  std::vector<InFlightPtr> TakeDone() LOQUAT_EXCLUDES(mutex_);

 private:
  boost::asio::awaitable<void> RunOne(InFlightPtr record);
  boost::asio::awaitable<base::Status> Answer(InFlight& record);
  void Done(InFlightPtr record) LOQUAT_EXCLUDES(mutex_);

  pipeline::UnderstandPipeline& pipeline_;
  pipeline::Callbacks& callbacks_;
  Wakeup& wakeup_;
  base::Mutex mutex_;
  std::vector<InFlightPtr> done_ LOQUAT_GUARDED_BY(mutex_);
  net::EventLoops loops_;
};

}  // namespace loquat::ingress::kafka
