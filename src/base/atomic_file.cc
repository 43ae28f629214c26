#include "base/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/file.h"

namespace loquat::base {
namespace {

constexpr mode_t kMode = 0666;           // The process's umask takes from it.
constexpr unsigned kNamesBeside = 1000;  // Tried before giving up.

Error OfFile(std::string_view what, const std::string& path, int number) {
  Error error = FileError(what, path, number);
  if (number == ENOSPC || number == EDQUOT || number == EFBIG) {
    error.code = Code::kResourceExhausted;
    error.reason = "disk_full";
    error.message += "; nothing was left behind: make room, or choose another place";
  }
  return error;
}

Error FileExists(const std::string& path) {
  return {.code = Code::kAlreadyExists, .message = fmt::format("{} is already there", path), .reason = "file_exists"};
}

std::string FolderOf(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

// A name beside the target that `take` gets: true, or false with errno.
template <typename Take>
Result<std::string> TakeNameBeside(const std::string& path, Take take) {
  for (unsigned i = 0; i < kNamesBeside; ++i) {
    std::string name = fmt::format("{}.{}.{}", path, ::getpid(), i);
    if (take(name)) return name;
    if (errno != EEXIST) break;
  }
  return std::unexpected(OfFile("create a file beside", path, errno));
}

}  // namespace

Status AtomicFile::Check(const std::string& path, Existing existing) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return {};
  if (!S_ISREG(info.st_mode)) return InvalidArgument(fmt::format("{} is there and is no regular file", path));
  return existing == Existing::kRefuse ? Status(FileExists(path)) : Status();
}

Result<AtomicFile> AtomicFile::Create(const std::string& path, Existing existing) {
  LOQUAT_TRY(Check(path, existing));
  std::string temporary;
  int descriptor = ::open(FolderOf(path).c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, kMode);
  if (descriptor < 0) {
    // EOPNOTSUPP: this file system cannot; EISDIR: this kernel cannot.
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) return OfFile("create", path, errno);
    LOQUAT_ASSIGN(temporary, TakeNameBeside(path, [&](const std::string& name) {
                    descriptor = ::open(name.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, kMode);
                    return descriptor >= 0;
                  }));
  }
  AtomicFile file(path, existing, std::move(temporary), descriptor);
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 && ::fchmod(descriptor, info.st_mode & 07777U) != 0) {
    return OfFile("keep the mode of", path, errno);
  }
  return file;
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Status AtomicFile::Reserve(std::uint64_t bytes) {
  if (::fallocate(descriptor_, 0, 0, static_cast<off_t>(bytes)) == 0) return {};
  if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINTR) return {};
  return OfFile(fmt::format("make room for {} bytes in", bytes), path_, errno);
}

Status AtomicFile::WriteAt(std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return OfFile("write", path_, errno);
    offset += static_cast<std::uint64_t>(written);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Status AtomicFile::Append(std::span<const std::byte> bytes) {
  LOQUAT_TRY(WriteAt(appended_, bytes));
  appended_ += bytes.size();
  return {};
}

// Gives the file its first name; false with errno, EEXIST where there is one of that name.
bool AtomicFile::Link(const std::string& name) const {
  const std::string self = fmt::format("/proc/self/fd/{}", descriptor_);
  return ::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0;
}

Status AtomicFile::Name() {
  if (existing_ == Existing::kReplace && temporary_.empty()) {
    LOQUAT_ASSIGN(temporary_, TakeNameBeside(path_, [&](const std::string& name) { return Link(name); }));
  }
  const bool named = existing_ == Existing::kReplace ? ::rename(temporary_.c_str(), path_.c_str()) == 0
                     : temporary_.empty()
                         ? Link(path_)
                         : ::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) == 0;
  if (!named) return errno == EEXIST ? FileExists(path_) : OfFile("name", path_, errno);
  temporary_.clear();
  return {};
}

Status AtomicFile::Commit() {
  if (::fsync(descriptor_) != 0) return OfFile("flush", path_, errno);
  LOQUAT_TRY(Name());
  // close() may report a late write error.
  if (::close(std::exchange(descriptor_, -1)) != 0) return OfFile("close", path_, errno);
  // The name is durable once the folder is.
  const int folder = ::open(FolderOf(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool flushed = folder >= 0 && ::fsync(folder) == 0;
  const int number = errno;
  if (folder >= 0) ::close(folder);
  if (!flushed) return OfFile("flush the folder of", path_, number);
  return {};
}

}  // namespace loquat::base
