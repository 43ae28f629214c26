#include "config/file_watcher.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "base/file.h"

namespace loquat::config {
namespace {

// IN_MODIFY is left out: a file that is being written is not looked at before it is closed.
constexpr std::uint32_t kEvents =
    IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_ONLYDIR;

std::string FolderOf(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

}  // namespace

base::Result<std::unique_ptr<FileWatcher>> FileWatcher::Start(std::string path, WatchOptions options, Changed changed) {
  const int events = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (events < 0) return base::FileError("watch", path, errno);
  const int stop = ::eventfd(0, EFD_CLOEXEC);
  if (stop < 0) {
    const int error = errno;
    ::close(events);
    return base::FileError("watch", path, error);
  }
  std::unique_ptr<FileWatcher> watcher(new FileWatcher(std::move(path), options, std::move(changed), events, stop));
  LOQUAT_TRY(watcher->WatchFolders());
  watcher->seen_ = Look(watcher->path_);
  watcher->thread_ = std::jthread([raw = watcher.get()] { raw->Run(); });
  return watcher;
}

FileWatcher::FileWatcher(std::string path, WatchOptions options, Changed changed, int events, int stop)
    : path_(std::move(path)), options_(options), changed_(std::move(changed)), events_(events), stop_(stop) {}

FileWatcher::~FileWatcher() {
  // Cannot fail: the counter is far from full.
  ::eventfd_write(stop_, 1);
  if (thread_.joinable()) thread_.join();
  ::close(events_);
  ::close(stop_);
}

std::optional<FileWatcher::Signature> FileWatcher::Look(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return std::nullopt;
  const auto nanoseconds = [](const timespec& time) {
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  };
  return Signature{info.st_dev, info.st_ino, static_cast<std::uint64_t>(info.st_size), nanoseconds(info.st_mtim),
                   nanoseconds(info.st_ctim)};
}

base::Status FileWatcher::WatchFolders() {
  // Adding a folder that is watched already changes nothing, so this is also how a new target's folder is found.
  if (::inotify_add_watch(events_, FolderOf(path_).c_str(), kEvents) < 0) {
    return base::FileError("watch", FolderOf(path_), errno);
  }
  std::error_code error;
  const auto real = std::filesystem::canonical(path_, error);
  if (!error) ::inotify_add_watch(events_, FolderOf(real.string()).c_str(), kEvents);
  return {};
}

FileWatcher::Woken FileWatcher::Wait(std::chrono::milliseconds timeout) {
  std::array<pollfd, 2> ready = {pollfd{.fd = stop_, .events = POLLIN, .revents = 0},
                                 pollfd{.fd = events_, .events = POLLIN, .revents = 0}};
  const int count = ::poll(ready.data(), ready.size(), static_cast<int>(timeout.count()));
  if (ready[0].revents != 0) return Woken::kStop;
  if (count <= 0 || ready[1].revents == 0) return Woken::kTimeout;
  std::array<char, 4096> buffer;
  // What the events say does not matter: after them the file is looked at. A queue that overflowed is an event too.
  while (::read(events_, buffer.data(), buffer.size()) > 0) continue;
  return Woken::kEvent;
}

void FileWatcher::Run() {
  using Clock = std::chrono::steady_clock;
  const auto idle = options_.poll.count() > 0 ? options_.poll : std::chrono::milliseconds(-1);
  for (;;) {
    Woken woken = Wait(idle);
    const auto limit = Clock::now() + options_.debounce_max;
    while (woken == Woken::kEvent && Clock::now() < limit) woken = Wait(options_.debounce);
    if (woken == Woken::kStop) return;
    // Folders may have come, gone or been swapped; without any the poll goes on looking.
    (void)WatchFolders().has_value();
    const std::optional<Signature> now = Look(path_);
    if (!now.has_value() || now == seen_) continue;
    seen_ = now;
    changed_();
  }
}

}  // namespace loquat::config
