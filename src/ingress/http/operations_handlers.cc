#include "ingress/http/operations_handlers.h"

#include <array>
#include <utility>

#include "base/json_writer.h"
#include "ingress/http/error_body.h"

namespace loquat::ingress {

using boost::asio::awaitable;

namespace {

constexpr std::string_view kPlainText = "text/plain; charset=utf-8";

// Scripts and styles of our own origin only; nobody may frame the page.
constexpr std::string_view kContentSecurityPolicy =
    "default-src 'self'; img-src 'self' data:; style-src 'self'; frame-ancestors 'none'; base-uri 'none'";

}  // namespace

awaitable<void> LiveEndpoint::Serve(HttpCall& call) {
  call.Respond(200, kPlainText, "alive\n");
  co_return;
}

awaitable<void> ReadyEndpoint::Serve(HttpCall& call) {
  const base::Status ready = health_.Ready();
  if (ready.has_value()) {
    call.Respond(200, kPlainText, "ready\n");
  } else {
    call.Fail(ready.error());
  }
  co_return;
}

awaitable<void> HealthEndpoint::Serve(HttpCall& call) {
  const pipeline::HealthReport report = co_await health_.Check(call.context());
  std::string out;
  base::JsonWriter json(out);
  json.BeginObject();
  json.Key("status");
  const bool well = report.ready.has_value() && report.part.has_value();
  json.String(report.canary.has_value() ? (well ? "ok" : "degraded") : "failed");
  json.Key("ready");
  json.Bool(report.ready.has_value());
  json.Key("model");
  json.String(report.model);
  json.Key("canary_us");
  json.Fixed(report.canary_us, 1);
  for (const base::Status* status : {&report.ready, &report.canary, &report.part}) {
    if (status->has_value()) continue;
    json.Key("error");
    WriteError(status->error(), call.context().request_id, json);
    break;
  }
  json.EndObject();
  out += '\n';
  call.Respond(report.canary.has_value() && report.ready.has_value() ? 200 : 503, kJson, std::move(out));
}

awaitable<void> MetricsEndpoint::Serve(HttpCall& call) {
  call.Respond(200, observe::kMetricsContentType, registry_.Text());
  co_return;
}

awaitable<void> VarsEndpoint::Serve(HttpCall& call) {
  std::string out;
  write_(out);
  call.Respond(200, kJson, std::move(out));
  co_return;
}

awaitable<void> StaticEndpoint::Serve(HttpCall& call) {
  static constexpr std::array<net::HttpHeader, 3> kHeaders = {{{"Content-Security-Policy", kContentSecurityPolicy},
                                                               {"X-Content-Type-Options", "nosniff"},
                                                               {"Cache-Control", "no-cache"}}};
  call.Respond(200, content_type_, std::string(content_), kHeaders);
  co_return;
}

}  // namespace loquat::ingress
