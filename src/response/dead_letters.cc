#include "response/dead_letters.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/file.h"
#include "base/json_writer.h"

namespace loquat::response {
namespace {

constexpr mode_t kPrivateMode = 0600;

std::string LineOf(const DeadLetter& letter) {
  std::string line;
  base::JsonWriter json(line);
  json.BeginObject();
  json.Key("id");
  json.String(letter.id);
  json.Key("url");
  json.String(letter.url);
  json.Key("request_id");
  json.String(letter.request_id);
  json.Key("reason");
  json.String(letter.reason);
  json.Key("accepted_at_ms");
  json.Int(letter.accepted_ms);
  json.Key("dead_at_ms");
  json.Int(letter.dead_ms);
  json.Key("attempts");
  json.Uint(letter.attempts);
  json.Key("last_status");
  json.Int(letter.last_status);
  json.Key("last_detail");
  json.String(letter.last_detail);
  json.Key("body");
  json.String(letter.body);
  json.EndObject();
  line += '\n';
  return line;
}

base::Status WriteLine(int fd, std::string_view line, const std::string& path) {
  while (!line.empty()) {
    const ssize_t written = ::write(fd, line.data(), line.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return base::FileError("write", path, errno);
    line.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fdatasync(fd) != 0) return base::FileError("flush", path, errno);
  return {};
}

}  // namespace

base::Status DeadLetters::Append(const DeadLetter& letter) const {
  const std::string line = LineOf(letter);
  struct stat info {};
  if (::stat(path_.c_str(), &info) == 0 && info.st_size > 0 &&
      static_cast<std::size_t>(info.st_size) + line.size() > bytes_max_) {
    const std::string old = path_ + ".1";
    if (::rename(path_.c_str(), old.c_str()) != 0) return base::FileError("put aside", path_, errno);
  }
  const int fd = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, kPrivateMode);
  if (fd < 0) return base::FileError("open", path_, errno);
  base::Status status = WriteLine(fd, line, path_);
  ::close(fd);
  return status;
}

}  // namespace loquat::response
