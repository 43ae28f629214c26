// The parts that answers by callback need, wired together: a loop of their own, so that calls of slow targets and the
// making of their answers take nothing from the I/O threads; the resolver; the deliveries.
//
// One thread builds, starts, reloads, drains and destroys it, but Reload may be the configuration's thread. The parts
// referred to outlive it; the loops of those who are promised something do too.

#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <vector>

#include "base/clock.h"
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
  base::Status Start(const response::CallbackOptions& options, std::vector<boost::asio::ip::tcp::endpoint> own);
  base::Status Reload(const response::CallbackOptions& options);
  bool Drain(std::chrono::milliseconds timeout) { return deliveries_->Drain(timeout); }
  // Ends what is under way; the journal knows it.
  void Stop();

 private:
  explicit CallbackDelivery(ingress::UnderstandWork& work) : work_(work) {}

  ingress::UnderstandWork& work_;
  std::vector<boost::asio::ip::tcp::endpoint> own_;  // Constant once started.
  net::EventLoops loops_{{.threads = 1}};
  net::SystemResolver resolver_;
  std::unique_ptr<response::Deliveries> deliveries_;
};

}  // namespace loquat::app
