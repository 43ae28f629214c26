// Where conversations live between turns. A store hands out immutable snapshots; an update is a compare-and-swap by
// version, so that of two racing turns one is refused with kAborted, reloads and tries again, and none is lost.
//
// Thread-safe. Awaitable because a store may be on another machine; the memory store never suspends.
// A store outlives every call into it.

#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "domain/session.h"

namespace loquat::context {

inline constexpr std::size_t kSessionIdBytesMax = 128;

using SessionSnapshot = std::shared_ptr<const domain::Session>;

struct SessionStoreStats {
  std::uint64_t sessions = 0;
  std::uint64_t bytes = 0;
  std::uint64_t expired = 0;    // Since start: past their time to live.
  std::uint64_t evicted = 0;    // Since start: pushed out by a bound.
  std::uint64_t conflicts = 0;  // Since start: saves refused because another came first.
};

struct SessionStoreHealth {
  base::Status status;  // An error: something is wrong.
  bool usable = true;   // Requests are served all the same.
};

class SessionStore {
 public:
  virtual ~SessionStore() = default;

  // Null when there is no such session (or no longer). Unavailable when the store cannot be reached.
  virtual boost::asio::awaitable<base::Result<SessionSnapshot>> Load(std::string_view id) = 0;

  // Stores `session` if the stored version is `expected_version` (0: there is none yet); sets its version to the next
  // one. kAborted: another update came first; load again and retry.
  // Returns what is stored now.
  virtual boost::asio::awaitable<base::Result<SessionSnapshot>> Save(std::unique_ptr<domain::Session> session,
                                                                     std::uint64_t expected_version) = 0;

  // False when there was none.
  virtual boost::asio::awaitable<base::Result<bool>> Remove(std::string_view id) = 0;

  virtual SessionStoreStats stats() const = 0;
  virtual SessionStoreHealth health() const { return {}; }
};

// Letters, digits and -_.:@ only, 1 to kSessionIdBytesMax bytes: safe in logs, URLs and keys.
bool IsValidSessionId(std::string_view id);

}  // namespace loquat::context
