#include "net/websocket_frame.h"

#include <bit>
#include <cstring>

#include "base/check.h"
#include "net/websocket.h"

namespace loquat::net {
namespace {

constexpr std::uint8_t kFin = 0x80;
constexpr std::uint8_t kRsv1 = 0x40;
constexpr std::uint8_t kRsv23 = 0x30;
constexpr std::uint8_t kMasked = 0x80;
constexpr std::uint8_t kLength16 = 126;
constexpr std::uint8_t kLength64 = 127;

std::uint8_t ByteAt(std::string_view text, std::size_t at) {
  return static_cast<std::uint8_t>(text[at]);
}

WebSocketFailure Protocol(std::string_view message) {
  return {.code = kCloseProtocolError, .reason = "websocket_protocol", .message = message};
}

std::uint64_t ReadBigEndian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<std::uint8_t>(byte);
  return value;
}

WebSocketFailure ReadLength(std::string_view head, std::uint64_t& length) {
  length = ByteAt(head, 1) & 0x7f;
  if (length == kLength16) {
    length = ReadBigEndian(head.substr(2, 2));
    if (length < kLength16) return Protocol("a frame length is not in its shortest form");
  } else if (length == kLength64) {
    length = ReadBigEndian(head.substr(2, 8));
    if (length <= 0xffff) return Protocol("a frame length is not in its shortest form");
    if (length >> 63 != 0) return Protocol("a frame length is past 2^63");
  }
  return {};
}

bool IsKnown(std::uint8_t opcode) {
  return opcode <= 0x2 || (opcode >= 0x8 && opcode <= 0xa);
}

}  // namespace

std::size_t FrameHeadSize(std::string_view start) {
  if (start.size() < 2) return 0;
  const std::uint8_t length = ByteAt(start, 1) & 0x7f;
  const std::size_t mask = (ByteAt(start, 1) & kMasked) != 0 ? 4 : 0;
  return 2 + (length == kLength64 ? 8 : length == kLength16 ? 2 : 0) + mask;
}

WebSocketFailure ReadFrameHead(std::string_view head, bool deflate, WebSocketFrameHead& out) {
  const std::uint8_t first = ByteAt(head, 0);
  if ((first & kRsv23) != 0) return Protocol("a reserved bit is set");
  if (!IsKnown(first & 0xf)) return Protocol("an opcode is unknown");
  out.fin = (first & kFin) != 0;
  out.compressed = (first & kRsv1) != 0;
  out.opcode = static_cast<WebSocketOpcode>(first & 0xf);
  const bool starts = out.opcode == WebSocketOpcode::kText || out.opcode == WebSocketOpcode::kBinary;
  if (out.compressed && !(deflate && starts)) return Protocol("RSV1 is set where nothing gives it a meaning");
  if ((ByteAt(head, 1) & kMasked) == 0) return Protocol("a client's frame is not masked");
  if (auto failure = ReadLength(head, out.length)) return failure;
  if (IsControl(out.opcode)) {
    if (!out.fin) return Protocol("a control frame comes in fragments");
    if (out.length > kControlPayloadMax) return Protocol("a control frame is longer than 125 bytes");
  }
  std::memcpy(out.mask.data(), head.data() + head.size() - out.mask.size(), out.mask.size());
  return {};
}

void Unmask(std::span<char> payload, const std::array<std::uint8_t, 4>& mask, std::uint64_t offset) {
  std::array<std::uint8_t, 8> turned;  // The mask as it stands at `offset`, twice.
  for (std::size_t i = 0; i < turned.size(); ++i) turned[i] = mask[(offset + i) & 3];
  const auto wide = std::bit_cast<std::uint64_t>(turned);
  std::size_t at = 0;
  for (; at + sizeof(wide) <= payload.size(); at += sizeof(wide)) {
    std::uint64_t word;
    std::memcpy(&word, payload.data() + at, sizeof(word));
    word ^= wide;
    std::memcpy(payload.data() + at, &word, sizeof(word));
  }
  for (; at < payload.size(); ++at) payload[at] = static_cast<char>(payload[at] ^ turned[at & 3]);
}

std::size_t WriteFrameHead(std::span<char, kFrameHeadBytesMax> out, WebSocketOpcode opcode, bool compressed,
                           std::uint64_t length) {
  out[0] = static_cast<char>(kFin | (compressed ? kRsv1 : 0) | static_cast<std::uint8_t>(opcode));
  const std::size_t width = length < kLength16 ? 0 : length <= 0xffff ? 2 : 8;
  out[1] = static_cast<char>(width == 0 ? length : width == 2 ? kLength16 : kLength64);
  for (std::size_t i = 0; i < width; ++i) out[2 + i] = static_cast<char>(length >> (8 * (width - 1 - i)));
  return 2 + width;
}

}  // namespace loquat::net
