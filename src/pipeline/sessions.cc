#include "pipeline/sessions.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

namespace loquat::pipeline {
namespace {

using boost::asio::awaitable;
using context::SessionSnapshot;

base::Error NoSuchSession(std::string_view id) {
  return {.code = base::Code::kNotFound,
          .message = fmt::format("there is no session \"{}\"; it may have expired", id),
          .reason = "session_not_found"};
}

}  // namespace

base::Status CheckSessionId(std::string_view id, std::string_view param) {
  if (context::IsValidSessionId(id)) return {};
  return base::InvalidArgument(
      fmt::format("a session id has 1 to {} letters, digits and -_.:@", context::kSessionIdBytesMax),
      std::string(param));
}

awaitable<base::Result<SessionSnapshot>> SessionUseCases::Get(std::string_view id) {
  LOQUAT_CO_TRY(CheckSessionId(id, "id"));
  LOQUAT_CO_ASSIGN(SessionSnapshot session, co_await store_.Load(id));
  if (session == nullptr) co_return NoSuchSession(id);
  co_return session;
}

awaitable<base::Status> SessionUseCases::Remove(std::string_view id) {
  LOQUAT_CO_TRY(CheckSessionId(id, "id"));
  LOQUAT_CO_ASSIGN(const bool removed, co_await store_.Remove(id));
  if (!removed) co_return NoSuchSession(id);
  co_return base::Status();
}

awaitable<base::Result<SessionSnapshot>> SessionUseCases::Fork(std::string_view id, std::string new_id) {
  LOQUAT_CO_TRY(CheckSessionId(new_id, "/id"));
  LOQUAT_CO_ASSIGN(const SessionSnapshot source, co_await Get(id));
  auto copy = std::make_unique<domain::Session>(*source);
  copy->id = new_id;
  auto saved = co_await store_.Save(std::move(copy), 0);
  if (!saved.has_value() && saved.error().code == base::Code::kAborted) {
    co_return base::Error{.code = base::Code::kAlreadyExists,
                          .message = fmt::format("there is already a session \"{}\"; choose another id", new_id),
                          .reason = "session_exists",
                          .param = "/id"};
  }
  co_return saved;
}

}  // namespace loquat::pipeline
