// A log file that is put aside when it is full, and its old ones: compressed, and deleted by number and age.
// Write is for one thread (the logger's writer); the tidying runs on a thread of its own, so that compressing 200 MB
// does not hold lines up. The clock outlives the sink.
//
// "loquat.log" is put aside as "loquat.log.20261121T085300.123456Z" (UTC), then compressed to the same name with ".gz"
// (RFC 1952) through a ".tmp" file and a rename; a crash in between leaves a file that the next start compresses.

#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "observe/log_sink.h"

namespace loquat::observe {

struct RotationOptions {
  std::size_t bytes_max = 200'000'000;  // Of the file in use; a single larger line gets a file of its own.
  std::size_t backups_max = 7;          // Put-aside files kept; 0: none.
  std::chrono::hours age_max{30 * 24};  // Older ones go; zero: age does not matter.
  bool gzip = true;
};

// One pass over the put-aside files of `path`: compresses, then deletes by number and age. Errors name the file.
base::Status TidyBackups(const std::string& path, const RotationOptions& options, base::WallTime now);
// Oldest first, full paths.
std::vector<std::string> ListBackups(const std::string& path);

class RotatingFileSink final : public LogSink {
 public:
  static base::Result<std::unique_ptr<RotatingFileSink>> Open(std::string path, LogFormat format,
                                                              RotationOptions options, const base::Clock& clock);
  ~RotatingFileSink() override;

  std::size_t Write(std::span<const LogRecord> records) override;
  // Returns when no tidying is due or running; its last error.
  base::Status WaitTidy() LOQUAT_EXCLUDES(mutex_);

 private:
  RotatingFileSink(std::string path, LogFormat format, RotationOptions options, const base::Clock& clock);
  base::Status OpenFile();
  base::Status Rotate();
  void TidyLoop() LOQUAT_EXCLUDES(mutex_);

  // Constant after construction.
  const std::string path_;
  const LogFormat format_;
  const RotationOptions options_;
  const base::Clock& clock_;
  // Writer thread only.
  int descriptor_ = -1;
  std::size_t size_ = 0;

  base::Mutex mutex_;
  base::CondVar changed_;
  bool tidy_due_ LOQUAT_GUARDED_BY(mutex_) = true;  // Once at start, for what a crash left.
  bool tidying_ LOQUAT_GUARDED_BY(mutex_) = false;
  bool stopping_ LOQUAT_GUARDED_BY(mutex_) = false;
  base::Status last_ LOQUAT_GUARDED_BY(mutex_);
  std::jthread tidier_;
};

}  // namespace loquat::observe
