// The moment that the tests of values count from. Test-only.

#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "understanding/values/values.h"

namespace loquat::understanding {

inline constexpr std::int32_t kBeijing = 8 * 60;

// The wall shows this time at `offset` minutes east.
inline ReferenceTime LocalTime(int year, unsigned month, unsigned day, int hour, int minute,
                               std::int32_t offset = kBeijing) {
  const auto local =
      std::chrono::sys_days(std::chrono::year(year) / std::chrono::month(month) / std::chrono::day(day)) +
      std::chrono::hours(hour) + std::chrono::minutes(minute);
  return {.utc = local - std::chrono::minutes(offset), .utc_offset_minutes = offset};
}

// Saturday, as docs/values.md says.
inline ReferenceTime Saturday() {
  return LocalTime(2026, 11, 21, 10, 0);
}

// The normal form, or "-".
inline std::string NormalForm(ValueKind kind, std::string_view surface, const ReferenceTime& reference = Saturday(),
                              ValueLanguage language = ValueLanguage::kAuto) {
  const auto value = Normalize(kind, surface, language, reference);
  return value ? value->text : "-";
}

}  // namespace loquat::understanding
