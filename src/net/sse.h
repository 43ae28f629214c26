// Server-sent events (WHATWG HTML, section 9.2): the format, and a stream of them on an exchange.
// Threads and lifetime: SseStream as its exchange.

#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "net/http.h"

namespace loquat::net {

struct SseEvent {
  std::string_view data;   // May have lines; each becomes a data field of its own.
  std::string_view event;  // Its type; empty: "message".
  std::string_view id;     // Empty: the last id stays.
  std::optional<std::chrono::milliseconds> retry;
};

// Line ends in `event` and `id` are dropped, so nothing of the caller's can forge a field. An id with NUL is left out,
// as clients ignore it.
void AppendSseEvent(std::string& out, const SseEvent& event);
// A line that clients ignore: keeps proxies and idle timers awake.
void AppendSseComment(std::string& out, std::string_view text);

class SseStream {
 public:
  // Begins the answer with status 200. REQUIRES: nothing answered yet.
  explicit SseStream(HttpExchange& exchange);

  // Resumes when there is room for the next. An error means that the client is gone.
  asio::awaitable<base::Status> Send(SseEvent event);
  asio::awaitable<base::Status> Heartbeat();
  asio::awaitable<base::Status> Finish();

 private:
  HttpExchange& exchange_;
  std::string text_;
};

}  // namespace loquat::net
