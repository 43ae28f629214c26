// The file of what was given up: one JSON object a line, with the reason, the last failure and the answer itself, so
// that a person or a script can send it after all. At `bytes_max` the file becomes "….1" and a new one begins.
//
// One thread at a time; Append waits for the disk.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace loquat::response {

struct DeadLetter {
  std::string id;
  std::string url;
  std::string request_id;
  std::string reason;
  std::int64_t accepted_ms = 0;
  std::int64_t dead_ms = 0;
  std::uint32_t attempts = 0;
  int last_status = 0;
  std::string last_detail;
  std::string body;  // JSON.
};

class DeadLetters {
 public:
  static constexpr std::size_t kBytesMax = std::size_t{64} << 20;

  explicit DeadLetters(std::string path, std::size_t bytes_max = kBytesMax)
      : path_(std::move(path)), bytes_max_(bytes_max) {}

  // On disk when it returns. Errors: those of the file system, with the path.
  base::Status Append(const DeadLetter& letter) const;
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
  const std::size_t bytes_max_;
};

}  // namespace loquat::response
