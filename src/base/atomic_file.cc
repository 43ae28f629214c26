#include "base/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/file.h"

namespace loquat::base {
namespace {

constexpr mode_t kMode = 0666;  // The process's umask takes from it.

Error OfFile(std::string_view what, const std::string& path, int number) {
  Error error = FileError(what, path, number);
  if (number == ENOSPC || number == EDQUOT || number == EFBIG) {
    error.code = Code::kResourceExhausted;
    error.reason = "disk_full";
    error.message += "; no part of the file was left behind";
  }
  return error;
}

std::string FolderOf(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

std::string NameBeside(const std::string& path) {
  return fmt::format("{}.{}", path, ::getpid());
}

}  // namespace

Error FileExists(const std::string& path) {
  return {.code = Code::kAlreadyExists, .message = fmt::format("{} is there already", path), .reason = "file_exists"};
}

Result<AtomicFile> AtomicFile::Create(const std::string& path) {
  const int nameless = ::open(FolderOf(path).c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, kMode);
  if (nameless >= 0) return AtomicFile(path, {}, nameless);
  // EOPNOTSUPP: this file system cannot; EISDIR: this kernel cannot.
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) return OfFile("create", path, errno);
  const std::string temporary = NameBeside(path);
  const int named = ::open(temporary.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, kMode);
  if (named < 0) return OfFile("create", temporary, errno);
  return AtomicFile(path, temporary, named);
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

Status AtomicFile::Name(Existing existing) {
  if (temporary_.empty()) {
    const std::string self = fmt::format("/proc/self/fd/{}", descriptor_);
    const std::string name = existing == Existing::kRefuse ? path_ : NameBeside(path_);
    if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) != 0) {
      return errno == EEXIST && existing == Existing::kRefuse ? FileExists(path_) : OfFile("name", name, errno);
    }
    if (existing == Existing::kRefuse) return {};
    temporary_ = name;
  }
  // A file that is made in between is replaced: who lacks files without names lacks a rename that refuses as well.
  if (existing == Existing::kRefuse && ::access(path_.c_str(), F_OK) == 0) return FileExists(path_);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) return OfFile("replace", path_, errno);
  temporary_.clear();
  return {};
}

Status AtomicFile::Commit(Existing existing) {
  if (::fsync(descriptor_) != 0) return OfFile("flush", path_, errno);
  LOQUAT_TRY(Name(existing));
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
