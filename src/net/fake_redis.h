// A Redis of a test's making on loopback: a thread that reads commands from one connection after another and answers
// each with what the test's function says. Test code only.

#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "net/resp.h"

namespace loquat::net {

class FakeRedis {
 public:
  using Command = std::vector<std::string>;
  // Bytes of the reply; empty: stay silent; kHangUp: close the connection.
  using Answer = std::function<std::string(const Command&)>;
  static constexpr std::string_view kHangUp = "hang up";

  // The function runs on connection threads, one call at a time.
  explicit FakeRedis(Answer answer) : answer_(std::move(answer)) { Listen(0); }
  ~FakeRedis() { Stop(); }
  FakeRedis(const FakeRedis&) = delete;
  FakeRedis& operator=(const FakeRedis&) = delete;

  std::uint16_t port() const { return port_; }
  // Closes everything; connects are refused until Restart.
  void Stop() {
    if (stopping_.exchange(true)) return;
    thread_.join();
    connections_.clear();
    ::close(fd_);
  }
  void Restart() {
    stopping_ = false;
    Listen(port_);
  }
  std::size_t accepted() const { return accepted_.load(); }
  std::vector<Command> log() {
    const base::MutexLock lock(mutex_);
    return log_;
  }

 private:
  void Listen(std::uint16_t port) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(::listen(fd_, 16), 0);
    socklen_t size = sizeof(address);
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { AcceptLoop(); });
  }

  static bool Readable(int fd) {
    pollfd query{.fd = fd, .events = POLLIN, .revents = 0};
    return ::poll(&query, 1, 5) > 0;
  }

  void AcceptLoop() {
    while (!stopping_) {
      if (!Readable(fd_)) continue;
      const int client = ::accept(fd_, nullptr, nullptr);
      if (client < 0) continue;
      ++accepted_;
      connections_.emplace_back([this, client] { Serve(client); });
    }
  }

  void Serve(int client) {
    RespParser parser;
    std::array<char, 16 * 1024> room;
    for (bool open = true; open && !stopping_;) {
      if (!Readable(client)) continue;
      const ssize_t n = ::recv(client, room.data(), room.size(), 0);
      if (n <= 0) break;
      std::string_view rest(room.data(), static_cast<std::size_t>(n));
      while (open && !rest.empty()) {
        auto value = parser.Next(rest);
        if (!value.has_value()) open = false;
        if (open && value->has_value()) open = Reply(client, **value);
      }
    }
    ::close(client);
  }

  bool Reply(int client, const RespValue& value) {
    Command command;
    for (const RespValue& item : value.items) command.push_back(item.text);
    std::string reply;
    {
      const base::MutexLock lock(mutex_);
      log_.push_back(command);
      reply = answer_(command);
    }
    if (reply == kHangUp) return false;
    for (std::string_view rest = reply; !rest.empty();) {
      const ssize_t n = ::send(client, rest.data(), rest.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      rest.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }

  const Answer answer_;
  int fd_ = -1;
  std::uint16_t port_ = 0;
  std::thread thread_;
  std::list<std::jthread> connections_;  // The accepting thread's, or after it has ended.
  std::atomic<bool> stopping_{false};
  std::atomic<std::size_t> accepted_{0};
  base::Mutex mutex_;
  std::vector<Command> log_ LOQUAT_GUARDED_BY(mutex_);
};

}  // namespace loquat::net
