#include "understanding/values/values.h"

#include <array>
#include <utility>

#include "understanding/values/amounts.h"
#include "understanding/values/durations.h"
#include "understanding/values/reading.h"
#include "understanding/values/recurrences.h"

namespace loquat::understanding {

namespace {

constexpr std::array<std::string_view, 10> kNames = {"text",   "date",  "time",        "duration", "recurrence",
                                                     "number", "money", "temperature", "measure",  "code"};

bool AppendWholeDate(Cursor cursor, const TimeContext& context, std::string& out) {
  const auto date = ParseWholeDate(cursor, context.date);
  if (date) AppendDate(*date, out);
  return date.has_value();
}

bool AppendWholeTime(Cursor cursor, const TimeContext& context, std::string& out) {
  const auto time = ParseWholeTime(cursor, context);
  if (time) AppendTime(*time, context.date.today, true, out);
  return time.has_value();
}

bool AppendWholeDuration(Cursor cursor, std::string& out) {
  const auto duration = ParseDuration(cursor);
  if (!duration || !cursor.AtEnd()) return false;
  AppendDuration(*duration, out);
  return true;
}

}  // namespace

std::string_view ValueKindName(ValueKind kind) {
  return kNames[static_cast<std::size_t>(kind)];
}

std::optional<ValueKind> ParseValueKind(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<ValueKind>(i);
  }
  return std::nullopt;
}

std::optional<NormalizedValue> Normalize(ValueKind kind, std::string_view surface, ValueLanguage language,
                                         const ReferenceTime& reference) {
  if (kind == ValueKind::kText) return std::nullopt;
  const auto text = FoldedText::From(surface);
  if (!text) return std::nullopt;
  const Cursor cursor(text->view());
  const bool chinese = IsChinese(*text, language);
  NormalizedValue value{.kind = kind};
  const bool understood = [&] {
    switch (kind) {
      case ValueKind::kText:
        return false;
      case ValueKind::kDate:
        return AppendWholeDate(cursor, ContextOf(reference, chinese), value.text);
      case ValueKind::kTime:
        return AppendWholeTime(cursor, ContextOf(reference, chinese), value.text);
      case ValueKind::kDuration:
        return AppendWholeDuration(cursor, value.text);
      case ValueKind::kRecurrence:
        return AppendRecurrence(cursor, value.text);
      case ValueKind::kNumber:
        return AppendNumber(cursor, value.text);
      case ValueKind::kMoney:
        return AppendMoney(cursor, chinese, value.text);
      case ValueKind::kTemperature:
        return AppendTemperature(cursor, chinese, value.text);
      case ValueKind::kMeasure:
        return AppendMeasure(cursor, value.text);
      case ValueKind::kCode:
        return AppendCode(cursor, value.text);
    }
    return false;
  }();
  if (!understood) return std::nullopt;
  return value;
}

}  // namespace loquat::understanding
