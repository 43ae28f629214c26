// The parts that answers by callback need, wired together: a loop of their own, so that calls of slow targets and the
// making of their answers take nothing from the I/O threads; the resolver; the deliveries.
//
// One thread builds, starts, reloads, drains and destroys it, but Reload may be the configuration's thread. The parts
// referred to outlive it; the loops of those who are promised something do too.

#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "ingress/http/understand_work.h"
#include "net/event_loop.h"
#include "net/target_resolver.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "response/deliveries.h"

namespace loquat::app {

class CallbackDelivery {
 public:
  // Errors: those of response::Deliveries::Open, and of the trust store.
  static base::Result<std::unique_ptr<CallbackDelivery>> Open(const response::CallbackOptions& options,
                                                              ingress::UnderstandWork& work, const base::Clock& clock,
                                                              observe::Logger& log, observe::Registry& metrics);
  ~CallbackDelivery();

  response::Deliveries& deliveries() { return *deliveries_; }
  // `own`: the listeners of this server.
  base::Status Start(std::vector<boost::asio::ip::tcp::endpoint> own) LOQUAT_EXCLUDES(mutex_);
  base::Status Reload(const response::CallbackOptions& options) LOQUAT_EXCLUDES(mutex_);
  bool Drain(std::chrono::milliseconds timeout) { return deliveries_->Drain(timeout); }
  // Ends what is under way; the journal knows it.
  void Stop();

 private:
  CallbackDelivery(ingress::UnderstandWork& work, response::CallbackOptions options)
      : work_(work), options_(std::move(options)) {}

  ingress::UnderstandWork& work_;
  base::Mutex mutex_;  // A reload may come while the listeners are being opened.
  std::vector<boost::asio::ip::tcp::endpoint> own_ LOQUAT_GUARDED_BY(mutex_);
  response::CallbackOptions options_ LOQUAT_GUARDED_BY(mutex_);
  net::EventLoops loops_{{.threads = 1}};
  net::SystemResolver resolver_;
  std::unique_ptr<response::Deliveries> deliveries_;
};

}  // namespace loquat::app
