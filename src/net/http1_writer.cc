#include "net/http1_writer.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "net/http_text.h"

namespace loquat::net {
namespace {

void AppendNumber(std::string& out, std::uint64_t value, int radix = 10) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, radix).ptr;
  out.append(digits.data(), end);
}

// A value with a line end in it would be a second header: such bytes become spaces (RFC 9110 section 5.5).
void AppendFieldValue(std::string& out, std::string_view value) {
  const std::size_t begin = out.size();
  out += value;
  if (std::ranges::all_of(value, IsFieldChar)) return;
  std::replace_if(
      out.begin() + static_cast<std::ptrdiff_t>(begin), out.end(), [](char c) { return !IsFieldChar(c); }, ' ');
}

void AppendStatusLine(std::string& out, int status) {
  if (status == 200) {
    out += "HTTP/1.1 200 OK\r\n";
    return;
  }
  out += "HTTP/1.1 ";
  AppendNumber(out, static_cast<std::uint64_t>(std::clamp(status, 100, 999)));
  out += ' ';
  out += HttpReason(status);
  out += "\r\n";
}

}  // namespace

void AppendResponseHead(std::string& out, const Http1ResponseHead& head) {
  AppendStatusLine(out, head.status);
  out += "Date: ";
  out += head.date;
  if (head.content_length) {
    out += "\r\nContent-Length: ";
    AppendNumber(out, *head.content_length);
  }
  if (head.chunked) out += "\r\nTransfer-Encoding: chunked";
  if (head.connection == ConnectionHeader::kClose) out += "\r\nConnection: close";
  if (head.connection == ConnectionHeader::kKeepAlive) out += "\r\nConnection: keep-alive";
  out += "\r\n";
  for (const HttpHeader& header : head.headers) {
    if (header.name.empty() || !std::ranges::all_of(header.name, IsTokenChar)) continue;
    out += header.name;
    out += ": ";
    AppendFieldValue(out, header.value);
    out += "\r\n";
  }
  out += "\r\n";
}

void AppendChunkSize(std::string& out, std::size_t size) {
  AppendNumber(out, size, 16);
  out += "\r\n";
}

bool IsBodiless(int status) {
  return status < 200 || status == 204 || status == 304;
}

}  // namespace loquat::net
