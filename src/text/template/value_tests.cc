// What may stand behind `is`.

#include <fmt/format.h>

#include "base/utf8.h"
#include "text/template/builtins.h"
#include "text/template/characters.h"
#include "text/template/operators.h"

namespace loquat::text::jinja {

using base::Result;

namespace {

template <bool (*Check)(const Value&)>
Result<Value> Of(Work&, const Value& self, const Arguments&) {
  return Value::Bool(Check(self));
}

bool IsDefined(const Value& v) {
  return !v.IsUndefined();
}
bool IsUndefined(const Value& v) {
  return v.IsUndefined();
}
bool IsNone(const Value& v) {
  return v.Is(Kind::kNone);
}
bool IsString(const Value& v) {
  return v.IsString();
}
bool IsMapping(const Value& v) {
  return v.Is(Kind::kDict);
}
bool IsNumber(const Value& v) {
  return v.IsNumber();
}
bool IsInteger(const Value& v) {
  return v.Is(Kind::kInt);
}
bool IsFloat(const Value& v) {
  return v.Is(Kind::kFloat);
}
bool IsBoolean(const Value& v) {
  return v.Is(Kind::kBool);
}
bool IsExactlyTrue(const Value& v) {
  return v.Is(Kind::kBool) && v.AsBool();
}
bool IsExactlyFalse(const Value& v) {
  return v.Is(Kind::kBool) && !v.AsBool();
}
// As in Jinja, undefined can be called (which fails), and has a length and items, of which there are none.
bool IsCallable(const Value& v) {
  return v.IsCallable() || v.IsUndefined();
}
bool IsSequence(const Value& v) {
  return v.IsSequence() || v.IsString() || v.Is(Kind::kDict) || v.IsUndefined();
}
bool IsIterable(const Value& v) {
  return IsSequence(v) || v.Is(Kind::kLoop);
}

template <Operator op>
Result<Value> Compares(Work& work, const Value& self, const Arguments& args) {
  LOQUAT_ASSIGN(const bool holds, Compare(work, op, self, args[0]));
  return Value::Bool(holds);
}

Result<Value> IsSameAs(Work&, const Value& self, const Arguments& args) {
  return Value::Bool(self.IsIdenticalTo(args[0]));
}

Result<Value> HasRemainder(Work& work, const Value& self, const Value& divisor, std::int64_t wanted) {
  if (!self.IsNumber()) return Fault(fmt::format("a number is needed, not {}", KindName(self.kind())));
  LOQUAT_ASSIGN(const Value rest, Calculate(work, Operator::kModulo, self, divisor));
  return Value::Bool(rest.IsNumber() && rest.AsDouble() == static_cast<double>(wanted));
}

Result<Value> IsOdd(Work& work, const Value& self, const Arguments&) {
  return HasRemainder(work, self, Value::Int(2), 1);
}
Result<Value> IsEven(Work& work, const Value& self, const Arguments&) {
  return HasRemainder(work, self, Value::Int(2), 0);
}
Result<Value> IsDivisibleBy(Work& work, const Value& self, const Arguments& args) {
  return HasRemainder(work, self, args[0], 0);
}

// At least one cased character, and none of the other case.
template <bool upper>
Result<Value> HasCase(Work& work, const Value& self, const Arguments&) {
  LOQUAT_ASSIGN(const Value value, ToText(work, self));
  const std::string_view text = value.AsString();
  LOQUAT_TRY(work.ChargeBytes(text.size()));
  bool found = false;
  for (std::size_t at = 0; at < text.size();) {
    const base::DecodedCodePoint decoded = base::DecodeUtf8(text, at);
    at += decoded.length;
    if (!IsCased(decoded.code_point)) continue;
    if (!(upper ? IsUpper(decoded.code_point) : IsLower(decoded.code_point))) return Value::Bool(false);
    found = true;
  }
  return Value::Bool(found);
}

constexpr Builtin kTests[] = {
    {"defined", Of<IsDefined>},
    {"undefined", Of<IsUndefined>},
    {"none", Of<IsNone>},
    {"string", Of<IsString>},
    {"mapping", Of<IsMapping>},
    {"sequence", Of<IsSequence>},
    {"iterable", Of<IsIterable>},
    {"number", Of<IsNumber>},
    {"integer", Of<IsInteger>},
    {"float", Of<IsFloat>},
    {"boolean", Of<IsBoolean>},
    {"true", Of<IsExactlyTrue>},
    {"false", Of<IsExactlyFalse>},
    {"callable", Of<IsCallable>},
    {"in", Compares<Operator::kIn>, {"seq"}, 1},
    {"eq", Compares<Operator::kEqual>, {"other"}, 1},
    {"equalto", Compares<Operator::kEqual>, {"other"}, 1},
    {"==", Compares<Operator::kEqual>, {"other"}, 1},
    {"ne", Compares<Operator::kNotEqual>, {"other"}, 1},
    {"!=", Compares<Operator::kNotEqual>, {"other"}, 1},
    {"lt", Compares<Operator::kLess>, {"other"}, 1},
    {"lessthan", Compares<Operator::kLess>, {"other"}, 1},
    {"<", Compares<Operator::kLess>, {"other"}, 1},
    {"le", Compares<Operator::kLessOrEqual>, {"other"}, 1},
    {"<=", Compares<Operator::kLessOrEqual>, {"other"}, 1},
    {"gt", Compares<Operator::kGreater>, {"other"}, 1},
    {"greaterthan", Compares<Operator::kGreater>, {"other"}, 1},
    {">", Compares<Operator::kGreater>, {"other"}, 1},
    {"ge", Compares<Operator::kGreaterOrEqual>, {"other"}, 1},
    {">=", Compares<Operator::kGreaterOrEqual>, {"other"}, 1},
    {"sameas", IsSameAs, {"other"}, 1},
    {"odd", IsOdd},
    {"even", IsEven},
    {"divisibleby", IsDivisibleBy, {"num"}, 1},
    {"lower", HasCase<false>},
    {"upper", HasCase<true>},
};

}  // namespace

std::span<const Builtin> Tests() {
  return kTests;
}

}  // namespace loquat::text::jinja
