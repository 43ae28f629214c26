// The methods of dicts, lists, tuples and loops.

#include <fmt/format.h>

#include "text/template/builtins.h"
#include "text/template/loop.h"
#include "text/template/operators.h"

namespace loquat::text::jinja {

using base::Result;

namespace {

Result<Value> DictGet(Work&, const Value& self, const Arguments& args) {
  if (!Dict::IsKey(args[0])) return Fault(fmt::format("get: {} cannot be a key", KindName(args[0].kind())));
  const Value* found = self.AsDict().Find(args[0]);
  return found == nullptr ? args.Get(1, Value::None()) : *found;
}

Result<Value> DictItems(Work& work, const Value& self, const Arguments&) {
  return CallBuiltin(work, *FindFilter("items"), self, {}, {});
}

Result<Value> DictKeys(Work& work, const Value& self, const Arguments&) {
  return CallBuiltin(work, *FindFilter("list"), self, {}, {});
}

Result<Value> DictValues(Work& work, const Value& self, const Arguments&) {
  const std::span<const Dict::Entry> entries = self.AsDict().entries();
  LOQUAT_ASSIGN(List * values, work.NewList(entries.size()));
  for (const Dict::Entry& entry : entries) values->items.push_back(entry.value);
  return Value::Of(values);
}

Result<Value> DictCopy(Work& work, const Value& self, const Arguments&) {
  LOQUAT_TRY(work.Charge(1 + self.AsDict().entries().size()));
  Dict* copy = work.arena().NewDict();
  for (const Dict::Entry& entry : self.AsDict().entries()) copy->Set(entry.key, entry.value);
  return Value::Of(copy);
}

// Jinja's sandbox for immutable values has no append; templates in use count on it all the same. What it changes is
// the rendering's own copy.
Result<Value> ListAppend(Work& work, const Value& self, const Arguments& args) {
  LOQUAT_TRY(work.CheckItems(self.AsList().items.size() + 1));
  self.AsList().items.push_back(args[0]);
  return Value::None();
}

Result<Value> ListCount(Work& work, const Value& self, const Arguments& args) {
  std::int64_t count = 0;
  for (const Value& item : std::span<const Value>(self.AsList().items)) {
    LOQUAT_ASSIGN(const bool equal, AreEqual(work, item, args[0]));
    count += equal ? 1 : 0;
  }
  return Value::Int(count);
}

Result<Value> ListIndex(Work& work, const Value& self, const Arguments& args) {
  const std::span<const Value> items = self.AsList().items;
  for (std::size_t i = 0; i < items.size(); ++i) {
    LOQUAT_ASSIGN(const bool equal, AreEqual(work, items[i], args[0]));
    if (equal) return Value::Int(static_cast<std::int64_t>(i));
  }
  return Fault("index: the item is not in the list");
}

Result<Value> LoopCycle(Work&, const Value& self, const Arguments& args) {
  if (args.values().empty()) return Fault("cycle needs something to choose from");
  return args.values()[self.AsLoop().index % args.values().size()];
}

// Whether the arguments differ from those of the call before.
Result<Value> LoopChanged(Work& work, const Value& self, const Arguments& args) {
  LOQUAT_ASSIGN(List * list, work.NewList(args.values().size()));
  list->items.assign(args.values().begin(), args.values().end());
  const Value now = Value::TupleOf(list);
  LOQUAT_ASSIGN(const bool equal, AreEqual(work, self.AsLoop().changed_before, now));
  self.AsLoop().changed_before = now;
  return Value::Bool(!equal);
}

constexpr Builtin kDictMethods[] = {
    {"get", DictGet, {"key", "default"}, 1},
    {"items", DictItems},
    {"keys", DictKeys},
    {"values", DictValues},
    {"copy", DictCopy},
};

constexpr Builtin kListMethods[] = {
    {"append", ListAppend, {"object"}, 1},
    {"count", ListCount, {"value"}, 1},
    {"index", ListIndex, {"value"}, 1},
};

constexpr Builtin kLoopMethods[] = {
    {"cycle", LoopCycle, {}, 0, true},
    {"changed", LoopChanged, {}, 0, true},
};

}  // namespace

std::span<const Builtin> ContainerMethods(Kind kind) {
  switch (kind) {
    case Kind::kDict:
      return kDictMethods;
    case Kind::kList:
      return kListMethods;
    case Kind::kTuple:
      return std::span<const Builtin>(kListMethods).subspan(1);
    case Kind::kLoop:
      return kLoopMethods;
    default:
      return {};
  }
}

Value LoopAttribute(Work& work, const Value& value, std::string_view name) {
  const Loop& loop = value.AsLoop();
  const auto size = static_cast<std::int64_t>(loop.items.size());
  const auto index = static_cast<std::int64_t>(loop.index);
  if (name == "index") return Value::Int(index + 1);
  if (name == "index0") return Value::Int(index);
  if (name == "first") return Value::Bool(index == 0);
  if (name == "last") return Value::Bool(index + 1 == size);
  if (name == "length") return Value::Int(size);
  if (name == "revindex") return Value::Int(size - index);
  if (name == "revindex0") return Value::Int(size - index - 1);
  if (name == "depth") return Value::Int(1);  // Only recursive loops, which there are none of, count further.
  if (name == "depth0") return Value::Int(0);
  if (name == "previtem") return index == 0 ? Value::Undefined(name) : loop.items[loop.index - 1];
  if (name == "nextitem") return index + 1 == size ? Value::Undefined(name) : loop.items[loop.index + 1];
  const Builtin* method = FindMethod(Kind::kLoop, name);
  return method == nullptr ? Value::Undefined(name) : Value::Of(work.arena().New<Method>(value, method));
}

}  // namespace loquat::text::jinja
