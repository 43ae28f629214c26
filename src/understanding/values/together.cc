// Slots of one utterance that complete each other.

#include <algorithm>
#include <array>

#include "understanding/values/reading.h"

namespace loquat::understanding {

namespace {

// A date or time slot as understood alone; the others stay as Normalize left them.
struct Understood {
  ValueSlot* slot = nullptr;
  std::optional<FoldedText> text;
  std::optional<DateValue> date;
  std::optional<TimeValue> time;
  TimeContext context;
};

class Together {
 public:
  Together(std::span<ValueSlot> slots, ValueLanguage language, const ReferenceTime& reference) {
    for (ValueSlot& slot : slots) {
      if (slot.kind != ValueKind::kDate && slot.kind != ValueKind::kTime) continue;
      Understood& item = items_[count_++];
      item.slot = &slot;
      item.text = FoldedText::From(slot.surface);
      if (!item.text) continue;
      item.context = ContextOf(reference, IsChinese(*item.text, language));
      const Cursor cursor(item.text->view());
      if (slot.kind == ValueKind::kDate) item.date = ParseWholeDate(cursor, item.context.date);
      if (slot.kind == ValueKind::kTime) item.time = ParseWholeTime(cursor, item.context);
    }
  }

  void Resolve() {
    AnchorLaterDates();
    for (std::size_t i = 0; i < count_; ++i) {
      if (items_[i].time && items_[i].time->open()) DecideHalf(i);
    }
    for (Understood& item : Items()) {
      if (item.time) Write(item);
      if (item.date) Write(*item.date, *item.slot);
    }
  }

 private:
  std::span<Understood> Items() { return {items_.data(), count_}; }

  // From Friday to Monday: a date before the one said first, but not tied to today, rolls on from that one.
  void AnchorLaterDates() {
    const Understood* first = nullptr;
    for (Understood& item : Items()) {
      if (!item.date) continue;
      if (first != nullptr && item.date->first < first->date->first) {
        DateContext context = item.context.date;
        context.from = first->date->first;
        const auto later = ParseWholeDate(Cursor(item.text->view()), context);
        if (later && later->first >= first->date->first) item.date = later;
      }
      first = &item;
    }
  }

  // The half of the day of a clock time that leaves it open: from the part of the day nearest before it, then after it.
  void DecideHalf(std::size_t at) {
    for (std::size_t i = at; i-- > 0;) {
      if (Take(items_[at], items_[i], true)) return;
    }
    for (std::size_t i = at + 1; i < count_; ++i) {
      if (Take(items_[at], items_[i], false)) return;
    }
  }

  static bool Take(Understood& open, const Understood& other, bool other_is_before) {
    DayPart part = DayPart::kNone;
    if (other.date) part = other.date->part;
    if (other.time && (other.time->part_alone || other_is_before)) part = other.time->part;
    if (part == DayPart::kNone) return false;
    const auto taken = WithDayPart(*open.time, part);
    if (!taken) return false;
    // After another clock time only what is later goes on in its half: 下午三点 … 五点, but not 下午五点 … 八点 of a
    // morning.
    if (other.time && !other.time->part_alone && taken->begin <= other.time->begin) return false;
    open.time = taken;
    return true;
  }

  // The only single day that a date slot names, if there is one.
  std::optional<Day> OnlyDay() {
    std::optional<Day> day;
    for (const Understood& item : Items()) {
      if (!item.date) continue;
      if (day || item.date->form != DateValue::Form::kDay) return std::nullopt;
      day = item.date->first;
    }
    return day;
  }

  void Write(const Understood& item) {
    TimeValue time = *item.time;
    const auto day = OnlyDay();
    bool with_day = true;
    if (day && (!time.day || time.day == day)) {
      // The date slot says the day, but for a time past its midnight.
      with_day = time.next_day && !time.part_alone;
      time.day = day;
    }
    // With a date slot even today's midnight is worth its day.
    item.slot->value = NormalizedValue{.kind = ValueKind::kTime, .text = {}};
    AppendTime(time, day && time.next_day ? std::nullopt : item.context.date.today, with_day, item.slot->value->text);
  }

  static void Write(const DateValue& date, ValueSlot& slot) {
    slot.value = NormalizedValue{.kind = ValueKind::kDate, .text = {}};
    AppendDate(date, slot.value->text);
  }

  std::array<Understood, kTogetherMax> items_;
  std::size_t count_ = 0;
};

}  // namespace

void NormalizeTogether(std::span<ValueSlot> slots, ValueLanguage language, const ReferenceTime& reference) {
  std::size_t related = 0;
  for (ValueSlot& slot : slots) {
    slot.value = Normalize(slot.kind, slot.surface, language, reference);
    if (slot.kind == ValueKind::kDate || slot.kind == ValueKind::kTime) ++related;
  }
  if (related < 2) return;
  Together(slots.first(std::min(slots.size(), kTogetherMax)), language, reference).Resolve();
}

}  // namespace loquat::understanding
