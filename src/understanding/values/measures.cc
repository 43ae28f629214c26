// Temperatures and measures: a number and a unit, or a Chinese amount split around its unit (一米八, 三斤半).

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "understanding/values/amounts.h"
#include "understanding/values/numerals.h"

namespace loquat::understanding {

namespace {

using Symbol = std::string_view;

constexpr Word<Symbol> kUnits[] = {
    {"公里", "km"},
    {"千米", "km"},
    {"km", "km"},
    {"kms", "km"},
    {"kilometer", "km"},
    {"kilometers", "km"},
    {"kilometre", "km"},
    {"kilometres", "km"},
    {"米", "m"},
    {"公尺", "m"},
    {"m", "m"},
    {"meter", "m"},
    {"meters", "m"},
    {"metre", "m"},
    {"metres", "m"},
    {"厘米", "cm"},
    {"公分", "cm"},
    {"cm", "cm"},
    {"centimeter", "cm"},
    {"centimeters", "cm"},
    {"centimetre", "cm"},
    {"centimetres", "cm"},
    {"毫米", "mm"},
    {"mm", "mm"},
    {"millimeter", "mm"},
    {"millimeters", "mm"},
    {"millimetres", "mm"},
    {"微米", "um"},
    {"英里", "mi"},
    {"mi", "mi"},
    {"mile", "mi"},
    {"miles", "mi"},
    {"英尺", "ft"},
    {"尺", "chi"},
    {"ft", "ft"},
    {"foot", "ft"},
    {"feet", "ft"},
    {"英寸", "in"},
    {"寸", "cun"},
    {"inch", "in"},
    {"inches", "in"},
    {"码", "yd"},
    {"yard", "yd"},
    {"yards", "yd"},
    {"yd", "yd"},
    {"海里", "nmi"},
    {"nautical mile", "nmi"},
    {"nautical miles", "nmi"},
    {"光年", "ly"},
    {"light year", "ly"},
    {"light years", "ly"},
    {"里", "li"},
    {"里地", "li"},
    {"华里", "li"},
    {"丈", "zhang"},
    {"公斤", "kg"},
    {"千克", "kg"},
    {"kg", "kg"},
    {"kgs", "kg"},
    {"kilo", "kg"},
    {"kilos", "kg"},
    {"kilogram", "kg"},
    {"kilograms", "kg"},
    {"克", "g"},
    {"g", "g"},
    {"gram", "g"},
    {"grams", "g"},
    {"毫克", "mg"},
    {"mg", "mg"},
    {"milligram", "mg"},
    {"milligrams", "mg"},
    {"吨", "t"},
    {"ton", "t"},
    {"tons", "t"},
    {"tonne", "t"},
    {"tonnes", "t"},
    {"metric tons", "t"},
    {"磅", "lb"},
    {"lb", "lb"},
    {"lbs", "lb"},
    {"pound", "lb"},
    {"pounds", "lb"},
    {"盎司", "oz"},
    {"oz", "oz"},
    {"ounce", "oz"},
    {"ounces", "oz"},
    {"英石", "st"},
    {"stone", "st"},
    {"斤", "jin"},
    {"市斤", "jin"},
    {"两", "liang"},
    {"升", "L"},
    {"公升", "L"},
    {"l", "L"},
    {"liter", "L"},
    {"liters", "L"},
    {"litre", "L"},
    {"litres", "L"},
    {"毫升", "mL"},
    {"ml", "mL"},
    {"milliliter", "mL"},
    {"milliliters", "mL"},
    {"millilitres", "mL"},
    {"加仑", "gal"},
    {"gallon", "gal"},
    {"gallons", "gal"},
    {"品脱", "pt"},
    {"pint", "pt"},
    {"pints", "pt"},
    {"夸脱", "qt"},
    {"quart", "qt"},
    {"quarts", "qt"},
    {"杯", "cup"},
    {"cup", "cup"},
    {"cups", "cup"},
    {"tablespoon", "tbsp"},
    {"tablespoons", "tbsp"},
    {"tbsp", "tbsp"},
    {"teaspoon", "tsp"},
    {"teaspoons", "tsp"},
    {"tsp", "tsp"},
    {"fluid ounce", "fl oz"},
    {"fluid ounces", "fl oz"},
    {"平方米", "m2"},
    {"平米", "m2"},
    {"平方", "m2"},
    {"平", "m2"},
    {"square meter", "m2"},
    {"square meters", "m2"},
    {"square metres", "m2"},
    {"平方公里", "km2"},
    {"平方千米", "km2"},
    {"square kilometers", "km2"},
    {"平方厘米", "cm2"},
    {"平方英尺", "ft2"},
    {"square foot", "ft2"},
    {"square feet", "ft2"},
    {"sq ft", "ft2"},
    {"平方英里", "mi2"},
    {"square miles", "mi2"},
    {"square yards", "yd2"},
    {"公顷", "ha"},
    {"hectare", "ha"},
    {"hectares", "ha"},
    {"英亩", "acre"},
    {"acre", "acre"},
    {"acres", "acre"},
    {"亩", "mu"},
    {"坪", "ping"},
    {"立方米", "m3"},
    {"立方", "m3"},
    {"cubic meters", "m3"},
    {"cubic metres", "m3"},
    {"立方厘米", "cm3"},
    {"cubic feet", "ft3"},
    {"公里每小时", "km/h"},
    {"公里/小时", "km/h"},
    {"千米每小时", "km/h"},
    {"km/h", "km/h"},
    {"kmh", "km/h"},
    {"kph", "km/h"},
    {"kilometers per hour", "km/h"},
    {"kilometres per hour", "km/h"},
    {"kilometers an hour", "km/h"},
    {"英里每小时", "mph"},
    {"mph", "mph"},
    {"miles per hour", "mph"},
    {"miles an hour", "mph"},
    {"米每秒", "m/s"},
    {"米/秒", "m/s"},
    {"m/s", "m/s"},
    {"meters per second", "m/s"},
    {"metres per second", "m/s"},
    {"节", "kn"},
    {"knot", "kn"},
    {"knots", "kn"},
    {"tb", "TB"},
    {"terabyte", "TB"},
    {"terabytes", "TB"},
    {"gb", "GB"},
    {"g内存", "GB"},
    {"gigabyte", "GB"},
    {"gigabytes", "GB"},
    {"gigs", "GB"},
    {"mb", "MB"},
    {"兆", "MB"},
    {"megabyte", "MB"},
    {"megabytes", "MB"},
    {"kb", "KB"},
    {"kilobyte", "KB"},
    {"kilobytes", "KB"},
    {"字节", "B"},
    {"byte", "B"},
    {"bytes", "B"},
    {"比特", "bit"},
    {"bit", "bit"},
    {"bits", "bit"},
};

constexpr int kInchesInFoot = 12;

bool Append(const Decimal& number, Symbol symbol, std::string& out) {
  number.AppendTo(out);
  out += ' ';
  out += symbol;
  return true;
}

// "half a mile", "an acre", "5 miles".
std::optional<Decimal> ParseCount(Cursor& cursor) {
  if (const auto number = cursor.Try(ParseNumber)) {
    cursor.AcceptAny({"of an", "of a", "an", "a"});
    return number;
  }
  if (!cursor.AcceptAny({"an", "a"})) return std::nullopt;
  return Decimal::Of(1);
}

// 5 in 一米八 counts tenths; 半 a half.
std::optional<Decimal> ParseRest(Cursor& cursor, const Decimal& number) {
  if (cursor.AtEnd() || !number.is_integer()) return number;
  if (cursor.AcceptAny({"半", "and a half"})) return number.Plus(*Decimal::Make(5, 1));
  const auto digits = cursor.Try(ParseChineseDigit);
  if (!digits) return number;
  const auto second = cursor.Try(ParseChineseDigit);
  return number.Plus(second ? *Decimal::Make(*digits * 10 + *second, 2) : *Decimal::Make(*digits, 1));
}

// 6 foot 2, five feet eleven inches: in inches.
std::optional<Decimal> ParseFeetAndInches(Cursor& cursor) {
  const auto feet = ParseCardinal(cursor);
  if (!feet || !cursor.AcceptAny({"foot", "feet", "ft"})) return std::nullopt;
  const auto inches = ParseCardinal(cursor);
  if (!inches || *inches >= kInchesInFoot || *feet > Decimal::kUnitsMax / 100) return std::nullopt;
  cursor.AcceptAny({"inches", "inch", "in"});
  return Decimal::Of(*feet * kInchesInFoot + *inches);
}

enum class Scale : std::uint8_t { kUnsaid, kCelsius, kFahrenheit };

Scale ParseScale(Cursor& cursor) {
  if (cursor.AcceptAny({"celsius", "centigrade", "c", "摄氏度", "摄氏"})) return Scale::kCelsius;
  if (cursor.AcceptAny({"fahrenheit", "f", "华氏度", "华氏"})) return Scale::kFahrenheit;
  if (cursor.Accept("℃")) return Scale::kCelsius;
  if (cursor.Accept("℉")) return Scale::kFahrenheit;
  return Scale::kUnsaid;
}

}  // namespace

bool AppendTemperature(Cursor cursor, bool chinese, std::string& out) {
  Scale scale = Scale::kUnsaid;
  bool below = false;
  for (int words = 0; words < 2; ++words) {  // 华氏零下五度 and 零下华氏五度.
    if (cursor.Accept("华氏")) scale = Scale::kFahrenheit;
    if (cursor.Accept("摄氏")) scale = Scale::kCelsius;
    if (cursor.AcceptAny({"零下", "below zero"})) below = true;
  }
  if (cursor.Accept("零上")) below = false;
  auto number = ParseNumber(cursor);
  if (!number) return false;
  const Scale before_degrees = ParseScale(cursor);
  if (before_degrees != Scale::kUnsaid) scale = before_degrees;
  if (cursor.AcceptAny({"度", "°", "degrees", "degree"}) && number->is_integer()) {
    if (cursor.AcceptAny({"半", "and a half"})) number = number->Plus(*Decimal::Make(5, 1));
    if (!number) return false;
  }
  const Scale after = ParseScale(cursor);
  if (after != Scale::kUnsaid) scale = after;
  if (cursor.Accept("below zero") || cursor.Accept("below")) below = true;
  cursor.Accept("above zero");
  if (!cursor.AtEnd()) return false;
  if (below) {
    if (number->LessThan(0)) return false;
    number = number->Negated();
  }
  const bool fahrenheit =
      scale == Scale::kFahrenheit || (scale == Scale::kUnsaid && !chinese && !number->LessThan(kCelsiusMax + 1));
  return Append(*number, fahrenheit ? "F" : "C", out);
}

bool AppendMeasure(Cursor cursor, std::string& out) {
  if (const auto inches = cursor.Try(ParseFeetAndInches); inches && cursor.AtEnd()) return Append(*inches, "in", out);
  cursor.Accept("时速");
  const auto number = ParseCount(cursor);
  if (!number) return false;
  cursor.Accept("个");
  auto unit = cursor.AcceptOneOf(kUnits);
  // "in" is the unit only where nothing else could be meant; "g" in 8G is memory.
  if (!unit && cursor.Accept("in")) unit = "in";
  if (!unit) return false;
  const auto sum = ParseRest(cursor, *number);
  if (!sum || !cursor.AtEnd()) return false;
  return Append(*sum, *unit, out);
}

}  // namespace loquat::understanding
