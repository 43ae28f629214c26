#include "text/tokenizer/byte_level.h"

#include <array>
#include <cstdint>

#include "base/utf8.h"
#include "text/decode.h"

namespace loquat::text {
namespace {

constexpr char32_t kFirstStandIn = 0x100;
constexpr std::size_t kStandIns = 68;

constexpr bool StandsForItself(unsigned byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

struct Maps {
  std::array<char32_t, 256> character{};          // [byte]
  std::array<std::uint8_t, kStandIns> byte_of{};  // [character - kFirstStandIn]
};

constexpr Maps MakeMaps() {
  Maps maps;
  char32_t next = 0;
  for (unsigned byte = 0; byte < 256; ++byte) {
    if (StandsForItself(byte)) {
      maps.character[byte] = byte;
    } else {
      maps.byte_of[next] = static_cast<std::uint8_t>(byte);
      maps.character[byte] = kFirstStandIn + next++;
    }
  }
  return maps;
}

constexpr Maps kMaps = MakeMaps();
static_assert(kMaps.character[' '] == 0x120 && kMaps.character[0xAD] == kFirstStandIn + kStandIns - 1);

}  // namespace

bool AppendByteLevelDecoded(std::string_view stored, std::string& out) {
  const std::size_t from = out.size();
  for (std::size_t at = 0; at < stored.size();) {
    const base::DecodedCodePoint c = Decode(stored, at);
    at += c.length;
    if (c.valid && c.code_point < 256 && StandsForItself(c.code_point)) {
      out.push_back(static_cast<char>(c.code_point));
    } else if (c.valid && c.code_point >= kFirstStandIn && c.code_point < kFirstStandIn + kStandIns) {
      out.push_back(static_cast<char>(kMaps.byte_of[c.code_point - kFirstStandIn]));
    } else {
      out.resize(from);
      return false;
    }
  }
  return true;
}

void AppendByteLevelEncoded(std::string_view bytes, std::string& out) {
  for (const char byte : bytes) base::AppendUtf8(kMaps.character[static_cast<unsigned char>(byte)], out);
}

}  // namespace loquat::text
