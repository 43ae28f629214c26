// Blocking helpers for tests: a raw socket that sends exact bytes, and outside programs (curl, h2load…). Test code
// only.

#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>

namespace loquat::net {

class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval limit{.tv_sec = 20, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~RawClient() { Close(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool connected() const { return connected_; }
  // False when the server no longer takes anything.
  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  void ShutdownWrite() { ::shutdown(fd_, SHUT_WR); }
  void Close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  // Closes with a reset.
  void Abort() {
    const linger now{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    Close();
  }

  // One read of whatever is there; empty at the end of the stream.
  std::string ReadSome() {
    std::array<char, 16 * 1024> room;
    const ssize_t n = ::recv(fd_, room.data(), room.size(), 0);
    EXPECT_FALSE(n < 0 && errno == EAGAIN) << "the server neither answered nor closed";
    return n > 0 ? std::string(room.data(), static_cast<std::size_t>(n)) : std::string();
  }
  std::string ReadToEnd() {
    std::string all = std::exchange(rest_, {});
    for (std::string piece = ReadSome(); !piece.empty(); piece = ReadSome()) all += piece;
    return all;
  }
  // One response with a Content-Length, head and body.
  std::string ReadResponse() {
    std::string all = std::exchange(rest_, {});
    for (;;) {
      const std::size_t end = all.find("\r\n\r\n");
      if (end != std::string::npos) {
        const std::size_t at = all.find("Content-Length: ");
        const std::size_t length = at < end ? std::strtoul(all.c_str() + at + 16, nullptr, 10) : 0;
        if (all.size() >= end + 4 + length) {
          rest_ = all.substr(end + 4 + length);
          return all.substr(0, end + 4 + length);
        }
      }
      const std::string piece = ReadSome();
      if (piece.empty()) return all;
      all += piece;
    }
  }
  // Reads until `text` has come; all that was read, and less than wished at the end of the stream.
  std::string ReadUntil(std::string_view text) {
    std::string all = std::exchange(rest_, {});
    while (all.find(text) == std::string::npos) {
      const std::string piece = ReadSome();
      if (piece.empty()) break;
      all += piece;
    }
    return all;
  }

 private:
  int fd_;
  bool connected_ = false;
  std::string rest_;
};

struct CommandResult {
  int exit_code = -1;
  std::string output;  // Standard output and error.
};

inline CommandResult RunCommand(const std::string& command) {
  CommandResult result;
  std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return result;
  std::array<char, 4096> room;
  while (const std::size_t n = std::fread(room.data(), 1, room.size(), pipe)) result.output.append(room.data(), n);
  const int status = ::pclose(pipe);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return result;
}

inline bool HasProgram(const std::string& name) {
  return RunCommand("command -v " + name).exit_code == 0;
}

// A folder that goes away with the test.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "loquat_net_XXXXXX").string();
    path_ = ::mkdtemp(name.data()) != nullptr ? name : std::string();
  }
  ~TempFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  std::string File(const std::string& name) const { return path_ + "/" + name; }
  std::string Write(const std::string& name, const std::string& content) const {
    std::ofstream(File(name), std::ios::binary) << content;
    return File(name);
  }

 private:
  std::string path_;
};

}  // namespace loquat::net
