// The answering half of an HTTP/1.1 connection: one object per connection, used for one request after the other, so
// that a request allocates nothing here. Internal to net. Threads and lifetime: as HttpExchange; owned by
// Http1Connection.

#pragma once

#include <memory>
#include <optional>
#include <string>

#include "net/conn.h"
#include "net/http.h"
#include "net/http1_parser.h"
#include "net/http1_writer.h"
#include "net/server_shard.h"
#include "net/websocket_connection.h"

namespace loquat::net {

class Http1Exchange final : public HttpExchange {
 public:
  Http1Exchange(Conn& conn, ServerShard& shard) : conn_(conn), shard_(shard) {}
  ~Http1Exchange() override;

  asio::any_io_executor executor() const override { return conn_.loop().executor(); }
  void Respond(int status, std::span<const HttpHeader> headers, std::string_view body) override;
  void RespondOwned(int status, std::span<const HttpHeader> headers, std::string body) override;
  void BeginStream(int status, std::span<const HttpHeader> headers) override;
  asio::awaitable<base::Status> Write(std::string_view chunk) override;
  asio::awaitable<base::Status> Finish() override;
  base::CancelToken WatchDisconnect() override;
  asio::awaitable<base::Result<WebSocket*>> AcceptWebSocket(const WebSocketAccept& accept) override;

  // For the connection from here on.
  // `following`: what is already read behind the request. With any, answers wait a little to leave together.
  void Begin(const Http1Head& head, std::string_view body, base::TimePoint received_at, bool keep_alive,
             std::string_view following);
  // After the handler: repairs what it left undone, ends the watch or the WebSocket. False: the connection cannot go
  // on. `handler_failed`: it threw.
  asio::awaitable<bool> End(bool handler_failed);
  // An answer of our own; the connection closes after it.
  void Refuse(int status, const base::Error& error, bool head_only);
  asio::awaitable<base::Status> Flush();

  void BeginDrain();
  void Abort();
  bool keep_alive() const { return keep_alive_ && !broken_; }
  bool broken() const { return broken_; }
  bool has_pending_output() const { return !out_.empty(); }

 private:
  struct Watch;
  static asio::awaitable<void> WatchLoop(std::shared_ptr<Watch> watch);

  void WriteHead(std::string& out, int status, std::span<const HttpHeader> headers,
                 std::optional<std::uint64_t> length);
  // Sends, or keeps what the socket does not take at once.
  void Send(std::string_view head, std::string_view body);
  ConnectionHeader ConnectionToSay() const;
  void CancelWork();
  asio::awaitable<void> StopWatching();
  base::Result<WebSocketHandshake> CheckUpgrade(const WebSocketAccept& accept);
  void SwitchProtocols(const WebSocketHandshake& agreed, const WebSocketAccept& accept);

  Conn& conn_;
  ServerShard& shard_;
  std::string out_;  // Not sent yet; empty, and without memory, nearly always.
  std::shared_ptr<Watch> watch_;
  std::unique_ptr<WebSocketConnection> websocket_;
  std::string_view following_;
  bool keep_alive_ = true;
  bool more_input_ = false;
  bool streaming_ = false;
  bool chunked_ = false;
  bool finished_ = false;
  bool broken_ = false;
};

}  // namespace loquat::net
