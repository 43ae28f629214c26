// A large file that is written piece by piece and appears under its name all at once: its bytes go to a temporary file
// beside it, which is flushed to disk and renamed when it is whole, and removed when it is not.
//
// One thread at a time.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "base/result.h"

namespace loquat::model {

class NewFile {
 public:
  enum class Existing : std::uint8_t { kRefuse, kReplace };

  // kAlreadyExists: a file of that name is there, and kRefuse; kInvalidArgument: what is there is no regular file;
  // else as base::FileError. With kRefuse a file that appears later is not replaced either.
  static base::Result<NewFile> Create(std::string path, Existing existing);

  // Whether Create would refuse for what is there.
  static base::Status Check(const std::string& path, Existing existing);

  ~NewFile();
  NewFile(NewFile&& other) noexcept
      : path_(std::move(other.path_)),
        temporary_(std::exchange(other.temporary_, {})),
        existing_(other.existing_),
        fd_(std::exchange(other.fd_, -1)) {}
  NewFile& operator=(NewFile&&) = delete;

  // Takes the room that the whole file needs, where the file system can: a disk that is too full says so before the
  // work and not in its middle. kResourceExhausted.
  base::Status Reserve(std::uint64_t bytes);
  // kResourceExhausted: the disk is full, or the file larger than this process may write.
  base::Status Append(std::span<const std::byte> bytes);
  // The last call: from here on the file is there. After an error it is not.
  base::Status Commit();

 private:
  NewFile(std::string path, std::string temporary, Existing existing, int fd)
      : path_(std::move(path)), temporary_(std::move(temporary)), existing_(existing), fd_(fd) {}
  base::Status Rename() const;

  const std::string path_;
  std::string temporary_;  // Empty: renamed, or moved from.
  const Existing existing_;
  int fd_;
};

}  // namespace loquat::model
