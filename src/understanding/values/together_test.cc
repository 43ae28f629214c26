#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "understanding/values/value_normalizer.h"
#include "understanding/values/values_test_reference.h"

namespace loquat::understanding {
namespace {

using Said = std::vector<std::pair<ValueKind, std::string>>;

std::vector<std::string> Together(const Said& said, const ReferenceTime& reference = Saturday()) {
  std::vector<ValueSlot> slots;
  for (const auto& [kind, surface] : said) slots.push_back({.kind = kind, .surface = surface, .value = {}});
  NormalizeTogether(slots, ValueLanguage::kAuto, reference);
  std::vector<std::string> forms;
  for (const ValueSlot& slot : slots) forms.push_back(slot.value ? slot.value->text : "-");
  return forms;
}

using Forms = std::vector<std::string>;
constexpr ValueKind kDate = ValueKind::kDate, kTime = ValueKind::kTime;

TEST(NormalizeTogether, DateAndTimeStayApart) {
  EXPECT_EQ(Together({{kDate, "明天"}, {kTime, "早上八点"}}), (Forms{"2026-11-22", "08:00"}));
  EXPECT_EQ(Together({{kTime, "7 pm"}, {kDate, "next Friday"}}), (Forms{"19:00", "2026-11-27"}));
  EXPECT_EQ(Together({{kTime, "明早八点"}}), (Forms{"2026-11-22T08:00"}));
  EXPECT_EQ(Together({{kDate, "明天"}, {kTime, "明早八点"}}), (Forms{"2026-11-22", "08:00"}));
}

TEST(NormalizeTogether, ThePartOfTheDayInOneSlotDecidesTheHalfInAnother) {
  EXPECT_EQ(Together({{kDate, "明天晚上"}, {kTime, "八点"}}), (Forms{"2026-11-22", "20:00"}));
  EXPECT_EQ(Together({{kTime, "下午"}, {kTime, "三点"}}), (Forms{"12:00/18:00", "15:00"}));
  EXPECT_EQ(Together({{kTime, "7"}, {kDate, "tomorrow evening"}}), (Forms{"19:00", "2026-11-22"}));
  EXPECT_EQ(Together({{kTime, "7"}, {kTime, "tonight"}}), (Forms{"19:00", "18:00/24:00"}));
  EXPECT_EQ(Together({{kTime, "下午三点"}, {kTime, "五点"}}), (Forms{"15:00", "17:00"}));
  EXPECT_EQ(Together({{kTime, "3 pm"}, {kTime, "5"}}), (Forms{"15:00", "17:00"}));
  EXPECT_EQ(Together({{kTime, "下午五点"}, {kTime, "三点"}}), (Forms{"17:00", "03:00"}));
  EXPECT_EQ(Together({{kTime, "八点"}, {kTime, "下午三点"}}), (Forms{"08:00", "15:00"}));
  EXPECT_EQ(Together({{kTime, "中午"}, {kTime, "八点"}}), (Forms{"12:00", "08:00"}));
  EXPECT_EQ(Together({{kTime, "07:30"}, {kTime, "晚上"}}), (Forms{"07:30", "18:00/24:00"}));
}

TEST(NormalizeTogether, MidnightBelongsToTheDayAfter) {
  EXPECT_EQ(Together({{kDate, "今天"}, {kTime, "晚上十二点"}}), (Forms{"2026-11-21", "2026-11-22T00:00"}));
  EXPECT_EQ(Together({{kDate, "明天晚上"}, {kTime, "十二点"}}), (Forms{"2026-11-22", "2026-11-23T00:00"}));
  EXPECT_EQ(Together({{kDate, "周一"}, {kDate, "周三"}, {kTime, "晚上十二点"}}),
            (Forms{"2026-11-23", "2026-11-25", "00:00"}));
}

TEST(NormalizeTogether, LaterDatesCountFromTheFirst) {
  EXPECT_EQ(Together({{kDate, "Friday"}, {kDate, "Monday"}}), (Forms{"2026-11-27", "2026-11-30"}));
  EXPECT_EQ(Together({{kDate, "下周五"}, {kDate, "周日"}}), (Forms{"2026-11-27", "2026-11-29"}));
  EXPECT_EQ(Together({{kDate, "1月30号"}, {kDate, "2号"}}), (Forms{"2027-01-30", "2027-02-02"}));
  EXPECT_EQ(Together({{kDate, "后天"}, {kDate, "明天"}}), (Forms{"2026-11-23", "2026-11-22"}));
}

TEST(NormalizeTogether, OtherSlotsAreReadAlone) {
  EXPECT_EQ(Together({{ValueKind::kNumber, "两张"}, {kDate, "明天"}, {ValueKind::kText, "北京"}, {kTime, "随便"}}),
            (Forms{"2", "2026-11-22", "-", "-"}));
  EXPECT_EQ(Together({}), Forms{});
}

TEST(NormalizeTogether, LooksAtSoManySlotsAsAWhole) {
  Said said(kTogetherMax - 1, {ValueKind::kNumber, "3"});
  said.push_back({kTime, "三点"});
  said.push_back({kTime, "下午"});
  EXPECT_EQ(Together(said)[kTogetherMax - 1], "03:00");
  said.erase(said.begin());
  EXPECT_EQ(Together(said)[kTogetherMax - 2], "15:00");
  const Said many(3 * kTogetherMax, {kTime, "下午三点"});
  EXPECT_EQ(Together(many), Forms(3 * kTogetherMax, "15:00"));
}

domain::Slot SlotAt(std::string entity, std::string value, std::uint32_t begin, std::uint32_t end) {
  domain::Slot slot{.entity = std::move(entity), .value = std::move(value)};
  slot.span.byte_begin = begin;
  slot.span.byte_end = end;
  return slot;
}

TEST(ValueNormalizer, FillsTheSlotsOfAFrame) {
  const ValueNormalizer normalizer({{"time", kTime}, {"date", kDate}, {"quantity", ValueKind::kNumber}});
  EXPECT_EQ(normalizer.KindOf("date"), kDate);
  EXPECT_EQ(normalizer.KindOf("city"), ValueKind::kText);
  const std::string text = "tomorrow evening at 7 for two in Rome";
  domain::Frame frame;
  frame.locale = domain::Locale::kEnglish;
  frame.slots = {SlotAt("date", "tomorrow evening", 0, 16), SlotAt("time", "7", 20, 21),
                 SlotAt("quantity", "two", 26, 29), SlotAt("city", "Rome", 33, 37)};
  frame.slots[3].normalized = "stale";
  normalizer.Apply(text, Saturday(), frame);
  EXPECT_EQ(frame.slots[0].normalized, "2026-11-22");
  EXPECT_EQ(frame.slots[0].kind, "date");
  EXPECT_EQ(frame.slots[1].normalized, "19:00");
  EXPECT_EQ(frame.slots[1].kind, "time");
  EXPECT_EQ(frame.slots[2].normalized, "2");
  EXPECT_EQ(frame.slots[3].normalized, "");
  EXPECT_EQ(frame.slots[3].kind, "");
}

TEST(ValueNormalizer, FallsBackToTheCanonicalValue) {
  const ValueNormalizer normalizer({{"date", kDate}});
  domain::Frame frame;
  frame.locale = domain::Locale::kChinese;
  frame.slots = {SlotAt("date", "明天", 0, 6), SlotAt("date", "后天", 0, 900), SlotAt("date", "没有", 0, 0)};
  normalizer.Apply("明儿个儿", Saturday(), frame);
  EXPECT_EQ(frame.slots[0].normalized, "2026-11-22");
  EXPECT_EQ(frame.slots[1].normalized, "2026-11-23");
  EXPECT_EQ(frame.slots[2].normalized, "");
  frame.locale = domain::Locale::kAuto;
  frame.slots.assign(kTogetherMax + 2, SlotAt("date", "明天", 0, 3));
  normalizer.Apply("???", Saturday(), frame);
  for (const domain::Slot& slot : frame.slots) EXPECT_EQ(slot.normalized, "2026-11-22");
}

}  // namespace
}  // namespace loquat::understanding
