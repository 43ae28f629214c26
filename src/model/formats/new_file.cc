#include "model/formats/new_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/file.h"

namespace loquat::model {
namespace {

// As base::FileError, and a limit on the size of files is one of resources too.
base::Error WriteError(std::string_view what, std::string_view path, int number) {
  base::Error error = base::FileError(what, path, number);
  if (number == EFBIG) error.code = base::Code::kResourceExhausted;
  if (error.code == base::Code::kResourceExhausted) {
    error.reason = "disk_full";
    error.message += "; nothing was left behind: make room, or choose another place";
  }
  return error;
}

base::Error Exists(const std::string& path) {
  return {.code = base::Code::kAlreadyExists,
          .message = fmt::format("{} is already there; choose another name, or replace it with --force", path),
          .reason = "exists"};
}

}  // namespace

base::Status NewFile::Check(const std::string& path, Existing existing) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return {};
  if (!S_ISREG(info.st_mode)) return base::InvalidArgument(fmt::format("{} is there and is no regular file", path));
  return existing == Existing::kRefuse ? base::Status(Exists(path)) : base::Status();
}

base::Result<NewFile> NewFile::Create(std::string path, Existing existing) {
  LOQUAT_TRY(Check(path, existing));
  // A file that is there keeps its mode; a new one gets the usual one.
  constexpr mode_t kNewFileMode = 0644;
  struct stat info {};
  const mode_t mode = ::stat(path.c_str(), &info) == 0 ? info.st_mode & 07777U : kNewFileMode;
  std::string temporary = path + ".XXXXXX";
  const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return base::FileError("create a file beside", path, errno);
  NewFile file(std::move(path), std::move(temporary), existing, fd);
  if (::fchmod(fd, mode) != 0) return base::FileError("change the mode of", file.temporary_, errno);
  return file;
}

NewFile::~NewFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

base::Status NewFile::Reserve(std::uint64_t bytes) {
  while (::fallocate(fd_, 0, 0, static_cast<off_t>(bytes)) != 0) {
    if (errno == EINTR) continue;
    // Not every file system can; then the pieces will tell.
    if (errno == EOPNOTSUPP || errno == ENOSYS) return {};
    return WriteError(fmt::format("take {} bytes for", bytes), path_, errno);
  }
  return {};
}

base::Status NewFile::Append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return WriteError("write", path_, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

base::Status NewFile::Rename() const {
  if (existing_ == Existing::kReplace) {
    return ::rename(temporary_.c_str(), path_.c_str()) == 0 ? base::Status() : base::FileError("replace", path_, errno);
  }
  // A second name for the file, which fails where one is there; the first goes afterwards.
  if (::link(temporary_.c_str(), path_.c_str()) == 0) {
    ::unlink(temporary_.c_str());
    return {};
  }
  if (errno == EEXIST) return Exists(path_);
  // A file system without hard links.
  if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) == 0) return {};
  return errno == EEXIST ? base::Status(Exists(path_)) : base::FileError("create", path_, errno);
}

base::Status NewFile::Commit() {
  if (::fsync(fd_) != 0) return WriteError("flush", path_, errno);
  // close() may report a late write error.
  if (::close(std::exchange(fd_, -1)) != 0) return WriteError("close", path_, errno);
  LOQUAT_TRY(Rename());
  temporary_.clear();
  // The new name is durable once its folder is.
  std::filesystem::path folder = std::filesystem::path(path_).parent_path();
  if (folder.empty()) folder = ".";
  const int parent = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool flushed = parent >= 0 && ::fsync(parent) == 0;
  const int number = errno;
  if (parent >= 0) ::close(parent);
  return flushed ? base::Status() : base::FileError("flush the folder of", path_, number);
}

}  // namespace loquat::model
