// The parts that actions need, wired together: a loop of their own, so that calls of slow services take nothing from
// the I/O threads; the resolver; the sagas; and the watch over actions.yml, which is read again when it changes.
//
// One thread builds, starts, reloads, drains and destroys it, but Reload may be the configuration's thread. The parts
// referred to outlive it; the loops of those who wait for an action do too.

#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "config/file_watcher.h"
#include "net/event_loop.h"
#include "net/target_resolver.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "pipeline/assistant.h"
#include "response/sagas.h"

namespace loquat::app {

struct ActionServiceParts {
  const base::Clock& clock;
  observe::Logger& log;
  observe::Registry& metrics;
  std::shared_ptr<const pipeline::Assistant> assistant;
};

class ActionService {
 public:
  // Null: there are no actions, neither configured nor in the assistant's folder. Errors: those of
  // response::ActionSet::Compile, CheckActions and response::Sagas::Open; no journal; the trust store's.
  static base::Result<std::unique_ptr<ActionService>> Open(const response::ActionOptions& options,
                                                           const ActionServiceParts& parts);
  ~ActionService();

  response::Sagas& sagas() { return *sagas_; }
  // `own`: the listeners of this server.
  base::Status Start(std::vector<boost::asio::ip::tcp::endpoint> own) LOQUAT_EXCLUDES(mutex_);
  base::Status Reload(const response::ActionOptions& options) LOQUAT_EXCLUDES(mutex_);
  bool Drain(std::chrono::milliseconds timeout) { return sagas_->Drain(timeout); }
  // Ends what is under way; the journal knows it.
  void Stop();

 private:
  ActionService(std::string file, response::ActionOptions options, const ActionServiceParts& parts)
      : parts_(parts), file_(std::move(file)), options_(std::move(options)) {}
  base::Result<std::shared_ptr<const response::ActionSet>> Read() const;
  void OnFileChanged();

  const ActionServiceParts parts_;
  const std::string file_;
  base::Mutex mutex_;  // A reload may come while the listeners are being opened.
  std::vector<boost::asio::ip::tcp::endpoint> own_ LOQUAT_GUARDED_BY(mutex_);
  response::ActionOptions options_ LOQUAT_GUARDED_BY(mutex_);
  net::EventLoops loops_{{.threads = 1}};
  net::SystemResolver resolver_;
  std::unique_ptr<response::Sagas> sagas_;
  std::unique_ptr<config::FileWatcher> watcher_;  // Last: it uses the rest.
};

}  // namespace loquat::app
