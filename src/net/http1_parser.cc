#include "net/http1_parser.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "net/http_text.h"

namespace loquat::net {
namespace {

constexpr HttpFailure kBareLineEnd{400, "bad_line_end", "a line of the request ends in a bare LF; send CR LF"};
constexpr HttpFailure kControl{400, "bad_character", "the request head has a control character"};
constexpr HttpFailure kRequestLine{400, "bad_request_line", "the request line is not `METHOD target HTTP/1.1`"};
constexpr HttpFailure kMethod{400, "bad_method", "the method is not a token, or is longer than 32 bytes"};
constexpr HttpFailure kTarget{400, "bad_target",
                              "the request target is not a path, an http URI or *; percent-encode it"};
constexpr HttpFailure kTargetLong{414, "target_too_long", "the request target is too long"};
constexpr HttpFailure kVersion{505, "http_version", "only HTTP/1.0, HTTP/1.1 and HTTP/2 are spoken here"};
constexpr HttpFailure kHeadLarge{431, "header_too_large", "the request head is too large"};
constexpr HttpFailure kHeadCount{431, "header_too_large", "the request has too many headers"};
constexpr HttpFailure kFolded{400, "folded_header", "a header is folded over two lines, which HTTP/1.1 forbids"};
constexpr HttpFailure kHeaderName{400, "bad_header_name", "a header name is empty or not a token followed by a colon"};
constexpr HttpFailure kHost{400, "bad_host", "HTTP/1.1 needs exactly one valid Host header"};
constexpr HttpFailure kConnection{400, "bad_connection", "the Connection header is not a list of tokens"};
constexpr HttpFailure kLength{400, "bad_content_length", "Content-Length is not one plain decimal number"};
constexpr HttpFailure kLengthAndChunked{400, "length_and_chunked",
                                        "Content-Length and Transfer-Encoding together are ambiguous"};
constexpr HttpFailure kEncodingOld{400, "bad_transfer_encoding", "Transfer-Encoding does not exist in HTTP/1.0"};
constexpr HttpFailure kEncodingTwice{400, "bad_transfer_encoding", "Transfer-Encoding is given twice"};
constexpr HttpFailure kEncoding{501, "bad_transfer_encoding", "the only transfer encoding understood is `chunked`"};
constexpr HttpFailure kExpect{417, "bad_expectation", "the only expectation understood is `100-continue`"};
constexpr HttpFailure kStatusLine{502, "bad_status_line", "the status line is not `HTTP/1.1 200 Reason`"};

ParseOutcome Fail(const HttpFailure& failure) {
  return {ParseState::kFailed, failure};
}

// Everything about the version but its being one we speak.
bool LooksLikeVersion(std::string_view text) {
  return text.size() == 8 && text.starts_with("HTTP/") && IsDigit(text[5]) && text[6] == '.' && IsDigit(text[7]);
}

HttpFailure ParseTarget(Http1Head& head) {
  const std::string_view target = head.target;
  if (target.empty()) return kRequestLine;
  if (!std::ranges::all_of(target, IsTargetChar)) return kTarget;
  std::string_view path = target;
  if (target == "*") {
    if (head.method != "OPTIONS") return kTarget;
  } else if (target.front() != '/') {
    if (head.method == "CONNECT") {
      head.path = head.query = {};
      return {};
    }
    const std::size_t scheme = StartsWithNoCase(target, "http://") ? 7 : StartsWithNoCase(target, "https://") ? 8 : 0;
    if (scheme == 0) return kTarget;
    const std::size_t slash = std::min(target.find_first_of("/?", scheme), target.size());
    if (slash == scheme) return kTarget;
    path = target.substr(slash);
  }
  const std::size_t mark = path.find('?');
  head.path = path.substr(0, mark);
  head.query = mark == std::string_view::npos ? std::string_view() : path.substr(mark + 1);
  if (head.path.empty()) head.path = "/";
  return {};
}

HttpFailure ParseRequestLine(std::string_view line, const Http1Limits& limits, Http1Head& head) {
  const std::size_t first = line.find(' ');
  if (first == 0 || first == std::string_view::npos) return kRequestLine;
  head.method = line.substr(0, first);
  if (head.method.size() > kMethodBytesMax || !std::ranges::all_of(head.method, IsTokenChar)) return kMethod;
  const std::size_t last = line.rfind(' ');
  if (last == first) return kRequestLine;
  const std::string_view version = line.substr(last + 1);
  if (!LooksLikeVersion(version)) return kRequestLine;
  head.target = line.substr(first + 1, last - first - 1);
  if (head.target.size() > limits.target_bytes_max) return kTargetLong;
  if (version[5] != '1' || version[7] > '1') return kVersion;
  head.version = version[7] == '1' ? HttpVersion::kHttp11 : HttpVersion::kHttp10;
  return ParseTarget(head);
}

HttpFailure ParseStatusLine(std::string_view line, const Http1Limits&, Http1Head& head) {
  if (line.size() < 12 || !LooksLikeVersion(line.substr(0, 8)) || line[5] != '1' || line[8] != ' ') return kStatusLine;
  if (!IsDigit(line[9]) || !IsDigit(line[10]) || !IsDigit(line[11])) return kStatusLine;
  if (line.size() > 12 && line[12] != ' ') return kStatusLine;
  head.status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
  head.version = line[7] == '0' ? HttpVersion::kHttp10 : HttpVersion::kHttp11;
  return head.status < 100 ? kStatusLine : HttpFailure{};
}

using FirstLineParser = HttpFailure (*)(std::string_view, const Http1Limits&, Http1Head&);

HttpFailure ParseContentLength(std::string_view value, Http1Head& head) {
  if (head.content_length || value.empty() || value.size() > 18) return kLength;
  std::uint64_t length = 0;
  for (const char c : value) {
    if (!IsDigit(c)) return kLength;
    length = length * 10 + static_cast<std::uint64_t>(c - '0');
  }
  head.content_length = length;
  return {};
}

HttpFailure ParseConnection(std::string_view value, Http1Head& head, bool& asked_keep) {
  HttpFailure failure;
  ForEachListItem(value, [&](std::string_view item) {
    if (!std::ranges::all_of(item, IsTokenChar)) failure = kConnection;
    if (EqualNoCase(item, "close")) head.keep_alive = false;
    if (EqualNoCase(item, "keep-alive")) asked_keep = true;
  });
  return failure;
}

// Headers that decide where the message ends; whatever is doubtful about them is refused.
struct Framing {
  int hosts = 0;
  bool encoded = false;
  bool asked_keep = false;

  HttpFailure Take(const HttpHeader& header, Http1Head& head) {
    switch (header.name.size()) {
      case 4:
        if (header.name == "host") {
          ++hosts;
          head.authority = header.value;
          if (!IsValidHost(header.value)) return kHost;
        }
        break;
      case 6:
        if (header.name == "expect") {
          if (!EqualNoCase(header.value, "100-continue")) return kExpect;
          head.expect_continue = true;
        }
        break;
      case 10:
        if (header.name == "connection") return ParseConnection(header.value, head, asked_keep);
        break;
      case 14:
        if (header.name == "content-length") return ParseContentLength(header.value, head);
        break;
      case 17:
        if (header.name == "transfer-encoding") {
          if (encoded) return kEncodingTwice;
          encoded = true;
          if (!EqualNoCase(header.value, "chunked")) return kEncoding;
          head.chunked = true;
        }
        break;
      default:
        break;
    }
    return {};
  }

  HttpFailure Settle(Http1Head& head, bool request) const {
    if (encoded && head.content_length) return kLengthAndChunked;
    if (encoded && head.version == HttpVersion::kHttp10) return kEncodingOld;
    if (head.version == HttpVersion::kHttp10) {
      head.keep_alive = head.keep_alive && asked_keep;
      head.expect_continue = false;
    }
    if (request && (hosts > 1 || (hosts == 0 && head.version == HttpVersion::kHttp11))) return kHost;
    return {};
  }
};

// One line, its CR LF gone. Lowers the name in place.
HttpFailure ParseHeaderLine(std::span<char> line, HttpHeader& header) {
  if (line.front() == ' ' || line.front() == '\t') return kFolded;
  std::size_t colon = 0;
  while (colon < line.size()) {
    const char lower = kTokenLower[static_cast<unsigned char>(line[colon])];
    if (lower == 0) break;
    line[colon++] = lower;
  }
  if (colon == 0 || colon == line.size() || line[colon] != ':') return kHeaderName;
  header.name = {line.data(), colon};
  std::string_view value(line.data() + colon + 1, line.size() - colon - 1);
  if (!std::ranges::all_of(value, IsFieldChar)) return kControl;
  header.value = TrimBlanks(value);
  return {};
}

// Walks from `scanned` to the empty line that ends the head. kDone: `end` is the offset after it.
ParseOutcome FindHeadEnd(std::span<const char> data, std::size_t& scanned, std::size_t& end) {
  while (scanned < data.size()) {
    const void* found = std::memchr(data.data() + scanned, '\n', data.size() - scanned);
    if (found == nullptr) break;
    const auto at = static_cast<std::size_t>(static_cast<const char*>(found) - data.data());
    if (at == 0 || data[at - 1] != '\r') return Fail(kBareLineEnd);
    const bool empty = at - 1 == scanned;
    const bool first_line = scanned == 0;
    scanned = at + 1;
    if (empty && !first_line) {
      end = scanned;
      return {.state = ParseState::kDone, .failure = {}};
    }
    if (empty) return Fail(kRequestLine);
  }
  return {};
}

// What can be said of a head that is not complete: is it already too large, or already wrong?
ParseOutcome JudgePartial(std::string_view data, std::size_t scanned, const Http1Limits& limits, bool request) {
  if (request) {
    const std::size_t space = std::min(data.find(' '), data.size());
    const std::string_view method = data.substr(0, std::min(space, data.find_first_of("\r\n")));
    if (method.size() > kMethodBytesMax || !std::ranges::all_of(method, IsTokenChar)) return Fail(kMethod);
    if (scanned == 0 && space < data.size()) {
      const std::string_view target = data.substr(space + 1);
      const std::size_t size = std::min(target.find(' '), target.size());
      if (size > limits.target_bytes_max) return Fail(kTargetLong);
      const auto bad = std::ranges::find_if_not(target.substr(0, size), IsTargetChar);
      if (bad != target.begin() + size && *bad != '\r') return Fail(kTarget);
    }
  }
  if (data.size() >= limits.head_bytes_max) return Fail(kHeadLarge);
  return {};
}

ParseOutcome ParseHead(std::span<char> data, std::size_t& scanned, const Http1Limits& limits, Http1Head& head,
                       FirstLineParser first_line, bool request) {
  const bool had_first_line = scanned != 0;
  std::size_t end = 0;
  ParseOutcome outcome = FindHeadEnd(data, scanned, end);
  if (outcome.state == ParseState::kFailed) return outcome;
  const std::string_view text(data.data(), data.size());
  if (outcome.state == ParseState::kNeedMore) {
    if (!had_first_line && scanned != 0) {
      Http1Head probe;
      if (auto failure = first_line(text.substr(0, text.find('\r')), limits, probe)) return Fail(failure);
    }
    return JudgePartial(text, scanned, limits, request);
  }
  head.Clear();
  head.size = end;
  const std::size_t line_end = text.find("\r\n");
  if (auto failure = first_line(text.substr(0, line_end), limits, head)) return Fail(failure);
  if (end > limits.head_bytes_max) return Fail(kHeadLarge);
  Framing framing;
  for (std::size_t at = line_end + 2; at + 2 < end;) {
    const auto stop = static_cast<std::size_t>(static_cast<const char*>(std::memchr(data.data() + at, '\n', end - at)) -
                                               data.data() - 1);
    if (head.headers.size() == limits.header_count_max) return Fail(kHeadCount);
    HttpHeader header;
    if (auto failure = ParseHeaderLine(data.subspan(at, stop - at), header)) return Fail(failure);
    if (auto failure = framing.Take(header, head)) return Fail(failure);
    head.headers.push_back(header);
    at = stop + 2;
  }
  if (auto failure = framing.Settle(head, request)) return Fail(failure);
  return {.state = ParseState::kDone, .failure = {}};
}

}  // namespace

base::Error ToError(const HttpFailure& failure) {
  base::Code code = base::Code::kInvalidArgument;
  switch (failure.status) {
    case 408:
      code = base::Code::kDeadlineExceeded;
      break;
    case 413:
    case 414:
    case 429:
    case 431:
      code = base::Code::kResourceExhausted;
      break;
    case 500:
      code = base::Code::kInternal;
      break;
    case 501:
    case 505:
      code = base::Code::kUnimplemented;
      break;
    case 502:
    case 503:
      code = base::Code::kUnavailable;
      break;
    default:
      break;
  }
  return {.code = code, .message = std::string(failure.message), .reason = std::string(failure.reason)};
}

void Http1Head::Rebase(const char* from, const char* to) {
  const auto move = [from, to](std::string_view& view) {
    if (view.data() != nullptr) view = {to + (view.data() - from), view.size()};
  };
  // A path of "/" that the target did not spell is a literal, not a view into the buffer.
  const bool literal_path = path.data() < target.data() || path.data() > target.data() + target.size();
  if (!literal_path) move(path);
  move(query);
  move(method);
  move(target);
  move(authority);
  for (HttpHeader& header : headers) {
    move(header.name);
    move(header.value);
  }
}

void Http1Head::Clear() {
  std::vector<HttpHeader> kept = std::move(headers);
  kept.clear();
  *this = Http1Head();
  headers = std::move(kept);
}

ParseOutcome ParseRequestHead(std::span<char> data, std::size_t& scanned, const Http1Limits& limits, Http1Head& head) {
  return ParseHead(data, scanned, limits, head, &ParseRequestLine, true);
}

ParseOutcome ParseResponseHead(std::span<char> data, std::size_t& scanned, const Http1Limits& limits, Http1Head& head) {
  return ParseHead(data, scanned, limits, head, &ParseStatusLine, false);
}

}  // namespace loquat::net
