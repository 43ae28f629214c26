// Every bound and timeout of WebSocket connections, with its default: the config section `websocket`.
// Plain values; shared as an immutable snapshot by the connections that were accepted under it.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "config/section.h"

namespace loquat::net {

enum class SlowConsumerPolicy : std::uint8_t {
  kClose,  // A full send queue closes the connection with 1013.
  kDrop,   // Waiting revisions (WebSocketSend::revision_of) are dropped first; what may not be dropped still closes it.
};

struct WebSocketOptions {
  std::size_t connections_max = 5000;                 // WebSockets open at once; one more is refused with 503.
  std::size_t message_bytes_max = 256 * 1024;         // Of one message, inflated and all fragments together: else 1009.
  std::size_t fragments_max = 1024;                   // Frames of one message: else 1008.
  std::size_t control_frames_max = 256;               // Pings and pongs of the peer within ten seconds: else 1008.
  std::chrono::milliseconds message_timeout{30'000};  // From a message's first byte to its last: else 1008.
  std::chrono::milliseconds ping_interval{20'000};    // A peer silent for so long is pinged; 0: never.
  std::chrono::milliseconds idle_timeout{60'000};     // A peer silent for so long, pings included, is closed with 1001.
  std::chrono::milliseconds close_timeout{5'000};     // For the peer's half of the closing handshake, then it is cut.
  std::size_t send_bytes_max = 1024 * 1024;           // Sent but not taken by the peer; beyond: slow_consumer.
  SlowConsumerPolicy slow_consumer = SlowConsumerPolicy::kDrop;
  bool compression = true;               // permessage-deflate (RFC 7692) for peers that offer it.
  std::size_t compress_bytes_min = 512;  // Shorter messages are sent as they are.
  // Origins whose pages may connect ("https://app.example"), besides pages of this server itself; "*": any. Requests
  // without Origin, which no page can make, always may.
  std::vector<std::string> origins;
};
void Declare(config::Section<WebSocketOptions>& section);

}  // namespace loquat::net
