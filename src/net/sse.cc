#include "net/sse.h"

#include <algorithm>
#include <array>

namespace loquat::net {
namespace {

void AppendOneLine(std::string& out, std::string_view text) {
  std::ranges::copy_if(text, std::back_inserter(out), [](char c) { return c != '\r' && c != '\n'; });
}

// CR, LF and CR LF each end a line.
template <typename F>
void ForEachLine(std::string_view text, F take) {
  for (;;) {
    const std::size_t end = text.find_first_of("\r\n");
    take(text.substr(0, end));
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + (text.substr(end).starts_with("\r\n") ? 2 : 1));
  }
}

}  // namespace

void AppendSseEvent(std::string& out, const SseEvent& event) {
  if (!event.event.empty()) {
    out += "event: ";
    AppendOneLine(out, event.event);
    out += '\n';
  }
  if (!event.id.empty() && event.id.find('\0') == std::string_view::npos) {
    out += "id: ";
    AppendOneLine(out, event.id);
    out += '\n';
  }
  if (event.retry) {
    out += "retry: ";
    out += std::to_string(std::max<std::chrono::milliseconds::rep>(event.retry->count(), 0));
    out += '\n';
  }
  ForEachLine(event.data, [&out](std::string_view line) {
    out += "data: ";
    out += line;
    out += '\n';
  });
  out += '\n';
}

void AppendSseComment(std::string& out, std::string_view text) {
  out += ": ";
  AppendOneLine(out, text);
  out += "\n\n";
}

SseStream::SseStream(HttpExchange& exchange) : exchange_(exchange) {
  constexpr std::array<HttpHeader, 3> kHeaders = {{
      {"Content-Type", "text/event-stream"},
      {"Cache-Control", "no-cache"},
      {"X-Accel-Buffering", "no"},  // Asks nginx in front of us not to hold events back.
  }};
  exchange_.BeginStream(200, kHeaders);
}

asio::awaitable<base::Status> SseStream::Send(SseEvent event) {
  text_.clear();
  AppendSseEvent(text_, event);
  co_return co_await exchange_.Write(text_);
}

asio::awaitable<base::Status> SseStream::Heartbeat() {
  text_.clear();
  AppendSseComment(text_, "keep-alive");
  co_return co_await exchange_.Write(text_);
}

asio::awaitable<base::Status> SseStream::Finish() {
  return exchange_.Finish();
}

}  // namespace loquat::net
