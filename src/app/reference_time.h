// The moment that "tomorrow" counts from, as the command line takes it. Pure functions but for the clock.

#pragma once

#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace loquat::app {

struct ReferenceTime {
  base::WallTime at;
  std::int32_t utc_offset_minutes = 0;  // East positive.
};

// RFC 3339 ("2026-11-21T09:00:00+08:00", "…Z"); empty: now, at this machine's offset from UTC.
base::Result<ReferenceTime> ParseReferenceTime(std::string_view text, const base::Clock& clock);

}  // namespace loquat::app
