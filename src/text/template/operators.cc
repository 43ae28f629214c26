#include "text/template/operators.h"

#include <fmt/format.h>

#include <algorithm>
#include <compare>

#include "text/template/python_text.h"

namespace loquat::text::jinja {

using base::Result;
using base::Status;

std::string UndefinedMessage(const Value& value) {
  const std::string_view name = value.UndefinedName();
  return name.empty() ? "the value is undefined" : fmt::format("'{}' is undefined", name);
}

bool IsTrue(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
      return value.AsBool();
    case Kind::kInt:
      return value.AsInt() != 0;
    case Kind::kFloat:
      return value.AsDouble() != 0;
    case Kind::kString:
      return !value.AsString().empty();
    case Kind::kList:
    case Kind::kTuple:
      return !value.AsList().items.empty();
    case Kind::kDict:
      return !value.AsDict().entries().empty();
    default:
      return true;
  }
}

namespace {

std::string_view Sign(Operator op) {
  constexpr std::string_view kSigns[] = {
      "+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", "<=", ">", ">=", "in", "not in"};
  return kSigns[static_cast<std::size_t>(op)];
}

base::Error KindsFault(Operator op, const Value& a, const Value& b) {
  if (a.IsUndefined()) return Fault(UndefinedMessage(a));
  if (b.IsUndefined()) return Fault(UndefinedMessage(b));
  return Fault(fmt::format("{} {} {} is not possible", KindName(a.kind()), Sign(op), KindName(b.kind())));
}

base::Error DepthFault() {
  return LimitFault(fmt::format("values nest more than {} deep", kValueDepthMax));
}

Result<bool> AreEqualDicts(Work& work, const Dict& a, const Dict& b, int depth) {
  if (a.entries().size() != b.entries().size()) return false;
  for (const Dict::Entry& entry : a.entries()) {
    const Value* other = b.Find(entry.key);
    if (other == nullptr) return false;
    LOQUAT_ASSIGN(const bool equal, AreEqual(work, entry.value, *other, depth + 1));
    if (!equal) return false;
  }
  return true;
}

// Exact also where a double cannot hold the integer.
std::partial_ordering OrderOfNumbers(const Value& a, const Value& b) {
  if (a.IsInteger() && b.IsInteger()) return a.AsInt() <=> b.AsInt();
  if (!a.IsInteger() && !b.IsInteger()) return a.AsDouble() <=> b.AsDouble();
  if (!a.IsInteger()) return 0 <=> OrderOfNumbers(b, a);
  const double right = b.AsDouble();
  constexpr double kTwoTo63 = 9223372036854775808.0;
  if (right >= kTwoTo63) return std::partial_ordering::less;
  if (right < -kTwoTo63) return std::partial_ordering::greater;
  if (right != right) return std::partial_ordering::unordered;
  const auto whole = static_cast<std::int64_t>(right);
  if (a.AsInt() != whole) return a.AsInt() <=> whole;
  return 0.0 <=> (right - static_cast<double>(whole));
}

Result<bool> Contains(Work& work, const Value& item, const Value& container) {
  switch (container.kind()) {
    case Kind::kUndefined:
      return false;
    case Kind::kString:
      if (!item.IsString()) return KindsFault(Operator::kIn, item, container);
      LOQUAT_TRY(work.ChargeBytes(container.AsString().size()));
      return container.AsString().find(item.AsString()) != std::string_view::npos;
    case Kind::kDict:
      if (item.Is(Kind::kList) || item.Is(Kind::kDict)) return KindsFault(Operator::kIn, item, container);
      if (!Dict::IsKey(item)) return false;
      return container.AsDict().Find(item) != nullptr;
    case Kind::kList:
    case Kind::kTuple:
      for (const Value& each : std::span<const Value>(container.AsList().items)) {
        LOQUAT_ASSIGN(const bool equal, AreEqual(work, each, item));
        if (equal) return true;
      }
      return false;
    default:
      return KindsFault(Operator::kIn, item, container);
  }
}

}  // namespace

Result<bool> AreEqual(Work& work, const Value& a, const Value& b, int depth) {
  if (depth > kValueDepthMax) return DepthFault();
  LOQUAT_TRY(work.Charge(1));
  if (a.IsNumber() && b.IsNumber()) return OrderOfNumbers(a, b) == 0;
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return true;
    case Kind::kString:
      LOQUAT_TRY(work.ChargeBytes(std::min(a.AsString().size(), b.AsString().size())));
      return a.AsString() == b.AsString();
    case Kind::kList:
    case Kind::kTuple: {
      const std::span<const Value> left = a.AsList().items;
      const std::span<const Value> right = b.AsList().items;
      if (left.size() != right.size()) return false;
      for (std::size_t i = 0; i < left.size(); ++i) {
        LOQUAT_ASSIGN(const bool equal, AreEqual(work, left[i], right[i], depth + 1));
        if (!equal) return false;
      }
      return true;
    }
    case Kind::kDict:
      return AreEqualDicts(work, a.AsDict(), b.AsDict(), depth);
    default:
      return a.IsIdenticalTo(b);
  }
}

Result<int> Order(Work& work, const Value& a, const Value& b, int depth) {
  if (depth > kValueDepthMax) return DepthFault();
  LOQUAT_TRY(work.Charge(1));
  if (a.IsNumber() && b.IsNumber()) {
    const std::partial_ordering order = OrderOfNumbers(a, b);
    return order < 0 ? -1 : order > 0 ? 1 : 0;
  }
  if (a.IsString() && b.IsString()) {
    LOQUAT_TRY(work.ChargeBytes(std::min(a.AsString().size(), b.AsString().size())));
    return a.AsString().compare(b.AsString());  // UTF-8 sorts as its code points do.
  }
  if (!a.IsSequence() || a.kind() != b.kind()) return KindsFault(Operator::kLess, a, b);
  const std::span<const Value> left = a.AsList().items;
  const std::span<const Value> right = b.AsList().items;
  for (std::size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
    LOQUAT_ASSIGN(const bool equal, AreEqual(work, left[i], right[i], depth + 1));
    if (!equal) return Order(work, left[i], right[i], depth + 1);
  }
  return left.size() < right.size() ? -1 : left.size() > right.size() ? 1 : 0;
}

Result<bool> Compare(Work& work, Operator op, const Value& a, const Value& b) {
  if (op == Operator::kIn || op == Operator::kNotIn) {
    LOQUAT_ASSIGN(const bool contains, Contains(work, a, b));
    return contains == (op == Operator::kIn);
  }
  if (op == Operator::kEqual || op == Operator::kNotEqual) {
    LOQUAT_ASSIGN(const bool equal, AreEqual(work, a, b));
    return equal == (op == Operator::kEqual);
  }
  if (a.IsNumber() && b.IsNumber() && OrderOfNumbers(a, b) == std::partial_ordering::unordered) return false;
  if (a.kind() != b.kind() && !(a.IsNumber() && b.IsNumber())) return KindsFault(op, a, b);
  LOQUAT_ASSIGN(const int order, Order(work, a, b));
  switch (op) {
    case Operator::kLess:
      return order < 0;
    case Operator::kLessOrEqual:
      return order <= 0;
    case Operator::kGreater:
      return order > 0;
    default:
      return order >= 0;
  }
}

}  // namespace loquat::text::jinja
