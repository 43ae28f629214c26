// map, select, reject, selectattr, rejectattr. They give lists, where Jinja gives generators.

#include <fmt/format.h>

#include "text/template/builtins.h"
#include "text/template/operators.h"
#include "text/template/sorting.h"

namespace loquat::text::jinja {

using base::Result;

namespace {

// Jinja gives nothing for a subject that is not true, whatever it is.
Result<std::span<const Value>> ItemsOf(Work& work, const Value& subject) {
  if (!IsTrue(subject)) return std::span<const Value>();
  return work.Items(subject);
}

Result<Value> MapAttribute(Work& work, const Value& self, const Arguments& args) {
  for (const NamedValue& argument : args.named()) {
    if (argument.name != "attribute" && argument.name != "default") {
      return Fault(fmt::format("map has no argument named {}", argument.name));
    }
  }
  const Value* fallback = args.Named("default");
  LOQUAT_ASSIGN(const std::span<const Value> items, ItemsOf(work, self));
  LOQUAT_ASSIGN(List * list, work.NewList(items.size()));
  for (const Value& item : items) {
    LOQUAT_ASSIGN(const Value value,
                  ValueAt(work, item, *args.Named("attribute"), fallback == nullptr ? Value::None() : *fallback));
    list->items.push_back(value);
  }
  return Value::Of(list);
}

Result<Value> FilterMap(Work& work, const Value& self, const Arguments& args) {
  if (args.values().empty()) {
    if (args.Named("attribute") == nullptr) return Fault("map needs the name of a filter, or attribute=");
    return MapAttribute(work, self, args);
  }
  LOQUAT_ASSIGN(const std::string_view name, NeedString(args.values()[0], "the filter that map applies"));
  const Builtin* filter = FindFilter(name);
  if (filter == nullptr) return Fault(fmt::format("no filter is named '{}'", name));
  LOQUAT_ASSIGN(const std::span<const Value> items, ItemsOf(work, self));
  LOQUAT_ASSIGN(List * list, work.NewList(items.size()));
  for (const Value& item : items) {
    LOQUAT_ASSIGN(const Value value, CallBuiltin(work, *filter, item, args.values().subspan(1), args.named()));
    list->items.push_back(value);
  }
  return Value::Of(list);
}

// Keeps what passes the test (by default: what is true), or what does not; `by_attribute`: the test is put to the
// attribute that the first argument names.
Result<Value> Select(Work& work, const Value& self, const Arguments& args, bool keeps, bool by_attribute) {
  std::span<const Value> rest = args.values();
  Value attribute;
  if (by_attribute) {
    if (rest.empty()) return Fault("the name of an attribute is missing");
    attribute = rest.front();
    rest = rest.subspan(1);
  }
  const Builtin* test = nullptr;
  if (!rest.empty()) {
    LOQUAT_ASSIGN(const std::string_view name, NeedString(rest.front(), "the name of a test"));
    test = FindTest(name);
    if (test == nullptr) return Fault(fmt::format("no test is named '{}'", name));
    rest = rest.subspan(1);
  }
  LOQUAT_ASSIGN(const std::span<const Value> items, ItemsOf(work, self));
  LOQUAT_ASSIGN(List * list, work.NewList(0));
  for (const Value& item : items) {
    LOQUAT_ASSIGN(Value subject, ValueAt(work, item, attribute));
    if (test != nullptr) {
      LOQUAT_ASSIGN(subject, CallBuiltin(work, *test, subject, rest, args.named()));
    }
    if (IsTrue(subject) == keeps) list->items.push_back(item);
  }
  return Value::Of(list);
}

Result<Value> FilterSelect(Work& work, const Value& self, const Arguments& args) {
  return Select(work, self, args, true, false);
}
Result<Value> FilterReject(Work& work, const Value& self, const Arguments& args) {
  return Select(work, self, args, false, false);
}
Result<Value> FilterSelectAttribute(Work& work, const Value& self, const Arguments& args) {
  return Select(work, self, args, true, true);
}
Result<Value> FilterRejectAttribute(Work& work, const Value& self, const Arguments& args) {
  return Select(work, self, args, false, true);
}

constexpr Builtin kFilters[] = {
    {"map", FilterMap, {}, 0, true},
    {"select", FilterSelect, {}, 0, true},
    {"reject", FilterReject, {}, 0, true},
    {"selectattr", FilterSelectAttribute, {}, 0, true},
    {"rejectattr", FilterRejectAttribute, {}, 0, true},
};

}  // namespace

std::span<const Builtin> SelectionFilters() {
  return kFilters;
}

}  // namespace loquat::text::jinja
