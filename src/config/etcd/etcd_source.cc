#include "config/etcd/etcd_source.h"

#include <unistd.h>

#include <utility>

#include "base/mutex.h"

namespace loquat::config::etcd {
namespace {

// Servers that start together must not draw the same waits.
std::uint64_t Seed(const base::Clock& clock) {
  return static_cast<std::uint64_t>(clock.WallNow().time_since_epoch().count()) ^ static_cast<std::uint64_t>(::getpid())
                                                                                      << 40;
}

void WaitFor(base::Duration duration) {
  base::Mutex mutex;
  base::CondVar never;
  const base::TimePoint until = std::chrono::steady_clock::now() + duration;
  const base::MutexLock lock(mutex);
  while (never.WaitUntil(mutex, until)) continue;
}

}  // namespace

base::Result<Beginning> EtcdSource::Begin(const EtcdOptions& options, const base::Clock& clock) {
  LOQUAT_ASSIGN(const auto client, GrpcClient::Create(options));
  return etcd::Begin(*client, options, clock, WaitFor, Seed(clock));
}

base::Result<std::unique_ptr<EtcdSource>> EtcdSource::Start(const EtcdOptions& options, std::int64_t known_revision,
                                                            const Parts& parts) {
  LOQUAT_ASSIGN(auto client, GrpcClient::Create(options));
  return std::unique_ptr<EtcdSource>(new EtcdSource(std::move(client), options, known_revision, parts));
}

EtcdSource::EtcdSource(std::unique_ptr<GrpcClient> client, const EtcdOptions& options, std::int64_t known_revision,
                       const Parts& parts)
    : client_(std::move(client)),
      follower_(
          {.client = *client_, .sink = parts.sink, .clock = parts.clock, .log = parts.log, .metrics = parts.metrics},
          options, known_revision, Seed(parts.clock)),
      thread_([this] { follower_.Run(); }) {}

EtcdSource::~EtcdSource() {
  follower_.Stop();
  if (thread_.joinable()) thread_.join();
}

}  // namespace loquat::config::etcd
