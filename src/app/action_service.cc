#include "app/action_service.h"

#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "app/version.h"
#include "base/file.h"
#include "net/tls.h"
#include "pipeline/actions.h"

namespace loquat::app {
namespace {

constexpr std::size_t kActionsFileBytesMax = std::size_t{1} << 20;

// Empty: there is none.
std::string FileOf(const response::ActionOptions& options, const pipeline::Assistant& assistant) {
  if (!options.file.empty()) return options.file;
  std::string file = assistant.path + "/actions.yml";
  std::error_code ignored;
  return std::filesystem::exists(file, ignored) ? file : std::string();
}

}  // namespace

base::Result<std::unique_ptr<ActionService>> ActionService::Open(const response::ActionOptions& options,
                                                                 const ActionServiceParts& parts) {
  std::string file = FileOf(options, *parts.assistant);
  // A journal alone is opened too: what was begun before the actions were taken away goes to its end.
  if (file.empty() && options.journal.empty()) return nullptr;
  if (options.journal.empty()) {
    return base::InvalidArgument(
        fmt::format("actions.journal: {} has actions, which need a journal to survive a crash; name a file", file),
        "actions.journal");
  }
  std::unique_ptr<ActionService> service(new ActionService(std::move(file), options, parts));
  LOQUAT_ASSIGN(auto tls, net::TlsContext::ForClient({.ca_file = options.ca_file}));
  LOQUAT_ASSIGN(service->sagas_, response::Sagas::Open({.loop = service->loops_.at(0),
                                                        .resolver = service->resolver_,
                                                        .clock = parts.clock,
                                                        .log = parts.log,
                                                        .metrics = parts.metrics,
                                                        .tls = std::move(tls),
                                                        .user_agent = "loquat/" LOQUAT_VERSION},
                                                       options));
  if (service->file_.empty()) return service;
  // The watch begins before the first look, so that no change is missed in between.
  LOQUAT_ASSIGN(service->watcher_,
                config::FileWatcher::Start(service->file_, {}, [raw = service.get()] { raw->OnFileChanged(); }));
  LOQUAT_ASSIGN(auto actions, service->Read());
  service->sagas_->SetActions(std::move(actions));
  return service;
}

ActionService::~ActionService() {
  Stop();
}

base::Result<std::shared_ptr<const response::ActionSet>> ActionService::Read() const {
  LOQUAT_ASSIGN(const std::string yaml, base::ReadFile(file_, kActionsFileBytesMax));
  LOQUAT_ASSIGN(auto actions, response::ActionSet::Compile(yaml, file_));
  LOQUAT_TRY(pipeline::CheckActions(*actions, *parts_.assistant));
  return actions;
}

// On the watcher's thread.
void ActionService::OnFileChanged() {
  auto actions = Read();
  // More likely half written than meant.
  if (actions.has_value() && (*actions)->intents().empty()) {
    actions = base::InvalidArgument(fmt::format("{}: there is no intent in it", file_), file_);
  }
  sagas_->metrics().OnReload(actions.has_value());
  if (!actions.has_value()) {
    parts_.log.Error("the actions stay as they were", {{"file", file_}, {"error", actions.error().message}});
    return;
  }
  parts_.log.Info("the actions were read again", {{"file", file_}, {"intents", (*actions)->intents().size()}});
  sagas_->SetActions(std::move(*actions));
}

base::Status ActionService::Start(std::vector<boost::asio::ip::tcp::endpoint> own) {
  {
    const base::MutexLock lock(mutex_);
    own_ = std::move(own);
    LOQUAT_TRY(sagas_->Configure(options_, own_));
  }
  sagas_->Start();
  loops_.Start();
  return {};
}

base::Status ActionService::Reload(const response::ActionOptions& options) {
  const base::MutexLock lock(mutex_);
  LOQUAT_TRY(sagas_->Configure(options, own_));
  options_ = options;
  return {};
}

void ActionService::Stop() {
  watcher_.reset();
  loops_.Stop();
  loops_.Join();
}

}  // namespace loquat::app
