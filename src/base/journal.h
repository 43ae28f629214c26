// An append-only file of records that survives a crash: what was promised to be done is written here first. The owner
// keeps its state in memory, writes every change as a record, and rebuilds the state from the records at the next
// start. The bytes are those of journal_records.h.
//
// Durability: a record is on disk (fdatasync) before its `done` is called with success. Records that arrive while a
// flush is under way share the next one, so that many writers cost few flushes.
// Failure: a record whose `done` has an error is not in the file. When the disk is full the file is cut back to its
// last whole record, and later records may succeed. When a flush fails nobody knows what is on disk: every record is
// refused
// ("journal_broken") until Replace has made a new file.
// Crash: a record that was cut short at the end is not whole; Open keeps what follows the last whole record in a file
// beside the journal and cuts it off.
//
// Append, Replace and Post may be called from any thread; they never wait for the disk. What is given to them runs in
// order on the journal's own thread; `done` and tasks there may block, must not destroy the journal.

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <variant>
#include <vector>

#include "base/journal_records.h"
#include "base/mutex.h"
#include "base/result.h"

namespace loquat::base {

struct JournalOptions {
  std::string path;                                     // The folder is there; the file is made when it is missing.
  std::size_t file_bytes_max = std::size_t{4} << 30;    // A larger file is not opened; at it, records are refused.
  std::size_t queue_bytes_max = std::size_t{64} << 20;  // Waiting for the disk; beyond it records are refused.
};

// What Open found.
struct JournalRecovery {
  std::size_t records = 0;
  std::size_t cut_bytes = 0;  // Zero: the file was whole.
  std::string cut_file;       // Where they are kept.
  std::string stop;           // Why reading ended there.
};

class Journal {
 public:
  using Replay = std::function<void(std::string_view payload)>;
  using Done = std::function<void(Status)>;

  // Gives every record to `replay`, on this thread, and is then ready to append.
  // Errors: failed_precondition "journal_in_use" while another process has it open; data_loss "not_a_journal";
  // resource_exhausted for a file that is too large; those of the file system, with the path.
  static Result<std::unique_ptr<Journal>> Open(JournalOptions options, const Replay& replay, JournalRecovery& recovery);
  // Writes what is queued first.
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // An error at once (resource_exhausted "journal_queue_full", or invalid_argument for a payload that is empty or too
  // long): `done` is never called. Otherwise it is called once; null: nobody wants to know.
  Status Append(std::string payload, Done done) LOQUAT_EXCLUDES(mutex_);
  // A new file with these records alone takes the old one's place (compaction). `done` may be null. An error leaves
  // the old file. REQUIRES: each payload is one that Append takes.
  void Replace(std::vector<std::string> live, Done done) LOQUAT_EXCLUDES(mutex_);
  // Runs `task` once all that was given before is on disk.
  void Post(std::function<void()> task) LOQUAT_EXCLUDES(mutex_);

  // Bytes of the file. Relaxed: a figure for metrics and for the decision to compact.
  std::size_t size() const { return size_.load(std::memory_order_relaxed); }
  bool broken() const { return broken_.load(std::memory_order_relaxed); }

 private:
  struct Record {
    std::string payload;
    Done done;
  };
  struct Replacement {
    std::vector<std::string> live;
    Done done;
  };
  using Task = std::function<void()>;
  using Item = std::variant<Record, Replacement, Task>;

  explicit Journal(JournalOptions options) : options_(std::move(options)) {}
  Status Lock();
  Status Recover(const Replay& replay, JournalRecovery& recovery);
  Status StartFile(std::string_view bytes);
  void Run() LOQUAT_EXCLUDES(mutex_);
  void WriteRecords(std::vector<Record>& records);
  Status Write(std::string_view bytes);
  void DoReplace(Replacement& replacement);

  // Constant after construction.
  const JournalOptions options_;
  int lock_ = -1;
  // The journal's thread only.
  int file_ = -1;
  // Written by that thread alone.
  std::atomic<std::size_t> size_{0};
  std::atomic<bool> broken_{false};

  base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<Item> queue_ LOQUAT_GUARDED_BY(mutex_);
  std::size_t queue_bytes_ LOQUAT_GUARDED_BY(mutex_) = 0;
  bool stopping_ LOQUAT_GUARDED_BY(mutex_) = false;
  std::jthread writer_;  // Last: it uses the rest.
};

}  // namespace loquat::base
