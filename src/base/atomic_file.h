// A file that appears whole or not at all: written without a name (or, where the file system cannot do that, under one
// beside the target), flushed to disk, then given its name in one step. A process that is killed before that leaves
// nothing behind; in the second case, or while it replaces a file, perhaps one named NAME.PID.N.
//
// One thread at a time. What is not committed is gone with the object.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "base/result.h"

namespace loquat::base {

class AtomicFile {
 public:
  enum class Existing : std::uint8_t { kRefuse, kReplace };

  // Errors of all members name the path and what the system said; kResourceExhausted with the reason "disk_full" where
  // the disk, the quota or the limit on file sizes (RLIMIT_FSIZE, if SIGXFSZ is ignored) does not hold the bytes.

  // What Create would refuse, for who wants to know before the work: kAlreadyExists "file_exists", a file of that name,
  // with kRefuse; kInvalidArgument, what is there is no regular file.
  static Status Check(const std::string& path, Existing existing);
  // A file that is replaced leaves its mode to the new one; another has what the process's umask leaves.
  static Result<AtomicFile> Create(const std::string& path, Existing existing);

  AtomicFile(AtomicFile&& other) noexcept
      : path_(std::move(other.path_)),
        existing_(other.existing_),
        temporary_(std::exchange(other.temporary_, {})),
        descriptor_(std::exchange(other.descriptor_, -1)),
        appended_(other.appended_) {}
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  // Makes room for a file of `bytes`, where the file system can, so that a full disk shows before the work is done.
  Status Reserve(std::uint64_t bytes);
  Status WriteAt(std::uint64_t offset, std::span<const std::byte> bytes);
  // Behind what was appended before.
  Status Append(std::span<const std::byte> bytes);
  // The file under its name, on disk; the last call. With kRefuse a file that has appeared in between stays:
  // kAlreadyExists.
  Status Commit();

 private:
  AtomicFile(std::string path, Existing existing, std::string temporary, int descriptor)
      : path_(std::move(path)), existing_(existing), temporary_(std::move(temporary)), descriptor_(descriptor) {}
  bool Link(const std::string& name) const;
  Status Name();

  std::string path_;
  Existing existing_;
  std::string temporary_;  // Its name so far; empty: none.
  int descriptor_;
  std::uint64_t appended_ = 0;
};

}  // namespace loquat::base
