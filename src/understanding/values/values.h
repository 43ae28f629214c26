// Normal forms of what people say for dates, times, amounts and codes, in Chinese and English; docs/values.md has the
// table. Pure functions, safe from any thread: they allocate nothing but the text of the result.
//
// What is not understood has no normal form: no guess is made, whatever the bytes. A surface of more than
// kSurfaceCodePointsMax (fold.h) code points has none either.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace loquat::understanding {

// Where and when something was said.
struct ReferenceTime {
  base::WallTime utc = {};              // The epoch: unknown; what counts from now has no normal form then.
  std::int32_t utc_offset_minutes = 0;  // Of the user's time zone at `utc`, east positive; past ±kUtcOffsetMinutesMax
                                        // the reference counts as unknown.
};
inline constexpr std::int32_t kUtcOffsetMinutesMax = 18 * 60;

enum class ValueKind : std::uint8_t {
  kText,  // Has no normal form.
  kDate,
  kTime,
  kDuration,
  kRecurrence,
  kNumber,
  kMoney,
  kTemperature,
  kMeasure,
  kCode,
};

// The names of domain.yml: "text", "date", ….
std::string_view ValueKindName(ValueKind kind);
std::optional<ValueKind> ParseValueKind(std::string_view name);

// What the words around the surface are in, where the surface alone does not tell (20 degrees, 500).
enum class ValueLanguage : std::uint8_t {
  kAuto,  // Chinese if the surface has a Chinese character, English otherwise.
  kChinese,
  kEnglish,
};

struct NormalizedValue {
  ValueKind kind = ValueKind::kText;
  std::string text;

  bool operator==(const NormalizedValue&) const = default;
};

std::optional<NormalizedValue> Normalize(ValueKind kind, std::string_view surface, ValueLanguage language,
                                         const ReferenceTime& reference);

// One slot of an utterance.
struct ValueSlot {
  ValueKind kind = ValueKind::kText;
  std::string_view surface;
  std::optional<NormalizedValue> value;  // Out.
};

// Normalises every slot of one utterance, in the order of the text, and lets dates and times complete each other:
// the part of the day said in one slot (下午, "tomorrow evening") decides the half of the day of a clock time without
// one; a clock time after another (下午三点 … 五点) goes on in its half; a second date without its month, year or week
// counts from the first (from Friday to Monday); a time that its own words put past midnight carries the day.
// At most kTogetherMax slots are looked at as a whole; the rest each alone.
inline constexpr std::size_t kTogetherMax = 16;
void NormalizeTogether(std::span<ValueSlot> slots, ValueLanguage language, const ReferenceTime& reference);

}  // namespace loquat::understanding
