// From a checked URL to the addresses that may be connected to: names are looked up once, every address is checked, and
// the connection is made to one of these and no other (a pin), so that a name whose answer changes between the check
// and the call (DNS rebinding) gains nothing.
//
// Threads: Resolve is called on an I/O loop and resumes there; SystemResolver looks names up on threads of its own, a
// few at a time, so that one name server that does not answer holds up only some of them. Lifetime: the loops outlive
// the resolver, and it outlives the calls; its destructor waits for look-ups under way (the system's own limit).

#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/thread_pool.hpp>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "net/target_policy.h"

namespace loquat::net {

inline constexpr std::size_t kResolverThreads = 8;
inline constexpr std::size_t kAddressesPerHostMax = 16;  // More of one answer are not looked at.

class HostResolver {
 public:
  virtual ~HostResolver() = default;
  // Errors: unavailable "host_not_found"; deadline_exceeded "resolve_timeout" at `until`.
  virtual boost::asio::awaitable<base::Result<std::vector<boost::asio::ip::address>>> Resolve(
      std::string host, base::TimePoint until) = 0;
};

class SystemResolver final : public HostResolver {
 public:
  SystemResolver() : pool_(kResolverThreads) {}
  ~SystemResolver() override;
  boost::asio::awaitable<base::Result<std::vector<boost::asio::ip::address>>> Resolve(std::string host,
                                                                                      base::TimePoint until) override;

 private:
  boost::asio::thread_pool pool_;
};

// The endpoints to connect to. One refused address refuses the name: who mixes private addresses into an answer is
// trying something. Errors: those of HostResolver and of TargetPolicy::CheckAddress.
boost::asio::awaitable<base::Result<std::vector<boost::asio::ip::tcp::endpoint>>> PinTarget(const TargetPolicy& policy,
                                                                                            HostResolver& resolver,
                                                                                            const Target& target,
                                                                                            base::TimePoint until);

}  // namespace loquat::net
