// Filters that make or change numbers.

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "base/strings.h"
#include "text/template/builtins.h"
#include "text/template/characters.h"
#include "text/template/operators.h"

namespace loquat::text::jinja {

using base::Result;

namespace {

// A number as Python's int() and float() read it from a string: white space around, underscores between digits.
std::string Cleaned(std::string_view text) {
  text.remove_prefix(LeadingSpace(text));
  text.remove_suffix(TrailingSpace(text));
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool between = text[i] == '_' && i > 0 && i + 1 < text.size() && base::IsAsciiDigit(text[i - 1]) &&
                         base::IsAsciiDigit(text[i + 1]);
    if (!between && !(i == 0 && text[i] == '+' && text.size() > 1 && text[1] != '-')) out.push_back(text[i]);
  }
  return out;
}

std::optional<double> ReadDouble(std::string_view text) {
  std::string cleaned = base::ToLowerAscii(Cleaned(text));
  const std::string_view digits = std::string_view(cleaned).substr(cleaned.starts_with('-') ? 1 : 0);
  const double sign = cleaned.starts_with('-') ? -1 : 1;
  if (digits == "inf" || digits == "infinity") return sign * std::numeric_limits<double>::infinity();
  if (digits == "nan") return std::numeric_limits<double>::quiet_NaN();
  double number = 0;
  const auto [stop, error] = std::from_chars(cleaned.data(), cleaned.data() + cleaned.size(), number);
  if (stop != cleaned.data() + cleaned.size() || cleaned.empty()) return std::nullopt;
  if (error == std::errc()) return number;
  return base::ParseDouble(cleaned);
}

Value IntOfDouble(double number, const Value& fallback) {
  constexpr double kTwoTo63 = 9223372036854775808.0;
  if (!(number >= -kTwoTo63 && number < kTwoTo63)) return fallback;
  return Value::Int(static_cast<std::int64_t>(number));
}

Result<Value> FilterInt(Work&, const Value& self, const Arguments& args) {
  const Value fallback = args.Get(0, Value::Int(0));
  if (self.IsInteger()) return Value::Int(self.AsInt());
  if (self.Is(Kind::kFloat)) return IntOfDouble(self.AsDouble(), fallback);
  if (!self.IsString()) {
    if (self.IsUndefined()) return Fault(UndefinedMessage(self));
    return fallback;
  }
  std::int64_t radix = 10;
  if (args.Has(1)) {
    LOQUAT_ASSIGN(radix, NeedInteger(args[1], "int's base"));
    if (radix < 2 || radix > 36) return Fault("int's base must be 2 to 36");
  }
  std::string text = base::ToLowerAscii(Cleaned(self.AsString()));
  const std::size_t digits = text.starts_with('-') ? 1 : 0;
  const std::string_view prefix = radix == 16 ? "0x" : radix == 8 ? "0o" : radix == 2 ? "0b" : "";
  if (!prefix.empty() && text.substr(digits).starts_with(prefix)) text.erase(digits, prefix.size());
  std::int64_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number, static_cast<int>(radix));
  if (error == std::errc() && stop == text.data() + text.size()) return Value::Int(number);
  const std::optional<double> real = ReadDouble(self.AsString());
  return real ? IntOfDouble(*real, fallback) : fallback;
}

Result<Value> FilterFloat(Work&, const Value& self, const Arguments& args) {
  const Value fallback = args.Get(0, Value::Float(0));
  if (self.IsNumber()) return Value::Float(self.AsDouble());
  if (self.IsUndefined()) return Fault(UndefinedMessage(self));
  if (!self.IsString()) return fallback;
  const std::optional<double> number = ReadDouble(self.AsString());
  return number ? Value::Float(*number) : fallback;
}

Result<Value> FilterAbs(Work&, const Value& self, const Arguments&) {
  if (self.Is(Kind::kFloat)) return Value::Float(std::abs(self.AsDouble()));
  if (!self.IsInteger()) return Fault(fmt::format("abs needs a number, not {}", KindName(self.kind())));
  return self.AsInt() < 0 ? Negate(self) : Result<Value>(Value::Int(self.AsInt()));
}

// Rounds half to even on the decimal digits, as Python does.
Result<Value> RoundCommon(const Value& self, std::int64_t precision) {
  if (self.IsInteger() && precision >= 0) return Value::Int(self.AsInt());
  if (self.IsInteger()) {
    __extension__ using Wide = __int128;
    if (precision < -18) return Value::Int(0);
    Wide unit = 1;
    for (std::int64_t i = 0; i < -precision; ++i) unit *= 10;
    const Wide number = self.AsInt();
    const Wide rest = ((number % unit) + unit) % unit;
    const Wide floor = number - rest;
    const bool up = rest * 2 > unit || (rest * 2 == unit && (floor / unit) % 2 != 0);
    const Wide rounded = up ? floor + unit : floor;
    const auto result = static_cast<std::int64_t>(rounded);
    if (result != rounded) return Fault("the rounded number does not fit a 64-bit integer");
    return Value::Int(result);
  }
  const double number = self.AsDouble();
  if (!std::isfinite(number)) return Value::Float(number);
  if (precision > 22) return Value::Float(number);
  if (precision < 0) {
    const double unit = std::pow(10.0, static_cast<double>(-precision));
    return Value::Float(std::isfinite(unit) ? std::nearbyint(number / unit) * unit : std::copysign(0.0, number));
  }
  const std::string text = fmt::format("{:.{}f}", number, precision);
  return Value::Float(base::ParseDouble(text).value_or(number));
}

Result<Value> FilterRound(Work&, const Value& self, const Arguments& args) {
  std::int64_t precision = 0;
  if (args.Has(0)) {
    LOQUAT_ASSIGN(precision, NeedInteger(args[0], "round's precision"));
  }
  std::string_view method = "common";
  if (args.Has(1)) {
    LOQUAT_ASSIGN(method, NeedString(args[1], "round's method"));
  }
  if (method != "common" && method != "ceil" && method != "floor")
    return Fault("round's method must be common, ceil or floor");
  if (!self.IsNumber()) return Fault(fmt::format("round needs a number, not {}", KindName(self.kind())));
  constexpr std::int64_t kPrecisionMax = 300;
  if (precision > kPrecisionMax || precision < -kPrecisionMax) return Fault("round's precision must be -300 to 300");
  if (method == "common") return RoundCommon(self, precision);
  const double unit = std::pow(10.0, static_cast<double>(precision));
  const double scaled = self.AsDouble() * unit;
  return Value::Float((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / unit);
}

constexpr Builtin kFilters[] = {
    {"int", FilterInt, {"default", "base"}},
    {"float", FilterFloat, {"default"}},
    {"abs", FilterAbs},
    {"round", FilterRound, {"precision", "method"}},
};

}  // namespace

std::span<const Builtin> NumberFilters() {
  return kFilters;
}

}  // namespace loquat::text::jinja
