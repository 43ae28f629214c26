#include "net/websocket.h"

#include <array>

namespace loquat::net {
namespace {

constexpr std::array<HttpHeader, 3> kUpgradeRequired = {
    {{"Connection", "Upgrade"}, {"Upgrade", "websocket"}, {"Sec-WebSocket-Version", "13"}}};

}  // namespace

std::span<const HttpHeader> WebSocketRefusalHeaders(const base::Error& error) {
  if (HttpStatusOf(error) != 426) return {};
  return kUpgradeRequired;
}

}  // namespace loquat::net
