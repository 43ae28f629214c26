#include "base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/atomic_file.h"

namespace loquat::base {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  bool ok() const { return fd_ >= 0; }
  int get() const { return fd_; }

 private:
  int fd_;
};

Error TooLarge(std::string_view path, std::size_t max_bytes) {
  return ResourceExhausted(fmt::format("read {}: more than the {} bytes allowed", path, max_bytes), "too_large");
}

// Opens for reading, and refuses directories, which open() takes but read() does not.
int OpenForReading(const std::string& path, struct stat& info, int flags = 0) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags);
  if (fd < 0) return -1;
  if (::fstat(fd, &info) == 0 && !S_ISDIR(info.st_mode)) return fd;
  const int number = S_ISDIR(info.st_mode) ? EISDIR : errno;
  ::close(fd);
  errno = number;
  return -1;
}

}  // namespace

Error FileError(std::string_view what, std::string_view path, int number) {
  Error error = Internal(fmt::format("{} {}: {}", what, path, std::generic_category().message(number)));
  if (number == ENOENT || number == ENOTDIR) error.code = Code::kNotFound;
  if (number == EACCES || number == EPERM) error.code = Code::kPermissionDenied;
  if (number == ENOSPC || number == EDQUOT || number == EFBIG || number == EMFILE || number == ENFILE ||
      number == ENOMEM) {
    error.code = Code::kResourceExhausted;
  }
  return error;
}

Result<std::string> ReadFile(const std::string& path, std::size_t max_bytes) {
  struct stat info {};
  const Descriptor file(OpenForReading(path, info));
  if (!file.ok()) return FileError("read", path, errno);
  const auto expected = static_cast<std::size_t>(S_ISREG(info.st_mode) ? info.st_size : 0);
  if (expected > max_bytes) return TooLarge(path, max_bytes);

  // The size may grow while we read, and /proc says 0: trust only the end of the file.
  constexpr std::size_t kStep = 64 * 1024;
  std::string bytes;
  bytes.resize(expected + 1);
  std::size_t filled = 0;
  while (true) {
    if (filled == bytes.size()) bytes.resize(bytes.size() + kStep);
    const ssize_t got = ::read(file.get(), bytes.data() + filled, bytes.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError("read", path, errno);
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
    if (filled > max_bytes) return TooLarge(path, max_bytes);
  }
  bytes.resize(filled);
  return bytes;
}

Status WriteFileAtomically(const std::string& path, std::string_view bytes) {
  LOQUAT_ASSIGN(AtomicFile file, AtomicFile::Create(path, AtomicFile::Existing::kReplace));
  LOQUAT_TRY(file.Append(std::as_bytes(std::span(bytes))));
  return file.Commit();
}

Status LockMemory(std::span<std::byte> memory) {
  if (memory.empty() || ::mlock(memory.data(), memory.size()) == 0) return {};
  const int number = errno;
  Error error = FileError("lock", fmt::format("{} bytes in memory", memory.size()), number);
  if (number != ENOMEM && number != EPERM && number != EAGAIN) return error;
  error.code = Code::kResourceExhausted;
  error.reason = "memlock";
  error.message += "; raise the limit (ulimit -l, LimitMEMLOCK=, CAP_IPC_LOCK) or do without";
  return error;
}

Result<MappedFile> MappedFile::Open(const std::string& path, MapAdvice advice) {
  struct stat info {};
  // O_NONBLOCK: opening a pipe that nobody writes to would wait for ever, only to be refused.
  const Descriptor file(OpenForReading(path, info, O_NONBLOCK));
  if (!file.ok()) return FileError("map", path, errno);
  if (!S_ISREG(info.st_mode)) return FailedPrecondition(fmt::format("map {}: not a regular file", path));
  const auto size = static_cast<std::size_t>(info.st_size);
  if (size == 0) return MappedFile();
  void* start = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (start == MAP_FAILED) return FileError("map", path, errno);
  MappedFile mapped(std::span(static_cast<const std::byte*>(start), size));
  mapped.Advise(advice);
  return mapped;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

void MappedFile::Advise(MapAdvice advice) const {
  if (bytes_.empty()) return;
  int flag = MADV_NORMAL;
  if (advice == MapAdvice::kSequential) flag = MADV_SEQUENTIAL;
  if (advice == MapAdvice::kRandom) flag = MADV_RANDOM;
  if (advice == MapAdvice::kWillNeed) flag = MADV_WILLNEED;
  ::madvise(const_cast<std::byte*>(bytes_.data()), bytes_.size(), flag);
}

void MappedFile::Forget(std::span<const std::byte> part) const {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  // Of the mapping, which begins a page.
  const auto offset = static_cast<std::size_t>(part.data() - bytes_.data());
  const std::size_t begin = (offset + page - 1) / page * page, end = (offset + part.size()) / page * page;
  if (begin < end) ::madvise(const_cast<std::byte*>(bytes_.data()) + begin, end - begin, MADV_DONTNEED);
}

Status MappedFile::Populate(std::span<const std::byte> part) const {
  const std::span<std::byte> pages = PagesOf(part);
  if (pages.empty() || ::madvise(pages.data(), pages.size(), MADV_POPULATE_READ) == 0) return {};
  return FileError("read ahead", "a mapped file", errno);
}

Status MappedFile::Lock(std::span<const std::byte> part) const {
  return LockMemory(PagesOf(part));
}

std::span<std::byte> MappedFile::PagesOf(std::span<const std::byte> part) const {
  if (part.empty()) return {};
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const auto offset = static_cast<std::size_t>(part.data() - bytes_.data());
  const std::size_t begin = offset / page * page;
  return {const_cast<std::byte*>(bytes_.data()) + begin, offset + part.size() - begin};
}

}  // namespace loquat::base
