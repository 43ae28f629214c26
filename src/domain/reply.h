// What is said back, how it is delivered, and why that way. Plain values.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace loquat::domain {

enum class DeliveryMode : std::uint8_t { kSync, kCallback, kStream };
enum class ReplySource : std::uint8_t { kTemplate, kModel, kUpstream, kAction };

struct Delivery {
  DeliveryMode mode = DeliveryMode::kSync;
  std::string reason;  // "confidence 0.97 >= 0.92"
};

struct Reply {
  std::string text;
  ReplySource source = ReplySource::kTemplate;
  Delivery delivery;
};

constexpr std::string_view DeliveryModeName(DeliveryMode mode) {
  constexpr std::string_view kNames[] = {"sync", "callback", "stream"};
  return kNames[static_cast<std::uint8_t>(mode)];
}

constexpr std::string_view ReplySourceName(ReplySource source) {
  constexpr std::string_view kNames[] = {"template", "model", "upstream", "action"};
  return kNames[static_cast<std::uint8_t>(source)];
}

}  // namespace loquat::domain
