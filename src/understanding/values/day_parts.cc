#include "understanding/values/day_parts.h"

#include <array>
#include <cstddef>

namespace loquat::understanding {

namespace {

constexpr auto kWords = std::to_array<Word<DayPart>>({
    {"凌晨", DayPart::kSmallHours},
    {"清晨", DayPart::kDawn},
    {"清早", DayPart::kDawn},
    {"大清早", DayPart::kDawn},
    {"一大早", DayPart::kDawn},
    {"大早上", DayPart::kDawn},
    {"黎明", DayPart::kDawn},
    {"早上", DayPart::kMorning},
    {"早晨", DayPart::kMorning},
    {"早", DayPart::kMorning},
    {"晨", DayPart::kMorning},
    {"早间", DayPart::kMorning},
    {"上午", DayPart::kForenoon},
    {"午前", DayPart::kForenoon},
    {"中午", DayPart::kNoon},
    {"正午", DayPart::kNoon},
    {"晌午", DayPart::kNoon},
    {"下午", DayPart::kAfternoon},
    {"午后", DayPart::kAfternoon},
    {"傍晚", DayPart::kDusk},
    {"黄昏", DayPart::kDusk},
    {"晚上", DayPart::kTonight},
    {"晚", DayPart::kTonight},
    {"晚间", DayPart::kTonight},
    {"夜晚", DayPart::kTonight},
    {"夜里", DayPart::kLateNight},
    {"夜间", DayPart::kLateNight},
    {"夜", DayPart::kLateNight},
    {"深夜", DayPart::kLateNight},
    {"半夜", DayPart::kMiddleOfNight},
    {"大半夜", DayPart::kMiddleOfNight},
    {"后半夜", DayPart::kMiddleOfNight},
    {"午夜", DayPart::kMidnight},
    {"early morning", DayPart::kDawn},
    {"dawn", DayPart::kDawn},
    {"daybreak", DayPart::kDawn},
    {"morning", DayPart::kMorning},
    {"mid morning", DayPart::kForenoon},
    {"late morning", DayPart::kForenoon},
    {"noon", DayPart::kNoon},
    {"midday", DayPart::kNoon},
    {"noontime", DayPart::kNoon},
    {"lunchtime", DayPart::kLunchtime},
    {"lunch time", DayPart::kLunchtime},
    {"afternoon", DayPart::kAfternoon},
    {"late afternoon", DayPart::kLateAfternoon},
    {"dusk", DayPart::kDusk},
    {"evening", DayPart::kEvening},
    {"tonight", DayPart::kTonight},
    {"tonite", DayPart::kTonight},
    {"night", DayPart::kNight},
    {"late night", DayPart::kLateNight},
    {"late at night", DayPart::kLateNight},
    {"midnight", DayPart::kMidnight},
    {"middle of the night", DayPart::kMiddleOfNight},
});

constexpr DayPartSpan Hours(int begin, int end) {
  return {static_cast<std::uint16_t>(begin * 60), static_cast<std::uint16_t>(end * 60)};
}

constexpr std::array<DayPartSpan, 16> kSpans = {{
    Hours(0, 24),   // kNone
    Hours(0, 6),    // kSmallHours
    Hours(5, 8),    // kDawn
    Hours(6, 12),   // kMorning
    Hours(9, 12),   // kForenoon
    Hours(12, 12),  // kNoon
    Hours(12, 14),  // kLunchtime
    Hours(12, 18),  // kAfternoon
    Hours(15, 18),  // kLateAfternoon
    Hours(17, 19),  // kDusk
    Hours(18, 22),  // kEvening
    Hours(18, 24),  // kTonight
    Hours(20, 24),  // kNight
    Hours(22, 24),  // kLateNight
    Hours(0, 5),    // kMiddleOfNight
    Hours(0, 0),    // kMidnight
}};

}  // namespace

DayPartSpan SpanOf(DayPart part) {
  return kSpans[static_cast<std::size_t>(part)];
}

std::optional<ResolvedHour> ResolveHour(DayPart part, int hour) {
  constexpr int kLastMorningHourAtNight = 4;  // 晚上四点 is before dawn, 晚上五点 after work.
  if (hour < 0 || hour > 24) return std::nullopt;
  if (hour == 24) return ResolvedHour{0, true};
  switch (part) {
    case DayPart::kNone:
      return ResolvedHour{hour, false};
    case DayPart::kSmallHours:
    case DayPart::kDawn:
      if (hour > 12) return std::nullopt;
      return ResolvedHour{hour % 12, false};
    case DayPart::kMorning:
    case DayPart::kForenoon:
      if (hour > 12) return std::nullopt;
      return ResolvedHour{hour, false};
    case DayPart::kNoon:
    case DayPart::kLunchtime:
      if (hour >= 10 && hour <= 14) return ResolvedHour{hour, false};
      if (hour >= 1 && hour <= 3) return ResolvedHour{hour + 12, false};
      return std::nullopt;
    case DayPart::kAfternoon:
    case DayPart::kLateAfternoon:
    case DayPart::kDusk:
      if (hour == 0) return std::nullopt;
      return ResolvedHour{hour < 12 ? hour + 12 : hour, false};
    case DayPart::kEvening:
      if (hour == 12 || hour == 0) return ResolvedHour{0, true};
      if (hour < 4) return std::nullopt;
      return ResolvedHour{hour < 12 ? hour + 12 : hour, false};
    case DayPart::kTonight:
    case DayPart::kNight:
    case DayPart::kLateNight:
      if (hour == 12 || hour == 0) return ResolvedHour{0, true};
      if (hour <= kLastMorningHourAtNight) return ResolvedHour{hour, true};
      return ResolvedHour{hour < 12 ? hour + 12 : hour, false};
    case DayPart::kMiddleOfNight:
    case DayPart::kMidnight:
      if (hour == 12 || hour == 0) return ResolvedHour{0, true};
      if (hour <= 5) return ResolvedHour{hour, true};
      if (hour < 10 || (hour > 12 && hour < 22)) return std::nullopt;
      return ResolvedHour{hour < 12 ? hour + 12 : hour, false};
  }
  return std::nullopt;
}

std::optional<DayPart> ParseDayPart(Cursor& cursor) {
  return cursor.AcceptOneOf(kWords);
}

std::optional<DayPart> ParseTrailingDayPart(Cursor& cursor) {
  if (!cursor.AcceptAny({"in the", "at", "this", "during the"})) cursor.Accept("的");
  return ParseDayPart(cursor);
}

}  // namespace loquat::understanding
