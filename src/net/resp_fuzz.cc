// Any bytes, in any pieces: the parser gives the same values and the same end as in one piece, holds its limits, and
// what it gave is written and read back as the same values.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "net/resp.h"

namespace {

using loquat::net::RespLimits;
using loquat::net::RespParser;
using loquat::net::RespValue;

constexpr RespLimits kLimits{.depth_max = 6, .values_max = 64, .line_bytes_max = 128, .reply_bytes_max = 4096};

struct Outcome {
  std::string written;  // All values, as AppendResp has them: NaN equals itself there.
  bool failed = false;
  std::size_t values = 0;
};

std::size_t Depth(const RespValue& value) {
  std::size_t deepest = 0;
  for (const auto* part : {&value.items, &value.attributes}) {
    for (const RespValue& item : *part) deepest = std::max(deepest, 1 + Depth(item));
  }
  return deepest;
}

Outcome ParseAll(std::string_view bytes, std::size_t piece) {
  Outcome outcome;
  RespParser parser(kLimits);
  while (!bytes.empty() && !outcome.failed) {
    std::string_view part = bytes.substr(0, piece);
    bytes.remove_prefix(part.size());
    for (bool more = true; more;) {
      auto value = parser.Next(part);
      more = value.has_value() && value->has_value();
      if (!value.has_value()) {
        LOQUAT_CHECK(!value.error().message.empty() && !value.error().reason.empty(), "an error says what is wrong");
        outcome.failed = true;
      }
      if (!more) continue;
      LOQUAT_CHECK(Depth(**value) <= kLimits.depth_max, "the depth is bounded");
      ++outcome.values;
      AppendResp(**value, outcome.written);
    }
    LOQUAT_CHECK(outcome.failed || part.empty(), "the parser takes every byte");
  }
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t piece = 1 + data[0] % 16;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Outcome whole = ParseAll(bytes, bytes.size() + 1);
  const Outcome pieces = ParseAll(bytes, piece);
  LOQUAT_CHECK(whole.failed == pieces.failed, "pieces change nothing");
  LOQUAT_CHECK(whole.written == pieces.written, "pieces change nothing");
  // Written values may be longer than what they were read from; a second round trip is a fixed point.
  RespParser parser({.reply_bytes_max = std::size_t{1} << 20});
  std::string_view rest = whole.written;
  std::string again;
  for (std::size_t i = 0; i < whole.values; ++i) {
    const auto value = parser.Next(rest);
    LOQUAT_CHECK(value.has_value() && value->has_value(), "what was written can be read");
    AppendResp(**value, again);
  }
  LOQUAT_CHECK(rest.empty() && again == whole.written, "what was written reads as the same values");
  return 0;
}
