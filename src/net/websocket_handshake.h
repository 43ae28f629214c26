// The opening handshake of a WebSocket as rules over a request: RFC 6455 section 4.2, the offer of permessage-deflate
// (RFC 7692 section 7.1), and whose pages may connect (Origin, RFC 6455 section 10.2). Internal to net.
// Threads: pure functions. Lifetime: results hold views of the request and of `accept`.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/http.h"
#include "net/websocket.h"

namespace loquat::net {

inline constexpr int kDeflateWindowBitsMin = 9;  // zlib cannot write the window of 8 bits that RFC 7692 knows as well.
inline constexpr int kDeflateWindowBitsMax = 15;

// What was agreed for permessage-deflate. No context is taken over in either direction: each message stands alone.
struct WebSocketDeflateTerms {
  int server_window_bits = kDeflateWindowBitsMax;
  bool window_asked = false;  // Then the answer must repeat it.
};

struct WebSocketHandshake {
  std::string accept_key;
  std::string_view subprotocol;  // Empty: none.
  std::optional<WebSocketDeflateTerms> deflate;
};

// Errors: as HttpExchange::AcceptWebSocket, less those of the server's state.
base::Result<WebSocketHandshake> CheckHandshake(const HttpRequest& request, const WebSocketAccept& accept);

// The value of Sec-WebSocket-Accept (RFC 6455 section 4.2.2).
std::string WebSocketAcceptKey(std::string_view key);

// The value of Sec-WebSocket-Extensions that answers what was agreed.
std::string DeflateAnswer(const WebSocketDeflateTerms& terms);

// The first offer of permessage-deflate in a Sec-WebSocket-Extensions value that can be taken; nothing when there is
// none. Errors: websocket_handshake for a value that is no list of extensions.
base::Result<std::optional<WebSocketDeflateTerms>> NegotiateDeflate(std::string_view offers);

// Whether a page of `origin` may connect to the server that it calls `authority`: a page of that very host and port, a
// loopback page to a loopback name, or one on the list. The scheme is not compared for the first, because TLS may end
// in front of this server.
bool IsOriginAllowed(std::string_view origin, std::string_view authority, const std::vector<std::string>& allowed);

// "https://host[:port]", "null" or "*": what WebSocketOptions::origins takes.
bool IsOriginPattern(std::string_view text);

}  // namespace loquat::net
