#include "observe/rotating_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "base/strings.h"

namespace loquat::observe {
namespace {

namespace fs = std::filesystem;

// "20261121T085300.123456Z"
constexpr std::size_t kStampBytes = 23;
constexpr std::string_view kGzip = ".gz";
constexpr std::string_view kTemporary = ".tmp";
// Backups are looked through for age this often even when nothing is put aside.
constexpr auto kTidyEvery = std::chrono::hours(1);
constexpr std::size_t kCopyBytes = 256 * 1024;

std::string Stamp(base::WallTime at) {
  std::string text;
  AppendTimestamp(at, text);
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text;
}

// The time in the name of a backup; nothing where the name is no backup's.
std::optional<base::WallTime> StampOf(std::string_view name, std::string_view stem) {
  if (!name.starts_with(stem)) return std::nullopt;
  name.remove_prefix(stem.size());
  if (name.ends_with(kGzip)) name.remove_suffix(kGzip.size());
  if (name.size() != kStampBytes || name[8] != 'T' || name[15] != '.' || name[22] != 'Z') return std::nullopt;
  const auto number = [name](std::size_t at, std::size_t size) {
    return base::ParseInt<unsigned>(name.substr(at, size));
  };
  const auto year = number(0, 4), month = number(4, 2), day = number(6, 2);
  const auto hour = number(9, 2), minute = number(11, 2), second = number(13, 2), micro = number(16, 6);
  if (!year || !month || !day || !hour || !minute || !second || !micro) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)), std::chrono::month(*month),
                                         std::chrono::day(*day)};
  if (!date.ok()) return std::nullopt;
  return base::WallTime(std::chrono::sys_days(date)) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
         std::chrono::seconds(*second) + std::chrono::microseconds(*micro);
}

base::Status Copy(int from, gzFile to, const std::string& path) {
  std::string buffer(kCopyBytes, '\0');
  for (;;) {
    const ssize_t got = ::read(from, buffer.data(), buffer.size());
    if (got == 0) return {};
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return base::FileError("read", path, errno);
    if (::gzwrite(to, buffer.data(), static_cast<unsigned>(got)) != got)
      return base::FileError("compress", path, errno);
  }
}

base::Status Compress(const std::string& path) {
  const std::string target = path + std::string(kGzip);
  const std::string temporary = target + std::string(kTemporary);
  const int from = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (from < 0) return base::FileError("open", path, errno);
  gzFile to = ::gzopen(temporary.c_str(), "wbe6");
  base::Status status;
  if (to == nullptr) {
    status = base::FileError("create", temporary, errno);
  } else {
    status = Copy(from, to, path);
    if (::gzclose(to) != Z_OK && status.has_value()) status = base::FileError("compress", path, errno);
  }
  ::close(from);
  if (status.has_value() && ::rename(temporary.c_str(), target.c_str()) != 0)
    status = base::FileError("rename", temporary, errno);
  if (!status.has_value()) {
    ::unlink(temporary.c_str());
    return status;
  }
  if (::unlink(path.c_str()) != 0) return base::FileError("delete", path, errno);
  return {};
}

}  // namespace

std::vector<std::string> ListBackups(const std::string& path) {
  const fs::path file(path);
  const std::string stem = file.filename().string() + ".";
  std::vector<std::string> backups;
  std::error_code error;
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (StampOf(it->path().filename().string(), stem).has_value()) backups.push_back(it->path().string());
  }
  // The stamps have one width, so that names sort by time.
  std::ranges::sort(backups);
  return backups;
}

base::Status TidyBackups(const std::string& path, const RotationOptions& options, base::WallTime now) {
  base::Status status;
  const auto keep_first_error = [&status](base::Status next) {
    if (status.has_value()) status = std::move(next);
  };
  std::vector<std::string> backups = ListBackups(path);
  const std::string stem = fs::path(path).filename().string() + ".";
  std::size_t left = backups.size();
  for (const std::string& backup : backups) {
    const auto stamp = StampOf(fs::path(backup).filename().string(), stem);
    const bool old = options.age_max.count() > 0 && stamp.has_value() && now - *stamp > options.age_max;
    if (left > options.backups_max || old) {
      --left;
      if (::unlink(backup.c_str()) != 0) keep_first_error(base::FileError("delete", backup, errno));
    } else if (options.gzip && !backup.ends_with(kGzip)) {
      keep_first_error(Compress(backup));
    }
  }
  return status;
}

base::Result<std::unique_ptr<RotatingFileSink>> RotatingFileSink::Open(std::string path, LogFormat format,
                                                                       RotationOptions options,
                                                                       const base::Clock& clock) {
  std::unique_ptr<RotatingFileSink> sink(new RotatingFileSink(std::move(path), format, options, clock));
  LOQUAT_TRY(sink->OpenFile());
  sink->tidier_ = std::jthread([raw = sink.get()] { raw->TidyLoop(); });
  return sink;
}

RotatingFileSink::RotatingFileSink(std::string path, LogFormat format, RotationOptions options,
                                   const base::Clock& clock)
    : path_(std::move(path)), format_(format), options_(options), clock_(clock) {}

RotatingFileSink::~RotatingFileSink() {
  {
    const base::MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyAll();
  if (tidier_.joinable()) tidier_.join();
  if (descriptor_ >= 0) ::close(descriptor_);
}

base::Status RotatingFileSink::OpenFile() {
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (descriptor_ < 0) return base::FileError("open", path_, errno);
  struct stat info {};
  size_ = ::fstat(descriptor_, &info) == 0 ? static_cast<std::size_t>(info.st_size) : 0;
  return {};
}

base::Status RotatingFileSink::Rotate() {
  base::WallTime at = clock_.WallNow();
  std::string backup = path_ + "." + Stamp(at);
  std::error_code error;
  while (fs::exists(backup, error) || fs::exists(backup + std::string(kGzip), error)) {
    at += std::chrono::microseconds(1);
    backup = path_ + "." + Stamp(at);
  }
  if (::rename(path_.c_str(), backup.c_str()) != 0 && errno != ENOENT) return base::FileError("rename", path_, errno);
  ::close(std::exchange(descriptor_, -1));
  LOQUAT_TRY(OpenFile());
  const base::MutexLock lock(mutex_);
  tidy_due_ = true;
  changed_.NotifyAll();
  return {};
}

std::size_t RotatingFileSink::Write(std::span<const LogRecord> records) {
  std::size_t lost = 0;
  std::size_t pending = 0;
  std::string chunk;
  const auto flush = [&] {
    const bool written = descriptor_ >= 0 && WriteAll(descriptor_, chunk, path_).has_value();
    if (written) {
      size_ += chunk.size();
    } else {
      lost += pending;
    }
    chunk.clear();
    pending = 0;
  };
  std::string line;
  for (const LogRecord& record : records) {
    line.clear();
    AppendLine(record, format_, false, line);
    if (size_ + chunk.size() > 0 && size_ + chunk.size() + line.size() > options_.bytes_max) {
      flush();
      // Where putting aside fails (a full disk, rights taken away) the lines go on into the file there is.
      (void)Rotate().has_value();
    }
    chunk += line;
    ++pending;
    if (chunk.size() >= kCopyBytes) flush();
  }
  if (pending > 0) flush();
  if (descriptor_ < 0) (void)OpenFile().has_value();  // The next lines may fare better.
  return lost;
}

base::Status RotatingFileSink::WaitTidy() {
  const base::MutexLock lock(mutex_);
  while (tidy_due_ || tidying_) changed_.Wait(mutex_);
  return last_;
}

void RotatingFileSink::TidyLoop() {
  for (;;) {
    {
      const base::MutexLock lock(mutex_);
      const auto until = std::chrono::steady_clock::now() + kTidyEvery;
      while (!tidy_due_ && !stopping_ && changed_.WaitUntil(mutex_, until)) continue;
      // What is due is still done, so that a stopped program leaves no more files than it may.
      if (stopping_ && !tidy_due_) return;
      tidy_due_ = false;
      tidying_ = true;
    }
    base::Status status = TidyBackups(path_, options_, clock_.WallNow());
    {
      const base::MutexLock lock(mutex_);
      last_ = std::move(status);
      tidying_ = false;
    }
    changed_.NotifyAll();
  }
}

}  // namespace loquat::observe
