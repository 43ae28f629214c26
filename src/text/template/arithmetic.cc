// The arithmetic half of operators.h.

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "text/template/operators.h"
#include "text/template/python_text.h"

namespace loquat::text::jinja {

using base::Result;
using base::Status;

namespace {

constexpr std::string_view kTooLarge = "the result does not fit a 64-bit integer";

// Python rounds quotients down, so that a remainder has the sign of the divisor.
Result<Value> DivideIntegers(Operator op, std::int64_t a, std::int64_t b) {
  if (b == 0) return Fault("division by zero");
  if (a == std::numeric_limits<std::int64_t>::min() && b == -1) {
    if (op == Operator::kModulo) return Value::Int(0);
    return Fault(std::string(kTooLarge));
  }
  std::int64_t quotient = a / b;
  std::int64_t remainder = a % b;
  if (remainder != 0 && (remainder < 0) != (b < 0)) {
    --quotient;
    remainder += b;
  }
  return Value::Int(op == Operator::kModulo ? remainder : quotient);
}

Result<Value> PowerOfIntegers(std::int64_t base, std::int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) return Fault("division by zero");
    return Value::Float(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  std::int64_t result = 1;
  if (base == 0 || base == 1) return Value::Int(exponent == 0 ? 1 : base);
  if (base == -1) return Value::Int(exponent % 2 == 0 ? 1 : -1);
  for (; exponent > 0; --exponent) {  // Overflows within 64 rounds.
    if (__builtin_mul_overflow(result, base, &result)) return Fault(std::string(kTooLarge));
  }
  return Value::Int(result);
}

Result<Value> CalculateIntegers(Operator op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  bool overflow = false;
  switch (op) {
    case Operator::kAdd:
      overflow = __builtin_add_overflow(a, b, &result);
      break;
    case Operator::kSubtract:
      overflow = __builtin_sub_overflow(a, b, &result);
      break;
    case Operator::kMultiply:
      overflow = __builtin_mul_overflow(a, b, &result);
      break;
    case Operator::kDivide:
      if (b == 0) return Fault("division by zero");
      return Value::Float(static_cast<double>(a) / static_cast<double>(b));
    case Operator::kPower:
      return PowerOfIntegers(a, b);
    default:
      return DivideIntegers(op, a, b);
  }
  if (overflow) return Fault(std::string(kTooLarge));
  return Value::Int(result);
}

Result<Value> CalculateDoubles(Operator op, double a, double b) {
  switch (op) {
    case Operator::kAdd:
      return Value::Float(a + b);
    case Operator::kSubtract:
      return Value::Float(a - b);
    case Operator::kMultiply:
      return Value::Float(a * b);
    case Operator::kPower:
      if (a == 0 && b < 0) return Fault("division by zero");
      if (a < 0 && b != std::floor(b)) return Fault("a root of a negative number");
      return Value::Float(std::pow(a, b));
    default:
      break;
  }
  if (b == 0) return Fault("division by zero");
  if (op == Operator::kDivide) return Value::Float(a / b);
  // As CPython's float_divmod: exact remainder first.
  double remainder = std::fmod(a, b);
  double quotient = (a - remainder) / b;
  if (remainder != 0) {
    if ((remainder < 0) != (b < 0)) {
      remainder += b;
      quotient -= 1;
    }
  } else {
    remainder = std::copysign(0.0, b);
  }
  if (op == Operator::kModulo) return Value::Float(remainder);
  if (quotient == 0) return Value::Float(std::copysign(0.0, a / b));
  const double rounded = std::floor(quotient);
  return Value::Float(quotient - rounded > 0.5 ? rounded + 1 : rounded);
}

Result<Value> Repeat(Work& work, const Value& value, std::int64_t times) {
  const std::uint64_t count = times < 0 ? 0 : static_cast<std::uint64_t>(times);
  const std::uint64_t size = value.IsString() ? value.AsString().size() : value.AsList().items.size();
  std::uint64_t total = 0;
  if (__builtin_mul_overflow(size, count, &total)) total = std::numeric_limits<std::uint64_t>::max();
  if (value.IsString()) {
    LOQUAT_TRY(work.CheckBytes(total));
    std::string text;
    text.reserve(total);
    for (std::uint64_t i = 0; size > 0 && i < count; ++i) text += value.AsString();
    return work.Text(text);
  }
  LOQUAT_ASSIGN(List * list, work.NewList(total));
  const std::span<const Value> items = value.AsList().items;
  for (std::uint64_t i = 0; size > 0 && i < count; ++i)
    list->items.insert(list->items.end(), items.begin(), items.end());
  return value.Is(Kind::kTuple) ? Value::TupleOf(list) : Value::Of(list);
}

Result<Value> Concatenate(Work& work, const Value& a, const Value& b) {
  if (a.IsString()) {
    LOQUAT_TRY(work.CheckBytes(a.AsString().size() + b.AsString().size()));
    std::string text(a.AsString());
    text += b.AsString();
    return work.Text(text);
  }
  const std::span<const Value> left = a.AsList().items;
  const std::span<const Value> right = b.AsList().items;
  LOQUAT_ASSIGN(List * list, work.NewList(left.size() + right.size()));
  list->items.insert(list->items.end(), left.begin(), left.end());
  list->items.insert(list->items.end(), right.begin(), right.end());
  return a.Is(Kind::kTuple) ? Value::TupleOf(list) : Value::Of(list);
}

}  // namespace

Result<Value> Calculate(Work& work, Operator op, const Value& a, const Value& b) {
  if (a.IsInteger() && b.IsInteger()) return CalculateIntegers(op, a.AsInt(), b.AsInt());
  if (a.IsNumber() && b.IsNumber()) return CalculateDoubles(op, a.AsDouble(), b.AsDouble());
  if (op == Operator::kAdd && a.kind() == b.kind() && (a.IsString() || a.IsSequence())) return Concatenate(work, a, b);
  if (op == Operator::kMultiply) {
    if ((a.IsString() || a.IsSequence()) && b.IsInteger()) return Repeat(work, a, b.AsInt());
    if ((b.IsString() || b.IsSequence()) && a.IsInteger()) return Repeat(work, b, a.AsInt());
  }
  if (op == Operator::kModulo && a.IsString()) {
    if (b.Is(Kind::kTuple)) return FormatPercent(work, a.AsString(), b.AsList().items);
    const bool holds_items = b.Is(Kind::kList) || b.Is(Kind::kDict) || b.IsUndefined();  // As Python looks at it.
    return FormatPercent(work, a.AsString(), std::span<const Value>(&b, 1), holds_items);
  }
  if (a.IsUndefined()) return Fault(UndefinedMessage(a));
  if (b.IsUndefined()) return Fault(UndefinedMessage(b));
  constexpr std::string_view kSigns[] = {"+", "-", "*", "/", "//", "%", "**"};
  return Fault(fmt::format("{} {} {} is not possible", KindName(a.kind()), kSigns[static_cast<std::size_t>(op)],
                           KindName(b.kind())));
}

Result<Value> Negate(const Value& value) {
  if (value.IsInteger()) return CalculateIntegers(Operator::kSubtract, 0, value.AsInt());
  if (value.IsNumber()) return Value::Float(-value.AsDouble());
  if (value.IsUndefined()) return Fault(UndefinedMessage(value));
  return Fault(fmt::format("- needs a number, not {}", KindName(value.kind())));
}

}  // namespace loquat::text::jinja
