#include "base/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/file.h"

namespace loquat::base {
namespace {

// What a record says may be a user's words: nobody else reads it.
constexpr mode_t kPrivateMode = 0600;

Error Broken(const std::string& path) {
  return {.code = Code::kUnavailable,
          .message = fmt::format("the journal {} could not be flushed to disk and takes no records until it is written "
                                 "anew; look at the disk",
                                 path),
          .reason = "journal_broken"};
}

std::string FolderOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// A rename or a new file is durable once its folder is.
Status FlushFolder(const std::string& path) {
  const std::string folder = FolderOf(path);
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return FileError("open the folder", folder, errno);
  const int result = ::fsync(fd);
  const int number = errno;
  ::close(fd);
  if (result != 0) return FileError("flush the folder", folder, number);
  return {};
}

Status WriteAt(int fd, std::string_view bytes, std::size_t offset, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return FileError("write", path, errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
    offset += static_cast<std::size_t>(written);
  }
  return {};
}

std::size_t BytesOf(const auto& item) {
  if (const auto* record = std::get_if<0>(&item)) return record->payload.size() + kJournalRecordHeadBytes;
  return 0;
}

}  // namespace

Result<std::unique_ptr<Journal>> Journal::Open(JournalOptions options, const Replay& replay,
                                               JournalRecovery& recovery) {
  std::unique_ptr<Journal> journal(new Journal(std::move(options)));
  LOQUAT_TRY(journal->Lock());
  LOQUAT_TRY(journal->Recover(replay, recovery));
  journal->writer_ = std::jthread([raw = journal.get()] { raw->Run(); });
  return journal;
}

Journal::~Journal() {
  if (writer_.joinable()) {
    {
      const MutexLock lock(mutex_);
      stopping_ = true;
      changed_.NotifyAll();
    }
    writer_.join();
  }
  if (file_ >= 0) ::close(file_);
  if (lock_ >= 0) ::close(lock_);
}

// A file of its own, because Replace puts another file in the journal's place.
Status Journal::Lock() {
  const std::string path = options_.path + ".lock";
  lock_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kPrivateMode);
  if (lock_ < 0) return FileError("open", path, errno);
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    return Error{
        .code = Code::kFailedPrecondition,
        .message = fmt::format("the journal {} is in use by another process; give each its own", options_.path),
        .reason = "journal_in_use"};
  }
  return {};
}

Status Journal::Recover(const Replay& replay, JournalRecovery& recovery) {
  struct stat info {};
  const bool present = ::stat(options_.path.c_str(), &info) == 0;
  if (!present && errno != ENOENT) return FileError("look at", options_.path, errno);
  if (!present || info.st_size == 0) return StartFile(kJournalMagic);
  if (static_cast<std::size_t>(info.st_size) > options_.file_bytes_max) {
    return ResourceExhausted(fmt::format("the journal {} has {} bytes; at most {} are read", options_.path,
                                         info.st_size, options_.file_bytes_max),
                             "journal_too_large");
  }
  std::size_t whole = 0;
  {
    LOQUAT_ASSIGN(const MappedFile mapped, MappedFile::Open(options_.path, MapAdvice::kSequential));
    auto scan = ScanJournal(mapped.text(), replay);
    if (!scan.has_value()) {
      scan.error().message = options_.path + ": " + scan.error().message;
      return std::move(scan).error();
    }
    whole = scan->whole_bytes;
    recovery.records = scan->records;
    recovery.cut_bytes = mapped.size() - whole;
    recovery.stop = scan->stop;
    if (recovery.cut_bytes != 0) {
      recovery.cut_file = options_.path + ".cut";
      LOQUAT_TRY(WriteFileAtomically(recovery.cut_file, mapped.text().substr(whole)));
    }
  }
  if (whole < kJournalMagic.size()) return StartFile(kJournalMagic);
  file_ = ::open(options_.path.c_str(), O_RDWR | O_CLOEXEC);
  if (file_ < 0) return FileError("open", options_.path, errno);
  if (recovery.cut_bytes != 0) {
    if (::ftruncate(file_, static_cast<off_t>(whole)) != 0) return FileError("cut", options_.path, errno);
    if (::fdatasync(file_) != 0) return FileError("flush", options_.path, errno);
  }
  size_.store(whole, std::memory_order_relaxed);
  return {};
}

// Puts a new file with these bytes in the journal's place and appends to it from now on.
Status Journal::StartFile(std::string_view bytes) {
  const std::string fresh = options_.path + ".new";
  const int fd = ::open(fresh.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, kPrivateMode);
  if (fd < 0) return FileError("create", fresh, errno);
  Status status = WriteAt(fd, bytes, 0, fresh);
  if (status.has_value() && ::fdatasync(fd) != 0) status = FileError("flush", fresh, errno);
  if (status.has_value() && ::rename(fresh.c_str(), options_.path.c_str()) != 0) {
    status = FileError("replace", options_.path, errno);
  }
  if (!status.has_value()) {
    ::close(fd);
    ::unlink(fresh.c_str());
    return status;
  }
  if (file_ >= 0) ::close(file_);
  file_ = fd;
  size_.store(bytes.size(), std::memory_order_relaxed);
  // Until the folder is on disk a crash may bring the old file back, without what comes after.
  status = FlushFolder(options_.path);
  broken_.store(!status.has_value(), std::memory_order_relaxed);
  return status;
}

Status Journal::Append(std::string payload, Done done) {
  if (payload.empty() || payload.size() > kJournalRecordBytesMax) {
    return InvalidArgument(
        fmt::format("a journal record has 1 to {} bytes, this one {}", kJournalRecordBytesMax, payload.size()));
  }
  const MutexLock lock(mutex_);
  if (queue_bytes_ + payload.size() > options_.queue_bytes_max) {
    return ResourceExhausted(
        fmt::format("the disk does not keep up: {} bytes wait for the journal {}", queue_bytes_, options_.path),
        "journal_queue_full");
  }
  queue_bytes_ += payload.size() + kJournalRecordHeadBytes;
  queue_.emplace_back(Record{std::move(payload), std::move(done)});
  changed_.NotifyOne();
  return {};
}

void Journal::Replace(std::vector<std::string> live, Done done) {
  const MutexLock lock(mutex_);
  queue_.emplace_back(Replacement{std::move(live), std::move(done)});
  changed_.NotifyOne();
}

void Journal::Post(std::function<void()> task) {
  const MutexLock lock(mutex_);
  queue_.emplace_back(std::move(task));
  changed_.NotifyOne();
}

void Journal::Run() {
  std::vector<Item> items;
  std::vector<Record> records;
  for (;;) {
    {
      const MutexLock lock(mutex_);
      while (queue_.empty() && !stopping_) changed_.Wait(mutex_);
      if (queue_.empty()) return;
      std::swap(items, queue_);
    }
    std::size_t bytes = 0;
    for (Item& item : items) {
      bytes += BytesOf(item);
      if (auto* record = std::get_if<Record>(&item)) {
        records.push_back(std::move(*record));
        continue;
      }
      WriteRecords(records);
      if (auto* replacement = std::get_if<Replacement>(&item)) DoReplace(*replacement);
      if (auto* task = std::get_if<Task>(&item)) (*task)();
    }
    WriteRecords(records);
    items.clear();
    const MutexLock lock(mutex_);
    queue_bytes_ -= bytes;
  }
}

void Journal::WriteRecords(std::vector<Record>& records) {
  if (records.empty()) return;
  std::string bytes;
  for (const Record& record : records) AppendJournalRecord(record.payload, bytes);
  const Status status = Write(bytes);
  for (Record& record : records) {
    if (record.done) record.done(status);
  }
  records.clear();
}

Status Journal::Write(std::string_view bytes) {
  if (broken()) return Broken(options_.path);
  const std::size_t size = this->size();
  if (size + bytes.size() > options_.file_bytes_max) {
    return ResourceExhausted(fmt::format("the journal {} is full ({} bytes)", options_.path, size), "journal_full");
  }
  if (Status written = WriteAt(file_, bytes, size, options_.path); !written.has_value()) {
    // A later record must not stand before the rest of this one.
    if (::ftruncate(file_, static_cast<off_t>(size)) != 0) broken_.store(true, std::memory_order_relaxed);
    written.error().reason = "journal_failed";
    return written;
  }
  if (::fdatasync(file_) != 0) {
    // What is refused should not come back at the next start; whether this reaches the disk nobody knows either.
    [[maybe_unused]] const int cut = ::ftruncate(file_, static_cast<off_t>(size));
    broken_.store(true, std::memory_order_relaxed);
    return Broken(options_.path);
  }
  size_.store(size + bytes.size(), std::memory_order_relaxed);
  return {};
}

void Journal::DoReplace(Replacement& replacement) {
  std::string bytes(kJournalMagic);
  for (const std::string& payload : replacement.live) AppendJournalRecord(payload, bytes);
  const Status status = StartFile(bytes);
  if (replacement.done) replacement.done(status);
}

}  // namespace loquat::base
