// Tells when a file has other content: edited in place, replaced by rename, or reached through a symbolic link that was
// swapped (as Kubernetes does for mounted config maps: ..data is renamed over). One thread of its own, which calls
// back.
//
// inotify(7) watches the folder of the path, and the folder that its links lead to, never the file, which may be
// replaced. Only finished writes count (close after write, or rename), and a quiet moment after them. A slow poll
// stands behind it for file systems without events.

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/result.h"

namespace loquat::config {

struct WatchOptions {
  std::chrono::milliseconds debounce{100};       // Quiet after the last event before the file is looked at.
  std::chrono::milliseconds debounce_max{1000};  // Events that never end do not hold the look up longer.
  std::chrono::milliseconds poll{10'000};        // Looks without any event; zero: never.
};

class FileWatcher {
 public:
  // Called on the watcher's thread when device, inode, size or times of the file differ from the last look. A file that
  // is gone is not called about until it is back. `changed` must not destroy the watcher.
  using Changed = std::function<void()>;

  // What is there now is the state that changes are counted from.
  static base::Result<std::unique_ptr<FileWatcher>> Start(std::string path, WatchOptions options, Changed changed);
  // Stops: no call is running afterwards.
  ~FileWatcher();
  FileWatcher(const FileWatcher&) = delete;
  FileWatcher& operator=(const FileWatcher&) = delete;

 private:
  struct Signature {
    std::uint64_t device, inode, size;
    std::int64_t modified_ns, changed_ns;
    bool operator==(const Signature&) const = default;
  };

  FileWatcher(std::string path, WatchOptions options, Changed changed, int events, int stop);
  static std::optional<Signature> Look(const std::string& path);
  base::Status WatchFolders();
  void Run();
  enum class Woken : std::uint8_t { kEvent, kTimeout, kStop };
  Woken Wait(std::chrono::milliseconds timeout);

  // Constant after construction.
  const std::string path_;
  const WatchOptions options_;
  const Changed changed_;
  const int events_;  // inotify descriptor.
  const int stop_;    // eventfd: readable once the watcher stops.
  // Watcher thread only, once it runs.
  std::optional<Signature> seen_;
  std::jthread thread_;
};

}  // namespace loquat::config
