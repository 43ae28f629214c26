// Money: an amount before or after its currency, with parts (三块五毛, 20 dollars and 50 cents).

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "understanding/values/amounts.h"
#include "understanding/values/numerals.h"

namespace loquat::understanding {

namespace {

using Code = std::string_view;

// Before the amount.
constexpr auto kSigns = std::to_array<Word<Code>>({
    {"$", "USD"},    {"us$", "USD"},  {"usd", "USD"},    {"¥", "CNY"},    {"cny", "CNY"},  {"rmb", "CNY"},
    {"cn¥", "CNY"},  {"€", "EUR"},    {"eur", "EUR"},    {"£", "GBP"},    {"gbp", "GBP"},  {"hk$", "HKD"},
    {"hkd", "HKD"},  {"nt$", "TWD"},  {"jpy", "JPY"},    {"jp¥", "JPY"},  {"₩", "KRW"},    {"₽", "RUB"},
    {"₹", "INR"},    {"฿", "THB"},    {"₫", "VND"},      {"a$", "AUD"},   {"au$", "AUD"},  {"c$", "CAD"},
    {"ca$", "CAD"},  {"s$", "SGD"},   {"人民币", "CNY"}, {"美元", "USD"}, {"美金", "USD"}, {"港币", "HKD"},
    {"日元", "JPY"}, {"欧元", "EUR"}, {"英镑", "GBP"},
});

// After it.
constexpr Word<Code> kNames[] = {
    {"元", "CNY"},
    {"块", "CNY"},
    {"块钱", "CNY"},
    {"元钱", "CNY"},
    {"元人民币", "CNY"},
    {"块人民币", "CNY"},
    {"人民币", "CNY"},
    {"rmb", "CNY"},
    {"cny", "CNY"},
    {"yuan", "CNY"},
    {"renminbi", "CNY"},
    {"kuai", "CNY"},
    {"chinese yuan", "CNY"},
    {"美元", "USD"},
    {"美金", "USD"},
    {"美刀", "USD"},
    {"刀", "USD"},
    {"usd", "USD"},
    {"$", "USD"},
    {"dollar", "USD"},
    {"dollars", "USD"},
    {"us dollar", "USD"},
    {"us dollars", "USD"},
    {"american dollars", "USD"},
    {"buck", "USD"},
    {"bucks", "USD"},
    {"欧元", "EUR"},
    {"欧", "EUR"},
    {"eur", "EUR"},
    {"€", "EUR"},
    {"euro", "EUR"},
    {"euros", "EUR"},
    {"英镑", "GBP"},
    {"镑", "GBP"},
    {"gbp", "GBP"},
    {"£", "GBP"},
    {"pound", "GBP"},
    {"pounds", "GBP"},
    {"pounds sterling", "GBP"},
    {"british pounds", "GBP"},
    {"quid", "GBP"},
    {"日元", "JPY"},
    {"日币", "JPY"},
    {"jpy", "JPY"},
    {"yen", "JPY"},
    {"japanese yen", "JPY"},
    {"港币", "HKD"},
    {"港元", "HKD"},
    {"hkd", "HKD"},
    {"hong kong dollars", "HKD"},
    {"台币", "TWD"},
    {"新台币", "TWD"},
    {"twd", "TWD"},
    {"韩元", "KRW"},
    {"韩币", "KRW"},
    {"krw", "KRW"},
    {"won", "KRW"},
    {"korean won", "KRW"},
    {"澳元", "AUD"},
    {"澳币", "AUD"},
    {"aud", "AUD"},
    {"australian dollars", "AUD"},
    {"加元", "CAD"},
    {"加币", "CAD"},
    {"cad", "CAD"},
    {"canadian dollars", "CAD"},
    {"新币", "SGD"},
    {"新加坡元", "SGD"},
    {"新加坡币", "SGD"},
    {"sgd", "SGD"},
    {"singapore dollars", "SGD"},
    {"新西兰元", "NZD"},
    {"纽币", "NZD"},
    {"nzd", "NZD"},
    {"new zealand dollars", "NZD"},
    {"瑞士法郎", "CHF"},
    {"瑞郎", "CHF"},
    {"chf", "CHF"},
    {"swiss francs", "CHF"},
    {"francs", "CHF"},
    {"卢布", "RUB"},
    {"rub", "RUB"},
    {"rubles", "RUB"},
    {"roubles", "RUB"},
    {"泰铢", "THB"},
    {"thb", "THB"},
    {"baht", "THB"},
    {"卢比", "INR"},
    {"印度卢比", "INR"},
    {"inr", "INR"},
    {"rupee", "INR"},
    {"rupees", "INR"},
    {"马币", "MYR"},
    {"林吉特", "MYR"},
    {"ringgit", "MYR"},
    {"越南盾", "VND"},
    {"dong", "VND"},
    {"比索", "MXN"},
    {"peso", "MXN"},
    {"pesos", "MXN"},
    {"mexican pesos", "MXN"},
    {"里拉", "TRY"},
    {"lira", "TRY"},
    {"迪拉姆", "AED"},
    {"dirham", "AED"},
    {"dirhams", "AED"},
    {"澳门元", "MOP"},
    {"葡币", "MOP"},
    {"swedish kronor", "SEK"},
    {"norwegian kroner", "NOK"},
    {"danish kroner", "DKK"},
    {"rand", "ZAR"},
    {"brazilian reais", "BRL"},
    {"reais", "BRL"},
    {"zloty", "PLN"},
};

// Hundredths of the unit: with an amount before them, or alone.
struct Part {
  Code currency;
  int hundredths;
};
constexpr auto kParts = std::to_array<Word<Part>>({
    {"毛", {"CNY", 10}},
    {"毛钱", {"CNY", 10}},
    {"角", {"CNY", 10}},
    {"角钱", {"CNY", 10}},
    {"分", {"CNY", 1}},
    {"分钱", {"CNY", 1}},
    {"美分", {"USD", 1}},
    {"cent", {"USD", 1}},
    {"cents", {"USD", 1}},
    {"pence", {"GBP", 1}},
    {"便士", {"GBP", 1}},
});

struct Money {
  Decimal amount;
  Code currency;
};

std::optional<Decimal> ParseAmount(Cursor& cursor) {
  if (const auto number = cursor.Try(ParseNumber)) {
    if (number->LessThan(0)) return std::nullopt;
    if (cursor.Accept("m")) return number->Times(Decimal::Of(1'000'000));
    if (cursor.Accept("grand")) return number->Times(Decimal::Of(1000));
    return number;
  }
  if (cursor.AcceptAny({"百"})) return Decimal::Of(100);  // 百元.
  if (cursor.AcceptAny({"a", "an"})) return Decimal::Of(1);
  return std::nullopt;
}

// 五毛, 50 cents: their worth in the unit.
std::optional<Money> ParsePart(Cursor& cursor) {
  const auto number = ParseNumber(cursor);
  if (!number || number->LessThan(0)) return std::nullopt;
  const auto part = cursor.AcceptOneOf(kParts);
  if (!part) return std::nullopt;
  const auto worth = number->Times(Decimal::Of(part->hundredths));
  const auto amount = worth ? worth->DividedBy(100) : std::nullopt;
  if (!amount) return std::nullopt;
  return Money{*amount, part->currency};
}

// In hundredths, what the amount counts in: 10 for 毛, 1 for 分.
int SmallestOf(const Decimal& part) {
  return part.scale() <= 1 ? 10 : 1;
}

// What follows the unit (of `smallest` hundredths): 三块五, 三块两毛五, dollars and 50 cents. Nothing: it makes no
// sense.
std::optional<Decimal> ParseRest(Cursor& cursor, Code currency, int smallest) {
  Decimal sum;
  cursor.Accept("and");
  while (!cursor.AtEnd()) {
    if (const auto part = cursor.Try(ParsePart)) {
      const auto total = sum.Plus(part->amount);
      if (!total || part->currency != currency || !part->amount.LessThan(1)) return std::nullopt;
      sum = *total;
      smallest = SmallestOf(part->amount);
      continue;
    }
    // A lone digit counts the next smaller unit: 三块五, 两毛五.
    const auto digit = currency == "CNY" ? ParseCardinal(cursor) : std::nullopt;
    if (!digit || *digit > 9 || smallest == 1 || !cursor.AtEnd()) return std::nullopt;
    return sum.Plus(*Decimal::Make(*digit * smallest / 10, 2));
  }
  return sum;
}

std::optional<Money> ParseMoney(Cursor& cursor, bool chinese) {
  const auto sign = cursor.AcceptOneOf(kSigns);
  if (!sign) {
    if (const auto part = cursor.Try([](Cursor& c) -> std::optional<Money> {
          auto first = ParsePart(c);
          const auto rest = first ? ParseRest(c, first->currency, SmallestOf(first->amount)) : std::nullopt;
          const auto sum = rest ? first->amount.Plus(*rest) : std::nullopt;
          if (!sum || !c.AtEnd()) return std::nullopt;
          return Money{*sum, first->currency};
        })) {
      return part;
    }
  }
  const auto amount = ParseAmount(cursor);
  if (!amount) return std::nullopt;
  const auto name = cursor.AcceptOneOf(kNames);
  if (sign && name && *sign != *name && *sign != "USD" && *name != "CNY") return std::nullopt;
  if (!sign && !name) return chinese && cursor.AtEnd() ? std::optional(Money{*amount, "CNY"}) : std::nullopt;
  const Code currency = name ? *name : *sign;
  if (cursor.Accept("半")) {
    const auto half = amount->Plus(*Decimal::Make(5, 1));
    return half ? std::optional(Money{*half, currency}) : std::nullopt;
  }
  const auto rest = ParseRest(cursor, currency, 100);
  const auto sum = rest ? amount->Plus(*rest) : std::nullopt;
  if (!sum) return std::nullopt;
  return Money{*sum, sign && name && *name == "CNY" ? *sign : currency};
}

}  // namespace

bool AppendMoney(Cursor cursor, bool chinese, std::string& out) {
  const auto money = ParseMoney(cursor, chinese);
  if (!money) return false;
  cursor.AcceptAny({"整", "钱"});
  if (!cursor.AtEnd()) return false;
  money->amount.AppendTo(out);
  out += ' ';
  out += money->currency;
  return true;
}

}  // namespace loquat::understanding
