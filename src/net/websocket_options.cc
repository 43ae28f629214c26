#include "net/websocket_options.h"

#include "net/websocket_handshake.h"

namespace loquat::net {

using std::chrono::hours;
using std::chrono::milliseconds;

void Declare(config::Section<WebSocketOptions>& section) {
  constexpr std::size_t kBytesMax = std::size_t{1} << 30;
  section.Key("connections_max", &WebSocketOptions::connections_max)
      .Range(1, 1'000'000)
      .Help("Open WebSockets; one more is refused with 503. They count among server.connections_max as well.");
  section.Key("message_bytes_max", &WebSocketOptions::message_bytes_max)
      .Bytes()
      .Range(125, kBytesMax)
      .Help("One message, its fragments together and inflated; a larger one closes the connection with 1009.");
  section.Key("fragments_max", &WebSocketOptions::fragments_max)
      .Range(1, 1'000'000)
      .Help("Frames of one message; more close the connection with 1008.");
  section.Key("control_frames_max", &WebSocketOptions::control_frames_max)
      .Range(1, 1'000'000)
      .Help("Pings and pongs that a client may send within ten seconds; more close the connection with 1008.");
  section.Key("message_timeout", &WebSocketOptions::message_timeout)
      .Range(milliseconds(100), milliseconds(hours(1)))
      .Help(
          "How long one message may take to arrive, from its first byte on; then the connection is closed with 1008.");
  section.Key("ping_interval", &WebSocketOptions::ping_interval)
      .Range(milliseconds(0), milliseconds(hours(1)))
      .Help("A client that was silent for so long is pinged; 0: never.");
  section.Key("idle_timeout", &WebSocketOptions::idle_timeout)
      .Range(milliseconds(100), milliseconds(hours(24)))
      .Help("A client that was silent for so long, and answered no ping either, is closed with 1001.");
  section.Key("close_timeout", &WebSocketOptions::close_timeout)
      .Range(milliseconds(10), milliseconds(hours(1)))
      .Help("How long a client may take to answer a Close before the connection is cut.");
  section.Key("send_bytes_max", &WebSocketOptions::send_bytes_max)
      .Bytes()
      .Range(1024, kBytesMax)
      .Help("Messages that wait for a client which does not read; slow_consumer says what happens beyond.");
  section.Key("slow_consumer", &WebSocketOptions::slow_consumer)
      .Names({{"close", SlowConsumerPolicy::kClose}, {"drop", SlowConsumerPolicy::kDrop}})
      .Help(
          "When send_bytes_max is reached. close: the connection is closed with 1013. drop: outdated revisions are "
          "dropped first, and it is closed if that is not enough.");
  section.Key("compression", &WebSocketOptions::compression)
      .Help("Compresses messages (permessage-deflate) for clients that offer it.");
  section.Key("compress_bytes_min", &WebSocketOptions::compress_bytes_min)
      .Bytes()
      .Range(0, kBytesMax)
      .Help("Shorter messages are sent as they are.");
  section.Key("origins", &WebSocketOptions::origins)
      .Match(IsOriginPattern, "an origin such as https://app.example, \"null\" or \"*\"")
      .Help("Origins whose pages may connect besides this server's own, \"*\" for any.");
  section.Check([](const WebSocketOptions& options) -> base::Status {
    if (options.ping_interval < options.idle_timeout) return {};
    return base::InvalidArgument("must be shorter than idle_timeout, else no ping is sent in time", "/ping_interval");
  });
}

}  // namespace loquat::net
