// The protocol side of an HTTP/2 server connection without any I/O: bytes in, requests and bytes out. nghttp2 does the
// framing, HPACK and flow control; this adds streams as exchanges, the bounds, and the defence against floods.
// Internal to net. Threads: its connection's loop. Lifetime: the host outlives it; its streams may outlive it, but
// their handlers may not.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/http2_stream.h"
#include "net/http_options.h"
#include "net/observer.h"

struct nghttp2_session;

namespace loquat::net {

struct Http2Callbacks;

class Http2Session final : public Http2Sink {
 public:
  class Host {
   public:
    virtual ~Host() = default;
    // A request is complete. Called within Feed: start the handler later.
    virtual void OnRequest(std::shared_ptr<Http2Stream> stream) = 0;
    virtual void OnOutput() = 0;  // Produce has something.
    virtual EventLoop& loop() = 0;
    virtual std::string_view peer() const = 0;
    virtual bool secure() const = 0;
    virtual std::size_t running_handlers() const = 0;
    virtual std::string FormatError(int status, const base::Error& error) const = 0;
  };

  Http2Session(Host& host, const HttpServerOptions& options, NetObserver& observer);
  ~Http2Session() override;
  Http2Session(const Http2Session&) = delete;
  Http2Session& operator=(const Http2Session&) = delete;

  // Takes what the peer sent, the client preface first. False: the connection must end; Produce still has its GOAWAY.
  bool Feed(std::string_view bytes, base::TimePoint now);
  // Appends frames to `out` until it holds `limit` bytes or there are no more.
  void Produce(std::string& out, std::size_t limit, base::TimePoint now);
  bool finished() const;  // Neither side has anything more to say.

  // Ends what is too slow. To be called every second or so.
  void Sweep(base::TimePoint now);
  void GoAwaySoon();  // The peer may still send what it has not heard of yet.
  void GoAwayNow(std::uint32_t error_code = 0);
  void CloseStreams();  // The connection is lost: every handler is told.

  std::size_t open_streams() const { return streams_.size(); }
  base::TimePoint idle_since() const { return idle_since_; }  // Meaningful without open streams.
  void OnHandlerDone(const std::shared_ptr<Http2Stream>& stream);

  // Http2Sink
  EventLoop& loop() override { return host_.loop(); }
  std::size_t write_buffer_bytes_max() const override { return options_.http2.write_buffer_bytes_max; }
  base::Duration write_stall() const override { return options_.timeouts.write_stall; }
  void SubmitHead(std::int32_t id, int status, std::span<const HttpHeader> headers, std::optional<std::uint64_t> length,
                  bool has_body) override;
  void OnBodyGrown(std::int32_t id) override;
  void Reset(std::int32_t id, std::uint32_t error_code) override;

 private:
  friend struct Http2Callbacks;  // The C functions that nghttp2 calls.

  struct FloodCounter {
    base::TimePoint since{};
    std::uint32_t count = 0;
    bool Exceeds(std::uint32_t max, base::TimePoint now);
  };

  Http2Stream* Find(std::int32_t id);
  void OnHeadComplete(Http2Stream& stream);
  void OnRequestComplete(Http2Stream& stream);
  void OnBody(Http2Stream& stream, std::string_view bytes);
  void OnStreamClosed(std::int32_t id);
  void Refuse(Http2Stream& stream, int status, base::Error error);
  void CountFlood(FloodCounter& counter, std::uint32_t max, std::string_view reason);

  Host& host_;
  const HttpServerOptions& options_;
  NetObserver& observer_;
  nghttp2_session* session_ = nullptr;
  std::map<std::int32_t, std::shared_ptr<Http2Stream>> streams_;
  std::size_t body_bytes_ = 0;  // Of all requests held here.
  base::TimePoint now_;         // Of the call under way.
  base::TimePoint idle_since_;
  FloodCounter resets_, pings_, settings_;
  std::string names_;  // Lower-cased names and cleaned values of the answer being submitted.
};

}  // namespace loquat::net
