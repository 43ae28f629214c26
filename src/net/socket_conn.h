// Conn over a stream socket: Asio waits, the system calls are made directly so that a steady request costs one receive,
// one send and one epoll_wait. TLS replaces the two Try functions and keeps the rest.
// Threads and lifetime: as Conn.

#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <optional>

#include "net/conn.h"

namespace loquat::net {

class SocketConn : public Conn, public DeadlineNode {
 public:
  SocketConn(EventLoop& loop, int fd);
  ~SocketConn() override;

  asio::awaitable<base::Result<std::size_t>> Read(std::span<char> into) override;
  base::Result<Attempt> TryRead(std::span<char> into) override;
  asio::awaitable<base::Status> Write(std::span<const std::string_view> pieces) override;
  base::Result<Attempt> TryWrite(std::span<const std::string_view> pieces) override;
  asio::awaitable<base::Status> WaitReadable() override;
  asio::awaitable<base::Status> Handshake() override;
  bool PeerGone() override;
  void ShutdownWrite() override;
  void Close() override;
  void CancelRead() override;
  void SetReadDeadline(base::TimePoint at) override { read_deadline_ = at; }
  void SetWriteDeadline(base::TimePoint at) override { write_deadline_ = at; }
  EventLoop& loop() override { return loop_; }
  std::string_view peer() const override { return peer_; }
  std::string_view protocol() const override { return {}; }
  bool secure() const override { return false; }

 protected:
  using Socket = asio::basic_stream_socket<asio::generic::stream_protocol, asio::io_context::executor_type>;

  asio::awaitable<base::Status> WaitWritable();
  int fd() { return socket_.native_handle(); }
  bool closed() const { return closed_; }

 private:
  void OnTick(base::TimePoint now) override;
  // What an aborted operation means for its caller; no value: try again, the abort was meant for the other side.
  std::optional<base::Error> AbortReason(bool expired, std::uint32_t cancels_before);

  EventLoop& loop_;
  Socket socket_;
  char peer_text_[64];
  std::string_view peer_;
  base::TimePoint read_deadline_ = base::TimePoint::max();
  base::TimePoint write_deadline_ = base::TimePoint::max();
  std::uint32_t read_cancels_ = 0;
  bool reading_ = false;
  bool writing_ = false;
  bool read_expired_ = false;
  bool write_expired_ = false;
  bool closed_ = false;
};

// "Connection reset by peer" as an Error that names what was tried.
base::Error SocketError(std::string_view doing, int error_number);

}  // namespace loquat::net
