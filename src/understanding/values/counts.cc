// Plain numbers with what they count, and codes.

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "understanding/values/amounts.h"
#include "understanding/values/numerals.h"

namespace loquat::understanding {

namespace {

// What stands after a Chinese number and is not part of it.
constexpr auto kCounters = std::to_array<Word<int>>({
    {"个人", 0},    {"个大人", 0}, {"个座", 0},   {"个座位", 0},  {"个房间", 0},  {"人", 0}, {"口人", 0}, {"个", 0},
    {"位", 0},      {"名", 0},     {"张", 0},     {"张票", 0},    {"份", 0},      {"间", 0}, {"间房", 0}, {"杯", 0},
    {"碗", 0},      {"盘", 0},     {"瓶", 0},     {"串", 0},      {"笼", 0},      {"只", 0}, {"块", 0},   {"套", 0},
    {"斤", 0},      {"根", 0},     {"盒", 0},     {"件", 0},      {"双", 0},      {"台", 0}, {"部", 0},   {"包", 0},
    {"箱", 0},      {"条", 0},     {"本", 0},     {"袋", 0},      {"支", 0},      {"把", 0}, {"副", 0},   {"桶", 0},
    {"听", 0},      {"罐", 0},     {"枝", 0},     {"朵", 0},      {"辆", 0},      {"次", 0}, {"层", 0},   {"级", 0},
    {"档", 0},      {"格", 0},     {"页", 0},     {"首", 0},      {"颗", 0},      {"片", 0}, {"桌", 0},   {"屉", 0},
    {"例", 0},      {"人份", 0},   {"对", 0},     {"听", 0},      {"扎", 0},      {"壶", 0}, {"提", 0},   {"people", 0},
    {"persons", 0}, {"person", 0}, {"guests", 0}, {"tickets", 0}, {"of them", 0}, {"of", 0},
});

// Words that are a number with its counter.
constexpr auto kFused = std::to_array<Word<int>>(
    {{"俩", 2}, {"俩人", 2}, {"仨", 3}, {"仨人", 3}, {"一打", 12}, {"半打", 6}, {"一对", 2}, {"level", -1}});

}  // namespace

bool AppendNumber(Cursor cursor, std::string& out) {
  if (const auto percent = cursor.Try([](Cursor& c) {
        const auto number = ParsePercent(c);
        return number && c.AtEnd() ? number : std::nullopt;
      })) {
    percent->AppendTo(out);
    out += '%';
    return true;
  }
  std::optional<Decimal> number;
  if (const auto fused = cursor.AcceptOneOf(kFused); fused && *fused > 0) {
    if (!cursor.AtEnd()) return false;
    number = Decimal::Of(*fused);
  } else {
    number = ParseNumber(cursor);
  }
  if (!number) return false;
  if (cursor.AcceptAny({"个半"})) number = number->Plus(*Decimal::Make(5, 1));  // 两个半.
  cursor.AcceptOneOf(kCounters);
  if (cursor.Accept("半") && number) {  // 三斤半.
    if (!number->is_integer()) return false;
    number = number->Plus(*Decimal::Make(5, 1));
  }
  if (!cursor.AtEnd() || !number) return false;
  number->AppendTo(out);
  return true;
}

bool AppendCode(Cursor cursor, std::string& out) {
  std::array<char, kCodeSizeMax> code;
  std::size_t size = 0;
  bool digit_seen = false;
  cursor.AcceptPrefix("#");
  while (!cursor.AtEnd()) {
    char c = cursor.rest().front();
    if (cursor.AcceptPrefix("幺")) {
      c = '1';
    } else if (const auto digit = ParseChineseDigit(cursor)) {
      c = static_cast<char>('0' + *digit);
    } else {
      const char literal[] = {c};
      if (!cursor.AcceptPrefix(std::string_view(literal, 1))) return false;
      if (c == '-' || c == '_' || c == '/' || c == '.') continue;
    }
    const bool digit = base::IsAsciiDigit(c);
    if (!digit && !(c >= 'a' && c <= 'z')) return false;
    if (size == code.size()) return false;
    digit_seen = digit_seen || digit;
    code[size++] = digit ? c : static_cast<char>(c - 'a' + 'A');
  }
  if (!digit_seen) return false;
  out.append(code.data(), size);
  return true;
}

}  // namespace loquat::understanding
