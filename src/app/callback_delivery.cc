#include "app/callback_delivery.h"

#include <utility>

#include "app/version.h"
#include "net/tls.h"

namespace loquat::app {

base::Result<std::unique_ptr<CallbackDelivery>> CallbackDelivery::Open(const response::CallbackOptions& options,
                                                                       ingress::UnderstandWork& work,
                                                                       const base::Clock& clock, observe::Logger& log,
                                                                       observe::Registry& metrics) {
  std::unique_ptr<CallbackDelivery> delivery(new CallbackDelivery(work, options));
  LOQUAT_ASSIGN(auto tls, net::TlsContext::ForClient({.ca_file = options.ca_file}));
  const response::DeliveriesParts parts{.loop = delivery->loops_.at(0),
                                        .resolver = delivery->resolver_,
                                        .clock = clock,
                                        .log = log,
                                        .metrics = metrics,
                                        .tls = std::move(tls),
                                        .user_agent = "loquat/" LOQUAT_VERSION};
  LOQUAT_ASSIGN(delivery->deliveries_, response::Deliveries::Open(parts, options));
  return delivery;
}

CallbackDelivery::~CallbackDelivery() {
  Stop();
}

base::Status CallbackDelivery::Start(std::vector<boost::asio::ip::tcp::endpoint> own) {
  {
    const base::MutexLock lock(mutex_);
    own_ = std::move(own);
    LOQUAT_TRY(deliveries_->Configure(options_, own_));
  }
  deliveries_->Start([this](const response::CallbackWork& work) { return work_.MakeBody(work); });
  loops_.Start();
  return {};
}

base::Status CallbackDelivery::Reload(const response::CallbackOptions& options) {
  const base::MutexLock lock(mutex_);
  LOQUAT_TRY(deliveries_->Configure(options, own_));
  options_ = options;
  return {};
}

void CallbackDelivery::Stop() {
  loops_.Stop();
  loops_.Join();
}

}  // namespace loquat::app
