// Files: read whole, mapped read-only, replaced atomically. Errors name the path and what the system said.
// The free functions are safe from any thread; a MappedFile is immutable and may be read by many at once.

#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace loquat::base {

inline constexpr std::size_t kDefaultMaxFileBytes = std::size_t{64} << 20;

// kNotFound, kPermissionDenied, kResourceExhausted (past `max_bytes`) or kInternal, saying path and errno's text.
// Works for pipes and /proc too, where the size is not known beforehand.
Result<std::string> ReadFile(const std::string& path, std::size_t max_bytes = kDefaultMaxFileBytes);

// Puts a new file in the place of `path`, flushed to disk (base/atomic_file.h, whose errors these are): readers see the
// old bytes or the new ones, never a mixture, and after a crash one of the two is there.
Status WriteFileAtomically(const std::string& path, std::string_view bytes);

// Turns errno `number` into an Error about `path`: "read /etc/x: Permission denied".
Error FileError(std::string_view what, std::string_view path, int number);

// Keeps memory from being given back to the system until it is unmapped. kResourceExhausted "memlock": past what this
// process may lock (RLIMIT_MEMLOCK).
Status LockMemory(std::span<std::byte> memory);

enum class MapAdvice { kNormal, kSequential, kRandom, kWillNeed };

// A regular file in memory, read-only. Its bytes live as long as the object; pages are read as they are touched.
// A file that another process cuts short while it is mapped kills the program on access (SIGBUS): model files are
// replaced by rename, never edited in place.
class MappedFile {
 public:
  static Result<MappedFile> Open(const std::string& path, MapAdvice advice = MapAdvice::kNormal);

  MappedFile() = default;
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  // Page-aligned; empty for an empty file.
  std::span<const std::byte> bytes() const { return bytes_; }
  std::string_view text() const { return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()}; }
  std::size_t size() const { return bytes_.size(); }

  // A hint to the kernel about what comes next; never fails.
  void Advise(MapAdvice advice) const;
  // Takes the whole pages of `part` out of this process's memory; they are read again when they are touched.
  // REQUIRES: `part` lies in bytes().
  void Forget(std::span<const std::byte> part) const;
  // Reads `part` from disk and maps it now. Errors are the system's: too little memory, a bad sector.
  // REQUIRES: `part` lies in bytes().
  Status Populate(std::span<const std::byte> part) const;
  // The same, and it stays in memory as long as the object lives. Errors: as LockMemory.
  Status Lock(std::span<const std::byte> part) const;

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
  // From the beginning of the page in which `part` begins.
  std::span<std::byte> PagesOf(std::span<const std::byte> part) const;

  std::span<const std::byte> bytes_;
};

}  // namespace loquat::base
