// What to do with a sequence longer than a limit: refuse it, or cut a named part and say which. Never a silent cut.
// Pure functions; safe from any thread.

#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace loquat::text {

// Names the part that is cut.
enum class TruncationPolicy : std::uint8_t {
  kError,   // Nothing: too much is an error.
  kHead,    // The beginning; what was said last stays.
  kTail,    // The end.
  kMiddle,  // The middle; of an odd limit the beginning keeps one more.
};

// "error", "head", "tail", "middle".
std::string_view TruncationPolicyName(TruncationPolicy policy);
base::Result<TruncationPolicy> ParseTruncationPolicy(std::string_view name);

// The items [begin, end) to drop; none if they are equal.
struct Cut {
  std::uint32_t begin = 0, end = 0;

  std::uint32_t size() const { return end - begin; }
  bool operator==(const Cut&) const = default;
};

// Which of `count` items to drop so that `limit` stay. With kError and count > limit: kResourceExhausted, reason
// "too_many_tokens".
base::Result<Cut> PlanTruncation(std::uint32_t count, std::uint32_t limit, TruncationPolicy policy);

}  // namespace loquat::text
