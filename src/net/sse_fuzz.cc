// Any strings as server-sent events: what a caller puts into an event can never forge another field or event. The input
// is split at bytes 0xff into data, type and id.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "net/sse.h"

namespace {

void Require(bool condition) {
  LOQUAT_CHECK(condition, "the property this fuzzer holds");
}

std::string_view Cut(std::string_view& rest) {
  const std::size_t at = std::min(rest.find('\xff'), rest.size());
  const std::string_view piece = rest.substr(0, at);
  rest.remove_prefix(std::min(at + 1, rest.size()));
  return piece;
}

// Lines the way the specification cuts them.
std::size_t CountLines(std::string_view text, std::string_view prefix) {
  std::size_t count = 0;
  while (!text.empty()) {
    const std::size_t end = text.find_first_of("\r\n");
    count += text.substr(0, end).starts_with(prefix) ? 1 : 0;
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + (text.substr(end).starts_with("\r\n") ? 2 : 1));
  }
  return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  loquat::net::SseEvent event;
  event.data = Cut(rest);
  event.event = Cut(rest);
  event.id = Cut(rest);
  std::string out;
  loquat::net::AppendSseEvent(out, event);
  Require(out.ends_with("\n\n") && out.find("\n\n") == out.size() - 2);
  Require(out.find('\r') == std::string::npos);
  Require(CountLines(out, "event: ") <= 1 && CountLines(out, "id: ") <= 1 && CountLines(out, "retry: ") == 0);
  std::string comment;
  loquat::net::AppendSseComment(comment, event.data);
  Require(comment.find('\n') == comment.size() - 2);
  return 0;
}
