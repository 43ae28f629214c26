#include "text/truncation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace loquat::text {
namespace {

constexpr std::array<std::string_view, 4> kNames = {"error", "head", "tail", "middle"};

}  // namespace

std::string_view TruncationPolicyName(TruncationPolicy policy) {
  return kNames[static_cast<std::size_t>(policy)];
}

base::Result<TruncationPolicy> ParseTruncationPolicy(std::string_view name) {
  const auto at = std::ranges::find(kNames, name);
  if (at == kNames.end()) {
    return base::InvalidArgument(fmt::format("'{}' is no truncation policy: use error, head, tail or middle", name));
  }
  return static_cast<TruncationPolicy>(at - kNames.begin());
}

base::Result<Cut> PlanTruncation(std::uint32_t count, std::uint32_t limit, TruncationPolicy policy) {
  if (count <= limit) return Cut{};
  const std::uint32_t excess = count - limit;
  switch (policy) {
    case TruncationPolicy::kError:
      break;
    case TruncationPolicy::kHead:
      return Cut{.begin = 0, .end = excess};
    case TruncationPolicy::kTail:
      return Cut{.begin = limit, .end = count};
    case TruncationPolicy::kMiddle: {
      const std::uint32_t head = limit - limit / 2;
      return Cut{.begin = head, .end = head + excess};
    }
  }
  return base::Error{.code = base::Code::kResourceExhausted,
                     .message = fmt::format(
                         "{} tokens, at most {} are allowed: shorten the text, or choose the truncation policy head, "
                         "tail or middle",
                         count, limit),
                     .reason = "too_many_tokens"};
}

}  // namespace loquat::text
