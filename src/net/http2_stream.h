// One HTTP/2 stream: the request as it arrives and the exchange that answers it. Internal to net.
// Threads: its connection's loop. Lifetime: shared by the session, while the stream is open, and by its handler.

#pragma once

#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "net/event_loop.h"
#include "net/http.h"

namespace loquat::net {

// What a stream needs of its connection. Outlives every running handler.
class Http2Sink {
 public:
  virtual ~Http2Sink() = default;
  virtual EventLoop& loop() = 0;
  virtual std::size_t write_buffer_bytes_max() const = 0;
  virtual base::Duration write_stall() const = 0;
  // The head of the answer; body bytes follow through the stream's Pull, if `has_body`.
  virtual void SubmitHead(std::int32_t id, int status, std::span<const HttpHeader> headers,
                          std::optional<std::uint64_t> length, bool has_body) = 0;
  virtual void OnBodyGrown(std::int32_t id) = 0;
  virtual void Reset(std::int32_t id, std::uint32_t error_code) = 0;
};

class Http2Stream final : public HttpExchange {
 public:
  Http2Stream(std::int32_t id, Http2Sink& sink, base::TimePoint now) : id_(id), sink_(sink), progress_at_(now) {
    received_at_ = now;
  }

  asio::any_io_executor executor() const override;
  void Respond(int status, std::span<const HttpHeader> headers, std::string_view body) override;
  void RespondOwned(int status, std::span<const HttpHeader> headers, std::string body) override;
  void BeginStream(int status, std::span<const HttpHeader> headers) override;
  asio::awaitable<base::Status> Write(std::string_view chunk) override;
  asio::awaitable<base::Status> Finish() override;
  base::CancelToken WatchDisconnect() override;

  // For the session from here on. A header field of the request, in order; false: it exceeds a bound.
  bool AddHeader(std::string_view name, std::string_view value, std::size_t list_bytes_max, std::size_t count_max);
  void AddBody(std::string_view bytes, base::TimePoint now) {
    body_ += bytes;
    progress_at_ = now;
  }
  // The request is whole: makes its views. A failure when it is not one we can serve.
  int Settle(std::string_view peer, bool secure, std::size_t target_bytes_max);
  std::optional<std::uint64_t> content_length() const;

  struct Pulled {
    std::size_t bytes = 0;
    bool end = false;  // Nothing follows, ever.
  };
  Pulled Pull(std::span<char> into, base::TimePoint now);
  void OnClosed();  // By either side; wakes and cancels the handler.

  std::int32_t id() const { return id_; }
  bool closed() const { return closed_; }
  bool finished() const { return finished_; }
  bool streaming() const { return streaming_; }
  std::size_t body_bytes() const { return body_.size(); }
  std::size_t pending_bytes() const { return out_.size() - out_sent_; }
  base::TimePoint progress_at() const { return progress_at_; }

  bool head_complete = false;
  bool request_complete = false;
  bool head_too_large = false;
  bool refused = false;  // Answered by us; what still comes in is dropped.
  bool answer_sent = false;
  std::size_t dropped_bytes = 0;

 private:
  struct Slice {
    std::uint32_t name_at, name_size, value_at, value_size;
  };
  void Begin(int status, std::span<const HttpHeader> headers, std::optional<std::uint64_t> length, bool has_body);
  void WakeWriter();

  const std::int32_t id_;
  Http2Sink& sink_;
  base::TimePoint progress_at_;  // Of the last byte of body either way.

  std::string text_;  // Header names and values, back to back.
  std::vector<Slice> slices_;
  std::vector<HttpHeader> headers_;
  Slice method_{}, target_{}, authority_{};
  std::size_t header_list_bytes_ = 0;
  std::string body_;

  std::string out_;
  std::size_t out_sent_ = 0;
  std::optional<asio::steady_timer> writer_;
  std::optional<base::CancelSource> cancel_;
  bool streaming_ = false;
  bool finished_ = false;
  bool closed_ = false;
};

}  // namespace loquat::net
