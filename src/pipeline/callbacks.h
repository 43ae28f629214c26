// The use case of answers that come later: a request is promised an answer by callback, and the promise can be looked
// at. Without deliveries (none are configured) every promise is refused.
//
// Thread-safe, once attached. The deliveries outlive it or its last call.

#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/call_context.h"
#include "base/result.h"
#include "response/deliveries.h"

namespace loquat::pipeline {

inline constexpr std::size_t kDeliveriesListedMax = 100;

class Callbacks {
 public:
  // REQUIRES: called before the first call, if at all.
  void Attach(response::Deliveries& deliveries) { deliveries_ = &deliveries; }
  bool available() const { return deliveries_ != nullptr; }

  // The id of the delivery. `request_id` names the request in the answer; `work` is what the maker of the answer will
  // read. Errors: those of response::Deliveries::Accept; unimplemented "callback_unavailable".
  boost::asio::awaitable<base::Result<std::string>> Promise(const base::CallContext& call, std::string request_id,
                                                            const std::string& url, std::string work);
  // Errors: not_found "delivery_unknown".
  base::Result<response::DeliveryView> Find(const base::CallContext& call, std::string_view id) const;
  // Newest first, at most kDeliveriesListedMax.
  std::vector<response::DeliveryView> List(const base::CallContext& call,
                                           std::optional<response::DeliveryState> state) const;

 private:
  response::Deliveries* deliveries_ = nullptr;  // Constant while serving.
};

}  // namespace loquat::pipeline
