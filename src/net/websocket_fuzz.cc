// Any bytes as what a WebSocket client sends. The first two bytes choose the bounds, whether deflate was agreed, and
// how the rest is cut. Held: the way the bytes are cut changes nothing, no message is past its bound, text is UTF-8,
// and what is deflated again inflates to the same.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"
#include "net/websocket_decoder.h"
#include "net/websocket_handshake.h"

namespace {

using loquat::net::WebSocketDecoder;
using Event = WebSocketDecoder::Event;

void Require(bool condition) {
  LOQUAT_CHECK(condition, "the property this fuzzer holds");
}

struct Bounds {
  std::size_t message_bytes_max;
  std::size_t fragments_max;
  bool deflate;
  bool discard;
};

struct Tools {
  loquat::net::WebSocketInflater inflater;
  loquat::net::WebSocketDeflater deflater;
};

void CheckMessage(const loquat::net::WebSocketMessage& message, const Bounds& bounds, Tools& tools) {
  Require(!bounds.discard && message.data.size() <= bounds.message_bytes_max);
  if (message.kind == loquat::net::WebSocketKind::kText) Require(loquat::base::IsValidUtf8(message.data));
  const std::string packed(tools.deflater.Deflate(message.data, 9 + static_cast<int>(message.data.size() % 7)));
  std::string again;
  Require(tools.inflater.Inflate(packed, message.data.size(), again) == loquat::net::WebSocketInflater::Outcome::kDone);
  Require(again == message.data);
}

// All that came out, as one text.
std::string Decode(std::string bytes, std::size_t step, const Bounds& bounds, Tools& tools) {
  WebSocketDecoder decoder(bounds.message_bytes_max, bounds.fragments_max, bounds.deflate);
  if (bounds.discard) decoder.DiscardMessages();
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    std::span<char> piece = std::span<char>(bytes).subspan(at, std::min(step, bytes.size() - at));
    for (;;) {
      const Event event = decoder.Next(piece, tools.inflater);
      if (event == Event::kNeedMore) break;
      out += static_cast<char>('0' + static_cast<int>(event));
      if (event == Event::kFailed) {
        Require(decoder.failure().code >= 1002 && decoder.failure().code <= 1009);
        Require(decoder.failure().message.size() <= loquat::net::kCloseReasonBytesMax);
        return out + std::to_string(decoder.failure().code);
      }
      if (event == Event::kMessage) {
        const loquat::net::WebSocketMessage message = decoder.TakeMessage();
        CheckMessage(message, bounds, tools);
        out += message.data;
      } else {
        Require(decoder.control().size() <= loquat::net::kControlPayloadMax);
        out += decoder.control();
      }
      if (event == Event::kClose) return out + std::to_string(decoder.close_code());
    }
    Require(piece.empty());
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  static Tools tools;  // As a loop's: what one message leaves behind must not matter to the next.
  const Bounds bounds = {.message_bytes_max = std::size_t{125} << (data[0] & 7),
                         .fragments_max = 1 + static_cast<std::size_t>(data[0] >> 5),
                         .deflate = (data[0] & 8) != 0,
                         .discard = (data[0] & 16) != 0};
  const std::string bytes(reinterpret_cast<const char*>(data + 2), size - 2);
  const std::string whole = Decode(bytes, std::max<std::size_t>(bytes.size(), 1), bounds, tools);
  Require(Decode(bytes, 1, bounds, tools) == whole);
  Require(Decode(bytes, 1 + data[1], bounds, tools) == whole);
  // The same bytes as a payload by itself, and as the headers of a handshake.
  std::string out;
  (void)tools.inflater.Inflate(bytes, bounds.message_bytes_max, out);
  Require(out.size() <= bounds.message_bytes_max + 1);
  if (const auto terms = loquat::net::NegotiateDeflate(bytes); terms && *terms) {
    Require((*terms)->server_window_bits >= loquat::net::kDeflateWindowBitsMin);
    const auto again = loquat::net::NegotiateDeflate(loquat::net::DeflateAnswer(**terms));
    Require(again && *again && (*again)->server_window_bits == (*terms)->server_window_bits);
  }
  (void)loquat::net::IsOriginAllowed(bytes, "localhost:8080", {"https://a.example"});
  return 0;
}
