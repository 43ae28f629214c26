#include "ingress/http/sessions_handler.h"

#include <string>
#include <utility>

#include "base/json_fields.h"
#include "base/json_writer.h"
#include "ingress/http/frame_json.h"
#include "ingress/http/json_body.h"
#include "net/url.h"

namespace loquat::ingress {
namespace {

using boost::asio::awaitable;

base::Result<std::string> SessionIdOf(const HttpCall& call) {
  auto id = net::PercentDecode(call.path_part());
  if (!id.has_value()) return base::InvalidArgument("the session id in the path is not percent-encoded rightly", "id");
  return std::move(*id);
}

void RespondWith(const domain::Session& session, int status, HttpCall& call) {
  std::string out;
  base::JsonWriter json(out);
  WriteSession(session, json);
  out += '\n';
  call.Respond(status, kJson, std::move(out));
}

base::Result<std::string> ReadForkBody(std::string_view body, observe::IdGenerator& ids) {
  if (body.empty()) return ids.RequestId();
  base::JsonParser parser;
  LOQUAT_ASSIGN(const base::JsonValue root, ParseJsonBody(body, parser));
  base::JsonFaults faults;
  base::JsonFields fields(root, faults);
  std::string id(fields.Optional("id").String({.min_bytes = 1}));
  fields.Done();
  LOQUAT_TRY(faults.status());
  return id.empty() ? ids.RequestId() : std::move(id);
}

}  // namespace

awaitable<void> GetSessionEndpoint::Serve(HttpCall& call) {
  const auto id = SessionIdOf(call);
  if (!id.has_value()) {
    call.Fail(id.error());
    co_return;
  }
  const auto session = co_await sessions_.Get(*id);
  if (session.has_value()) {
    RespondWith(**session, 200, call);
  } else {
    call.Fail(session.error());
  }
}

awaitable<void> DeleteSessionEndpoint::Serve(HttpCall& call) {
  const auto id = SessionIdOf(call);
  if (!id.has_value()) {
    call.Fail(id.error());
    co_return;
  }
  const base::Status removed = co_await sessions_.Remove(*id);
  if (removed.has_value()) {
    call.Respond(204, {}, {});
  } else {
    call.Fail(removed.error());
  }
}

awaitable<void> ForkSessionEndpoint::Serve(HttpCall& call) {
  const auto id = SessionIdOf(call);
  if (!id.has_value()) {
    call.Fail(id.error());
    co_return;
  }
  auto new_id = ReadForkBody(call.request().body, ids_);
  if (!new_id.has_value()) {
    call.Fail(new_id.error());
    co_return;
  }
  const auto forked = co_await sessions_.Fork(*id, std::move(*new_id));
  if (forked.has_value()) {
    RespondWith(**forked, 201, call);
  } else {
    call.Fail(forked.error());
  }
}

}  // namespace loquat::ingress
