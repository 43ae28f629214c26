#include "config/etcd/beginning.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/backoff.h"
#include "config/etcd/key_space.h"
#include "config/etcd/snapshot_file.h"

namespace loquat::config::etcd {
namespace {

base::Result<KeySpace> Ask(Client& client, const EtcdOptions& options, std::size_t endpoint) {
  LOQUAT_ASSIGN(const auto connection, client.Connect(endpoint));
  LOQUAT_ASSIGN(const RangeAnswer answer, connection->Range(options.keys_max + 1));
  KeySpace space(options);
  LOQUAT_TRY(space.Replace(answer));
  return space;
}

// Until the time is up; at least once.
base::Result<KeySpace> AskAll(Client& client, const EtcdOptions& options, const base::Clock& clock, const Wait& wait,
                              std::uint64_t seed) {
  const base::TimePoint until = clock.Now() + options.start_timeout;
  base::Backoff backoff({.first = options.retry_first, .ceiling = options.retry_max}, seed);
  for (std::size_t tries = 0;; ++tries) {
    const std::size_t endpoint = tries % client.endpoint_count();
    auto space = Ask(client, options, endpoint);
    if (space.has_value()) return space;
    // Waiting mends no wrong password and no bound.
    const base::Code code = space.error().code;
    const bool final = code == base::Code::kResourceExhausted || code == base::Code::kUnauthenticated ||
                       code == base::Code::kPermissionDenied || code == base::Code::kInvalidArgument;
    if (final || clock.Now() >= until) {
      base::Error error = std::move(space).error();
      error.message = fmt::format("etcd at {}: {}", client.endpoint(endpoint), error.message);
      return error;
    }
    wait(std::min(backoff.Next(), until - clock.Now()));
  }
}

// 2026-11-21 19:36:10 UTC
std::string TimeText(base::WallTime time) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", std::chrono::floor<std::chrono::seconds>(time));
}

}  // namespace

base::Result<Beginning> Begin(Client& client, const EtcdOptions& options, const base::Clock& clock, const Wait& wait,
                              std::uint64_t seed) {
  Beginning beginning;
  beginning.good = std::make_shared<const Layer>(KeySpace::EmptyLayer(options));
  bool snapshot_there = false;
  std::string snapshot_says;
  if (!options.snapshot.empty()) {
    auto snapshot = ReadSnapshot(options);
    if (snapshot.has_value()) {
      snapshot_there = true;
      snapshot_says = fmt::format("the snapshot of {}, revision {}", TimeText(snapshot->saved), snapshot->revision);
      beginning.good = std::make_shared<const Layer>(std::move(snapshot->layer));
      beginning.revision = snapshot->revision;
    } else if (snapshot.error().code != base::Code::kNotFound) {
      beginning.warnings.push_back(snapshot.error().message);
    }
  }
  beginning.wanted = beginning.good;
  const auto space = AskAll(client, options, clock, wait, seed);
  if (space.has_value()) {
    const bool lost =
        space->revision() < beginning.revision && space->layer().entries.empty() && !beginning.good->entries.empty();
    if (lost) {
      beginning.warnings.push_back("etcd has lost its data: its revision went back and there is no key below " +
                                   options.prefix + "; started from " + snapshot_says);
      return beginning;
    }
    beginning.wanted = std::make_shared<const Layer>(space->layer());
    beginning.revision = space->revision();
    return beginning;
  }
  if (snapshot_there) {
    beginning.warnings.push_back(fmt::format("{}; started from {}", space.error().message, snapshot_says));
    return beginning;
  }
  if (options.required) {
    base::Error error = base::Unavailable(
        fmt::format("{}; and there is no snapshot to start from{}. Start etcd, or set etcd.required: false to start "
                    "without it",
                    space.error().message, beginning.warnings.empty() ? "" : " (" + beginning.warnings.front() + ")"));
    error.reason = "etcd_away";
    return error;
  }
  beginning.warnings.push_back(space.error().message +
                               "; started without what etcd has, as etcd.required is false; it is tried again");
  return beginning;
}

}  // namespace loquat::config::etcd
