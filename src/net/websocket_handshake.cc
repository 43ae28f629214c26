#include "net/websocket_handshake.h"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/base64.h"
#include "net/http_text.h"

namespace loquat::net {
namespace {

constexpr std::string_view kKeyGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455 section 1.3.
constexpr std::size_t kKeyBytes = 16;
constexpr std::string_view kDeflate = "permessage-deflate";

base::Error Refusal(base::Code code, std::string reason, std::string message) {
  return {.code = code, .message = std::move(message), .reason = std::move(reason)};
}

base::Error Malformed(std::string message) {
  return Refusal(base::Code::kInvalidArgument, "websocket_handshake", std::move(message));
}

// A header that may be there once.
base::Result<std::string_view> Single(const HttpRequest& request, std::string_view name) {
  std::string_view value;
  for (const HttpHeader& header : request.headers) {
    if (header.name != name) continue;
    if (value.data() != nullptr) return Malformed(fmt::format("the header {} is there more than once", name));
    value = header.value.data() != nullptr ? header.value : std::string_view("");
  }
  return value;
}

// Calls `take` with each item of a header that is a list and may be repeated.
template <typename F>
void ForEachItem(const HttpRequest& request, std::string_view name, F take) {
  for (const HttpHeader& header : request.headers) {
    if (header.name == name) ForEachListItem(header.value, take);
  }
}

bool Lists(const HttpRequest& request, std::string_view name, std::string_view token) {
  bool found = false;
  ForEachItem(request, name, [&](std::string_view item) { found |= EqualNoCase(item, token); });
  return found;
}

bool IsToken(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, IsTokenChar);
}

// Cuts the part before `separator` off `rest`, blanks trimmed.
std::string_view CutAt(std::string_view& rest, char separator) {
  const std::size_t at = std::min(rest.find(separator), rest.size());
  const std::string_view part = TrimBlanks(rest.substr(0, at));
  rest.remove_prefix(std::min(at + 1, rest.size()));
  return part;
}

// A parameter's value without its quotes; no token: malformed (RFC 6455 section 9.1).
std::optional<std::string_view> Unquoted(std::string_view value) {
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
  if (!IsToken(value)) return std::nullopt;
  return value;
}

// "8" to "15", without leading zeros (RFC 7692 section 7.1.2).
std::optional<int> WindowBits(std::string_view text) {
  int bits = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bits);
  if (error != std::errc() || end != text.data() + text.size() || text.front() == '0' || text.size() > 2) return {};
  if (bits < 8 || bits > kDeflateWindowBitsMax) return {};
  return bits;
}

// One offer of permessage-deflate, parameter by parameter. `acceptable` turns false for what must be declined.
class Offer {
 public:
  bool acceptable() const { return acceptable_; }
  const WebSocketDeflateTerms& terms() const { return terms_; }

  void Take(std::string_view name, std::optional<std::string_view> value) {
    enum : unsigned { kServerTakeover = 1, kClientTakeover = 2, kServerWindow = 4, kClientWindow = 8 };
    if (EqualNoCase(name, "server_no_context_takeover")) return Once(kServerTakeover, !value);
    if (EqualNoCase(name, "client_no_context_takeover")) return Once(kClientTakeover, !value);
    const std::optional<int> bits = value ? WindowBits(*value) : std::nullopt;
    if (EqualNoCase(name, "client_max_window_bits")) return Once(kClientWindow, !value || bits);
    if (!EqualNoCase(name, "server_max_window_bits")) return Once(0, false);
    Once(kServerWindow, bits && *bits >= kDeflateWindowBitsMin);
    if (bits) terms_ = {.server_window_bits = *bits, .window_asked = true};
  }

 private:
  void Once(unsigned which, bool right) {
    if (!right || (seen_ & which) != 0) acceptable_ = false;
    seen_ |= which;
  }

  WebSocketDeflateTerms terms_;
  unsigned seen_ = 0;
  bool acceptable_ = true;
};

base::Status CheckUpgrade(const HttpRequest& request) {
  if (request.version != HttpVersion::kHttp11) {
    return Refusal(base::Code::kFailedPrecondition, "websocket_http_version",
                   "a WebSocket starts as an HTTP/1.1 request; this one is of another version");
  }
  if (request.method != "GET") return Malformed("a WebSocket starts with GET");
  if (!Lists(request, "upgrade", "websocket")) {
    return Refusal(base::Code::kFailedPrecondition, "upgrade_required",
                   "this address speaks WebSocket: connect with a WebSocket client (Upgrade: websocket)");
  }
  if (!Lists(request, "connection", "upgrade")) return Malformed("the Connection header does not name Upgrade");
  LOQUAT_ASSIGN(const std::string_view version, Single(request, "sec-websocket-version"));
  if (version != "13") {
    return Refusal(base::Code::kFailedPrecondition, "websocket_version",
                   "the version of the WebSocket protocol must be 13 (Sec-WebSocket-Version: 13)");
  }
  if (!request.body.empty()) return Malformed("a WebSocket request has no body");
  return {};
}

base::Result<std::string_view> ChooseSubprotocol(const HttpRequest& request, std::string_view ours) {
  bool offered = false;
  bool found = false;
  bool malformed = false;
  ForEachItem(request, "sec-websocket-protocol", [&](std::string_view item) {
    offered = true;
    found |= item == ours;
    malformed |= !IsToken(item);
  });
  if (malformed) return Malformed("the Sec-WebSocket-Protocol header is not a list of names");
  if (!offered || ours.empty()) return std::string_view();
  if (found) return ours;
  return Refusal(base::Code::kInvalidArgument, "websocket_subprotocol",
                 fmt::format("none of the subprotocols asked for is spoken here; ask for {}", ours));
}

std::string_view WithoutDefaultPort(std::string_view host, std::string_view scheme) {
  const std::string_view port = EqualNoCase(scheme, "https") ? ":443" : EqualNoCase(scheme, "http") ? ":80" : "";
  if (!port.empty() && host.ends_with(port)) host.remove_suffix(port.size());
  return host;
}

std::string_view WithoutPort(std::string_view host) {
  const std::size_t colon = host.rfind(':');
  if (colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos) host = host.substr(0, colon);
  return host;
}

bool IsLoopbackName(std::string_view host) {
  host = WithoutPort(host);
  if (EqualNoCase(host, "localhost") || host == "[::1]") return true;
  // 127.0.0.0/8 in full: "127.evil.example" is a name.
  return host.starts_with("127.") && std::ranges::count(host, '.') == 3 &&
         std::ranges::all_of(host, [](char c) { return IsDigit(c) || c == '.'; });
}

}  // namespace

std::string WebSocketAcceptKey(std::string_view key) {
  const std::string text = fmt::format("{}{}", key, kKeyGuid);
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest;
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return base::EncodeBase64({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

std::string DeflateAnswer(const WebSocketDeflateTerms& terms) {
  std::string answer = fmt::format("{}; server_no_context_takeover; client_no_context_takeover", kDeflate);
  if (terms.window_asked) answer += fmt::format("; server_max_window_bits={}", terms.server_window_bits);
  return answer;
}

base::Result<std::optional<WebSocketDeflateTerms>> NegotiateDeflate(std::string_view offers) {
  std::optional<WebSocketDeflateTerms> chosen;
  bool malformed = false;
  ForEachListItem(offers, [&](std::string_view rest) {
    if (rest.empty()) return;  // Empty items are legal (RFC 9110 section 5.6.1).
    const std::string_view name = CutAt(rest, ';');
    malformed |= !IsToken(name);
    Offer offer;
    while (!rest.empty()) {
      std::string_view value = CutAt(rest, ';');
      const bool has_value = value.find('=') != std::string_view::npos;
      const std::string_view parameter = CutAt(value, '=');
      const auto unquoted = has_value ? Unquoted(TrimBlanks(value)) : std::nullopt;
      malformed |= !IsToken(parameter) || (has_value && !unquoted);
      offer.Take(parameter, unquoted);
    }
    if (EqualNoCase(name, kDeflate) && offer.acceptable() && !chosen) chosen = offer.terms();
  });
  if (malformed) return Malformed("the Sec-WebSocket-Extensions header is not a list of extensions");
  return chosen;
}

bool IsOriginPattern(std::string_view text) {
  if (text == "*" || text == "null") return true;
  const std::size_t scheme = text.find("://");
  if (scheme == std::string_view::npos || scheme == 0) return false;
  const std::string_view host = text.substr(scheme + 3);
  return IsToken(text.substr(0, scheme)) && !host.empty() && IsValidHost(host);
}

bool IsOriginAllowed(std::string_view origin, std::string_view authority, const std::vector<std::string>& allowed) {
  for (const std::string& pattern : allowed) {
    if (pattern == "*" || EqualNoCase(pattern, origin)) return true;
  }
  const std::size_t scheme_end = origin.find("://");
  if (scheme_end == std::string_view::npos) return false;
  const std::string_view scheme = origin.substr(0, scheme_end);
  const std::string_view host = origin.substr(scheme_end + 3);
  if (host.empty() || authority.empty()) return false;
  if (EqualNoCase(WithoutDefaultPort(host, scheme), WithoutDefaultPort(authority, scheme))) return true;
  return IsLoopbackName(host) && IsLoopbackName(authority);
}

base::Result<WebSocketHandshake> CheckHandshake(const HttpRequest& request, const WebSocketAccept& accept) {
  LOQUAT_TRY(CheckUpgrade(request));
  LOQUAT_ASSIGN(const std::string_view key, Single(request, "sec-websocket-key"));
  const auto nonce = base::DecodeBase64(key);
  if (!nonce || nonce->size() != kKeyBytes) {
    return Malformed("the Sec-WebSocket-Key header is not 16 bytes in base64");
  }
  LOQUAT_ASSIGN(const std::string_view origin, Single(request, "origin"));
  if (origin.data() != nullptr && !IsOriginAllowed(origin, request.authority, accept.options->origins)) {
    return Refusal(base::Code::kPermissionDenied, "origin_not_allowed",
                   fmt::format("pages of {} may not connect to {}; list that origin in websocket.origins to allow it",
                               origin, request.authority));
  }
  WebSocketHandshake agreed;
  LOQUAT_ASSIGN(agreed.subprotocol, ChooseSubprotocol(request, accept.subprotocol));
  std::string offers;
  for (const HttpHeader& header : request.headers) {
    if (header.name != "sec-websocket-extensions") continue;
    if (!offers.empty()) offers += ',';
    offers += header.value;
  }
  LOQUAT_ASSIGN(const auto deflate, NegotiateDeflate(offers));
  if (accept.options->compression) agreed.deflate = deflate;
  agreed.accept_key = WebSocketAcceptKey(key);
  return agreed;
}

}  // namespace loquat::net
