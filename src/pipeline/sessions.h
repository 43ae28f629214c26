// What a client may do to a session besides talking in it: look, delete, fork.
//
// Thread-safe. The store outlives it.

#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>
#include <string_view>

#include "base/result.h"
#include "context/session_store.h"

namespace loquat::pipeline {

class SessionUseCases {
 public:
  explicit SessionUseCases(context::SessionStore& store) : store_(store) {}

  // Errors of all three: invalid_argument for an id that no session can have, not_found, unavailable.
  boost::asio::awaitable<base::Result<context::SessionSnapshot>> Get(std::string_view id);
  boost::asio::awaitable<base::Status> Remove(std::string_view id);
  // Copies the session under a new id; already_exists when that one is taken.
  boost::asio::awaitable<base::Result<context::SessionSnapshot>> Fork(std::string_view id, std::string new_id);

 private:
  context::SessionStore& store_;
};

// The session id of a request body or path; `param` names it in the error.
base::Status CheckSessionId(std::string_view id, std::string_view param);

}  // namespace loquat::pipeline
