#include "pipeline/callbacks.h"

#include <utility>

#include "observe/trace.h"

namespace loquat::pipeline {

using boost::asio::awaitable;

awaitable<base::Result<std::string>> Callbacks::Promise(const base::CallContext& call, std::string request_id,
                                                        const std::string& url, std::string work) {
  if (deliveries_ == nullptr) {
    co_return base::Error{.code = base::Code::kUnimplemented,
                          .message = "this server delivers nothing by callback (delivery.callbacks.journal)",
                          .reason = "callback_unavailable",
                          .param = "/delivery"};
  }
  co_return co_await deliveries_->Accept({.id = {},
                                          .url = url,
                                          .tenant = call.tenant,
                                          .request_id = std::move(request_id),
                                          .traceparent = observe::FormatTraceparent(call.trace),
                                          .accepted_ms = 0,
                                          .work = std::move(work)});
}

base::Result<response::DeliveryView> Callbacks::Find(const base::CallContext& call, std::string_view id) const {
  if (deliveries_ != nullptr) return deliveries_->Find(id, call.tenant);
  return base::Error{.code = base::Code::kNotFound,
                     .message = "this server delivers nothing by callback (delivery.callbacks.journal)",
                     .reason = "delivery_unknown"};
}

std::vector<response::DeliveryView> Callbacks::List(const base::CallContext& call,
                                                    std::optional<response::DeliveryState> state) const {
  if (deliveries_ == nullptr) return {};
  return deliveries_->List(call.tenant, state, kDeliveriesListedMax);
}

}  // namespace loquat::pipeline
