#include "text/template/builtins.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/template/operators.h"

namespace loquat::text::jinja {

using base::Result;

namespace {

const Builtin* Find(std::span<const Builtin> table, std::string_view name) {
  const auto found = std::ranges::find(table, name, &Builtin::name);
  return found == table.end() ? nullptr : &*found;
}

}  // namespace

const Value* Arguments::Named(std::string_view name) const {
  const auto found = std::ranges::find(named_, name, &NamedValue::name);
  return found == named_.end() ? nullptr : &found->value;
}

const Builtin* FindFilter(std::string_view name) {
  for (const std::span<const Builtin> table : {TextFilters(), SequenceFilters(), SelectionFilters(), NumberFilters()}) {
    if (const Builtin* found = Find(table, name)) return found;
  }
  return nullptr;
}

const Builtin* FindTest(std::string_view name) {
  return Find(Tests(), name);
}

const Builtin* FindFunction(std::string_view name) {
  return Find(Functions(), name);
}

const Builtin* FindMethod(Kind kind, std::string_view name) {
  return Find(kind == Kind::kString ? StringMethods() : ContainerMethods(kind), name);
}

Result<std::string_view> NeedString(const Value& value, std::string_view what) {
  if (value.IsString()) return value.AsString();
  if (value.IsUndefined()) return Fault(fmt::format("{}: {}", what, UndefinedMessage(value)));
  return Fault(fmt::format("{} must be a string, not {}", what, KindName(value.kind())));
}

Result<std::int64_t> NeedInteger(const Value& value, std::string_view what) {
  if (value.IsInteger()) return value.AsInt();
  if (value.IsUndefined()) return Fault(fmt::format("{}: {}", what, UndefinedMessage(value)));
  return Fault(fmt::format("{} must be an integer, not {}", what, KindName(value.kind())));
}

Result<Value> CallBuiltin(Work& work, const Builtin& builtin, const Value& self, std::span<const Value> values,
                          std::span<const NamedValue> named) {
  LOQUAT_TRY(work.Charge(1));
  LOQUAT_TRY(work.Enter());
  const DepthGuard depth(work);
  if (builtin.variadic) return builtin.function(work, self, Arguments(values, ~0u, named));
  const auto end = std::ranges::find(builtin.parameters, std::string_view());
  const auto count = static_cast<std::size_t>(end - builtin.parameters.begin());
  if (values.size() > count) {
    return Fault(fmt::format("{} takes at most {} arguments, not {}", builtin.name, count, values.size()));
  }
  std::array<Value, kParametersMax> bound;
  std::uint32_t given = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    bound[i] = values[i];
    given |= 1u << i;
  }
  for (const NamedValue& argument : named) {
    const auto index = static_cast<std::size_t>(std::find(builtin.parameters.begin(), end, argument.name) -
                                                builtin.parameters.begin());
    if (index == count) return Fault(fmt::format("{} has no argument named {}", builtin.name, argument.name));
    if ((given >> index & 1) != 0) return Fault(fmt::format("{} is given {} twice", builtin.name, argument.name));
    bound[index] = argument.value;
    given |= 1u << index;
  }
  for (std::size_t i = 0; i < builtin.required; ++i) {
    if ((given >> i & 1) == 0)
      return Fault(fmt::format("{} needs its argument {}", builtin.name, builtin.parameters[i]));
  }
  return builtin.function(work, self, Arguments(std::span(bound).first(count), given, {}));
}

}  // namespace loquat::text::jinja
