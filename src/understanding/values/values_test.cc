#include "understanding/values/values.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "understanding/values/amounts.h"
#include "understanding/values/fold.h"
#include "understanding/values/values_test_reference.h"

namespace loquat::understanding {
namespace {

struct Row {
  ValueKind kind;
  std::string said, normal_form;
};

// The rows of docs/values.md's table, whose first column is a kind.
std::vector<Row> DocumentedRows() {
  std::ifstream in("docs/values.md");
  std::vector<Row> rows;
  for (std::string line; std::getline(in, line);) {
    const auto cells = base::Split(line, '|');
    if (cells.size() != 5) continue;
    const auto kind = ParseValueKind(base::TrimAscii(cells[1]));
    if (!kind) continue;
    rows.push_back({*kind, std::string(base::TrimAscii(cells[2])), std::string(base::TrimAscii(cells[3]))});
  }
  return rows;
}

TEST(Values, EveryRowOfTheDocumentHolds) {
  const auto rows = DocumentedRows();
  ASSERT_GE(rows.size(), 340u);
  for (const Row& row : rows) {
    EXPECT_EQ(NormalForm(row.kind, row.said), row.normal_form) << ValueKindName(row.kind) << " " << row.said;
  }
}

TEST(Values, SpaceCaseAndWidthDoNotMatter) {
  for (const Row& row : DocumentedRows()) {
    EXPECT_EQ(NormalForm(row.kind, "  " + row.said + " "), row.normal_form) << row.said;
    std::string loud, wide;
    for (const char c : row.said) loud += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    EXPECT_EQ(NormalForm(row.kind, loud), row.normal_form) << loud;
    for (std::size_t at = 0; at < row.said.size();) {
      const auto next = base::DecodeUtf8(row.said, at);
      at += next.length;
      const bool visible = next.code_point > ' ' && next.code_point < 0x7F;
      base::AppendUtf8(visible ? next.code_point + 0xFEE0 : next.code_point, wide);
    }
    EXPECT_EQ(NormalForm(row.kind, wide), row.normal_form) << wide;
  }
}

TEST(Values, KindsHaveTheNamesOfTheDomain) {
  for (const std::string_view name :
       {"text", "date", "time", "duration", "recurrence", "number", "money", "temperature", "measure", "code"}) {
    const auto kind = ParseValueKind(name);
    ASSERT_TRUE(kind.has_value()) << name;
    EXPECT_EQ(ValueKindName(*kind), name);
  }
  EXPECT_FALSE(ParseValueKind("place").has_value());
}

TEST(Values, SurfacesUpTo64CodePointsAreRead) {
  const std::string padding(kSurfaceCodePointsMax - 2, ' ');
  EXPECT_EQ(NormalForm(ValueKind::kDate, padding + "明天"), "2026-11-22");
  EXPECT_EQ(NormalForm(ValueKind::kDate, padding + " 明天"), "-");
  EXPECT_EQ(NormalForm(ValueKind::kCode, std::string(kCodeSizeMax, '7')), std::string(kCodeSizeMax, '7'));
  EXPECT_EQ(NormalForm(ValueKind::kCode, std::string(kCodeSizeMax + 1, '7')), "-");
}

TEST(Values, WithoutAReferenceOnlyAbsoluteDatesHaveAValue) {
  const ReferenceTime unknown;
  for (const std::string_view said :
       {"明天",           "tomorrow",     "周五",   "next Friday", "5月1号",
        "May 1",          "the 5th",      "5号",    "月底",        "下个月",
        "明年",           "next year",    "三天后", "in two days", "国庆节",
        "next Christmas", "this weekend", "五月",   "明年国庆",    "the end of the year"}) {
    EXPECT_EQ(NormalForm(ValueKind::kDate, said, unknown), "-") << said;
  }
  EXPECT_EQ(NormalForm(ValueKind::kDate, "2026年5月1号", unknown), "2026-05-01");
  EXPECT_EQ(NormalForm(ValueKind::kDate, "May 1st, 2026", unknown), "2026-05-01");
  EXPECT_EQ(NormalForm(ValueKind::kDate, "2027年国庆节", unknown), "2027-10-01");
  EXPECT_EQ(NormalForm(ValueKind::kTime, "早上八点", unknown), "08:00");
  EXPECT_EQ(NormalForm(ValueKind::kTime, "tonight", unknown), "18:00/24:00");
  EXPECT_EQ(NormalForm(ValueKind::kTime, "明早八点", unknown), "-");
  EXPECT_EQ(NormalForm(ValueKind::kTime, "in 20 minutes", unknown), "-");
  ReferenceTime far = Saturday();
  far.utc_offset_minutes = kUtcOffsetMinutesMax + 1;
  EXPECT_EQ(NormalForm(ValueKind::kDate, "明天", far), "-");
  far.utc_offset_minutes = -kUtcOffsetMinutesMax;
  EXPECT_EQ(NormalForm(ValueKind::kDate, "今天", far), "2026-11-20");
}

TEST(Values, TheLanguageDecidesWhatTheSurfaceLeavesOpen) {
  EXPECT_EQ(NormalForm(ValueKind::kTemperature, "72", Saturday(), ValueLanguage::kChinese), "72 C");
  EXPECT_EQ(NormalForm(ValueKind::kTemperature, "72", Saturday(), ValueLanguage::kEnglish), "72 F");
  EXPECT_EQ(NormalForm(ValueKind::kMoney, "500", Saturday(), ValueLanguage::kChinese), "500 CNY");
  EXPECT_EQ(NormalForm(ValueKind::kMoney, "500", Saturday(), ValueLanguage::kEnglish), "-");
}

TEST(Values, WhatIsNotUnderstoodHasNoNormalForm) {
  for (int kind = 0; kind <= static_cast<int>(ValueKind::kCode); ++kind) {
    for (const std::string_view said : {"", " ", ".", "\xff", "\xe4\xbb", "明\xff天", "hello world", "随便", "的", "-",
                                        "+", "/", "½ ½ ½", "🎉", "and", "the", "a of"}) {
      EXPECT_EQ(NormalForm(static_cast<ValueKind>(kind), said), "-") << kind << " " << said;
    }
  }
}

// Pieces that the grammars know, in any order: nothing crashes, and a result is never empty or ill-formed.
TEST(Values, AnyMixtureOfWordsIsHandled) {
  constexpr std::uint64_t kSeed = 20261121;
  constexpr int kRounds = 20'000;
  SCOPED_TRACE(kSeed);
  static constexpr std::string_view kPieces[] = {"下",       "个",
                                                 "周",       "三",
                                                 "月",       "号",
                                                 "年",       "两",
                                                 "万",       "五",
                                                 "零",       "点",
                                                 "半",       "刻",
                                                 "差",       "到",
                                                 "每",       "隔",
                                                 "前",       "后",
                                                 "in ",      "the ",
                                                 "next ",    "friday ",
                                                 "may ",     "3",
                                                 "31",       "2026",
                                                 "/",        "-",
                                                 ":",        ".",
                                                 ",",        " ",
                                                 "pm ",      "half ",
                                                 "past ",    "to ",
                                                 "of ",      "and ",
                                                 "a ",       "week ",
                                                 "month ",   "day ",
                                                 "hundred ", "thousand ",
                                                 "million ", "twenty ",
                                                 "three ",   "块",
                                                 "毛",       "$",
                                                 "%",        "度",
                                                 "百分之",   "every ",
                                                 "first ",   "十",
                                                 "百",       "千",
                                                 "亿",       "999999999999999",
                                                 "明天",     "晚上",
                                                 "from ",    "between ",
                                                 "hours ",   "minutes ",
                                                 "小时",     "分钟",
                                                 "天",       "国庆",
                                                 "easter ",  "feet ",
                                                 "kg",       "\xff",
                                                 "幺"};
  base::Random random(kSeed);
  std::size_t understood = 0;
  for (int round = 0; round < kRounds; ++round) {
    std::string said;
    for (std::uint64_t pieces = 1 + random.Below(6); pieces > 0; --pieces) {
      said += kPieces[random.Below(std::size(kPieces))];
    }
    for (int kind = 0; kind <= static_cast<int>(ValueKind::kCode); ++kind) {
      const auto value = Normalize(static_cast<ValueKind>(kind), said, ValueLanguage::kAuto, Saturday());
      if (!value) continue;
      ++understood;
      EXPECT_FALSE(value->text.empty()) << said;
      for (const char c : value->text) EXPECT_TRUE(c >= ' ' && c <= '~') << said;
    }
  }
  EXPECT_GT(understood, 1000u);
}

TEST(FoldedText, HasOneFormForEachWayToWrite) {
  const auto folded = [](std::string_view text) { return std::string(FoldedText::From(text)->view()); };
  EXPECT_EQ(folded("７：３０　Ｐ．Ｍ．"), "7:30 pm");
  EXPECT_EQ(folded("New Year’s  Eve"), "new years eve");
  EXPECT_EQ(folded("下 個 禮拜三。"), "下个礼拜三");
  EXPECT_EQ(folded("25-Minute"), "25 minute");
  EXPECT_EQ(folded("Nov. 3, 2027"), "nov 3 2027");
  EXPECT_EQ(folded("1,000.50"), "1,000.50");
  EXPECT_EQ(folded("−5～3"), "-5-3");
  EXPECT_EQ(folded("U.S. dollars"), "us dollars");
  EXPECT_FALSE(FoldedText::From("...").has_value());
}

TEST(FoldedText, NeverGrowsPastItsBound) {
  std::string widest;
  for (std::size_t i = 0; i < kSurfaceCodePointsMax; ++i) widest += "\U0001F389";
  EXPECT_EQ(FoldedText::From(widest)->view(), widest);
  EXPECT_FALSE(FoldedText::From(widest + "a").has_value());
  std::string spaced;
  for (std::size_t i = 0; i < kSurfaceCodePointsMax / 2; ++i) spaced += "a ";
  EXPECT_EQ(FoldedText::From(spaced)->view().size(), kSurfaceCodePointsMax - 1);
}

}  // namespace
}  // namespace loquat::understanding
