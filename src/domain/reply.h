// What is said back, how it is delivered, and why that way. Plain values.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace loquat::domain {

enum class DeliveryMode : std::uint8_t { kSync, kCallback, kStream };
enum class ReplySource : std::uint8_t { kTemplate, kModel, kUpstream, kAction };

struct Delivery {
  DeliveryMode mode = DeliveryMode::kSync;
  std::string reason;  // "confidence 0.97 >= 0.92"
};

// What a local model had to do with a reply.
struct ReplyGeneration {
  std::string model;                  // Which was asked.
  std::string reason;                 // Why: "out of scope", "confidence 0.31 < 0.60".
  std::optional<base::Error> failed;  // Why the words are the template's after all.
  bool cut = false;                   // The answer was longer than its limit.
  std::uint32_t turns_left_out = 0;   // Of the session's window, oldest first, so that the prompt fits the model.
};

// What was done for a reply.
struct ReplyAction {
  std::string saga;                        // Its id; empty: nothing was begun.
  std::string state;                       // "running", "compensating", "done", "compensated", "dead", "refused".
  std::optional<base::Error> failed = {};  // Why nothing came of it.
};

struct Reply {
  std::string text;
  ReplySource source = ReplySource::kTemplate;
  Delivery delivery;
  std::optional<ReplyGeneration> generation;  // Empty: no model was asked.
  std::optional<ReplyAction> action = {};     // Empty: the intent does nothing.
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
