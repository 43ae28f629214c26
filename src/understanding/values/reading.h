// What values.cc and together.cc share: a folded surface with its language, and the reference as calendar terms.
// Internal. Values; a Reading's cursor views its own text, so it is neither copied nor moved.

#pragma once

#include <optional>

#include "understanding/values/fold.h"
#include "understanding/values/times.h"
#include "understanding/values/values.h"

namespace loquat::understanding {

inline TimeContext ContextOf(const ReferenceTime& reference, bool chinese) {
  TimeContext context;
  context.date.chinese = chinese;
  const std::int32_t offset = reference.utc_offset_minutes;
  if (reference.utc == base::WallTime{} || offset > kUtcOffsetMinutesMax || offset < -kUtcOffsetMinutesMax) {
    return context;
  }
  const auto local = std::chrono::floor<std::chrono::seconds>(reference.utc) + std::chrono::minutes(offset);
  const Day today = std::chrono::floor<std::chrono::days>(local);
  const int year = static_cast<int>(CalendarDate(today).year());
  constexpr int kYearFirst = 1900, kYearLast = 2900;  // What lies a few units on still has a year of four digits.
  if (year < kYearFirst || year > kYearLast) return context;
  context.date.today = today;
  context.now_second = (local - today).count();
  return context;
}

inline bool IsChinese(const FoldedText& text, ValueLanguage language) {
  return language == ValueLanguage::kChinese || (language == ValueLanguage::kAuto && text.has_han());
}

}  // namespace loquat::understanding
