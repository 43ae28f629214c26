// Filters whose subject is a list, a dict, or anything that can be looped over; and `default`.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "text/template/builtins.h"
#include "text/template/characters.h"
#include "text/template/operators.h"
#include "text/template/sorting.h"
#include "text/template/text_operations.h"

namespace loquat::text::jinja {

using base::Result;

namespace {

Result<Value> FilterDefault(Work&, const Value& self, const Arguments& args) {
  const bool missing = self.IsUndefined() || (IsTrue(args.Get(1, Value())) && !IsTrue(self));
  return missing ? args.Get(0, Value::String("")) : self;
}

Result<Value> FilterLength(Work& work, const Value& self, const Arguments&) {
  LOQUAT_ASSIGN(const std::int64_t length, Length(work, self));
  return Value::Int(length);
}

Result<Value> FilterFirst(Work& work, const Value& self, const Arguments&) {
  if (self.IsString()) return GetItem(work, self, Value::Int(0));
  LOQUAT_ASSIGN(const std::span<const Value> items, work.Items(self));
  return items.empty() ? Value() : items.front();
}

Result<Value> FilterLast(Work& work, const Value& self, const Arguments&) {
  if (self.IsString()) return GetItem(work, self, Value::Int(-1));
  LOQUAT_ASSIGN(const std::span<const Value> items, work.Items(self));
  return items.empty() ? Value() : items.back();
}

Result<Value> FilterList(Work& work, const Value& self, const Arguments&) {
  LOQUAT_ASSIGN(const std::span<const Value> items, work.Items(self));
  LOQUAT_ASSIGN(List * list, work.NewList(items.size()));
  list->items.assign(items.begin(), items.end());
  return Value::Of(list);
}

Result<Value> FilterJoin(Work& work, const Value& self, const Arguments& args) {
  LOQUAT_ASSIGN(const Value separator, ToText(work, args.Get(0, Value::String(""))));
  LOQUAT_ASSIGN(const std::span<const Value> items, work.Items(self));
  std::string out;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += separator.AsString();
    LOQUAT_ASSIGN(const Value item, ValueAt(work, items[i], args.Get(1, Value())));
    LOQUAT_TRY(AppendText(work, item, out));
    LOQUAT_TRY(work.CheckBytes(out.size()));
  }
  return work.Text(out);
}

Result<Value> PairsOf(Work& work, std::span<const Dict::Entry> entries) {
  LOQUAT_ASSIGN(List * pairs, work.NewList(entries.size()));
  for (const Dict::Entry& entry : entries) {
    LOQUAT_ASSIGN(List * pair, work.NewList(2));
    pair->items = {entry.key, entry.value};
    pairs->items.push_back(Value::TupleOf(pair));
  }
  return Value::Of(pairs);
}

Result<Value> FilterItems(Work& work, const Value& self, const Arguments&) {
  if (self.IsUndefined()) return PairsOf(work, {});
  if (!self.Is(Kind::kDict)) return Fault(fmt::format("items needs a dict, not {}", KindName(self.kind())));
  return PairsOf(work, self.AsDict().entries());
}

Result<Value> FilterReverse(Work& work, const Value& self, const Arguments&) {
  if (self.IsString()) return Reversed(work, self.AsString());
  LOQUAT_ASSIGN(const Value list, FilterList(work, self, {{}, 0, {}}));
  std::ranges::reverse(list.AsList().items);
  return list;
}

// One key for each item: what stands at `attribute`, without case unless it matters.
Result<List*> KeysOf(Work& work, std::span<const Value> items, const Value& attribute, bool case_matters) {
  LOQUAT_ASSIGN(List * keys, work.NewList(items.size()));
  for (const Value& item : items) {
    LOQUAT_ASSIGN(Value key, ValueAt(work, item, attribute));
    if (!case_matters) {
      LOQUAT_ASSIGN(key, IgnoringCase(work, key));
    }
    keys->items.push_back(key);
  }
  return keys;
}

// Jinja sorts by lists of keys, of which the attributes "a,b" give two: equal lists are never asked for their order, so
// that items without any order sort where they are equal.
Result<List*> SortKeysOf(Work& work, std::span<const Value> items, const Value& attribute, bool case_matters) {
  LOQUAT_ASSIGN(List * keys, work.NewList(items.size()));
  for (const Value& item : items) {
    LOQUAT_ASSIGN(List * key, work.NewList(0));
    std::string_view rest = attribute.IsString() ? attribute.AsString() : std::string_view();
    while (true) {
      const std::size_t comma = rest.find(',');
      const Value path = attribute.IsString() ? Value::String(rest.substr(0, comma)) : attribute;
      LOQUAT_ASSIGN(const List* part, KeysOf(work, std::span(&item, 1), path, case_matters));
      key->items.push_back(part->items.front());
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
    keys->items.push_back(Value::TupleOf(key));
  }
  return keys;
}

Result<Value> Picked(Work& work, std::span<const Value> items, std::span<const std::uint32_t> indices) {
  LOQUAT_ASSIGN(List * list, work.NewList(indices.size()));
  for (const std::uint32_t index : indices) list->items.push_back(items[index]);
  return Value::Of(list);
}

Result<Value> FilterSort(Work& work, const Value& self, const Arguments& args) {
  LOQUAT_ASSIGN(const std::span<const Value> items, work.Items(self));
  LOQUAT_ASSIGN(const List* keys, SortKeysOf(work, items, args.Get(2, Value()), IsTrue(args.Get(1, Value()))));
  LOQUAT_ASSIGN(const std::vector<std::uint32_t> sorted,
                SortedIndices(work, keys->items, IsTrue(args.Get(0, Value()))));
  return Picked(work, items, sorted);
}

Result<Value> FilterDictSort(Work& work, const Value& self, const Arguments& args) {
  if (!self.Is(Kind::kDict)) return Fault(fmt::format("dictsort needs a dict, not {}", KindName(self.kind())));
  std::string_view by = "key";
  if (args.Has(1)) {
    LOQUAT_ASSIGN(by, NeedString(args[1], "dictsort's by"));
  }
  if (by != "key" && by != "value") return Fault("dictsort sorts by \"key\" or \"value\"");
  LOQUAT_ASSIGN(const Value pairs, PairsOf(work, self.AsDict().entries()));
  const std::span<const Value> items = pairs.AsList().items;
  LOQUAT_ASSIGN(const List* keys, KeysOf(work, items, Value::Int(by == "key" ? 0 : 1), IsTrue(args.Get(0, Value()))));
  LOQUAT_ASSIGN(const std::vector<std::uint32_t> sorted,
                SortedIndices(work, keys->items, IsTrue(args.Get(2, Value()))));
  return Picked(work, items, sorted);
}

Result<Value> FilterUnique(Work& work, const Value& self, const Arguments& args) {
  LOQUAT_ASSIGN(const std::span<const Value> items, work.Items(self));
  LOQUAT_ASSIGN(const List* keys, KeysOf(work, items, args.Get(1, Value()), IsTrue(args.Get(0, Value()))));
  LOQUAT_ASSIGN(List * list, work.NewList(0));
  Dict seen(work.arena().memory());
  bool seen_undefined = false;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Value& key = keys->items[i];
    if (key.IsUndefined()) {
      if (!std::exchange(seen_undefined, true)) list->items.push_back(items[i]);
      continue;
    }
    if (!Dict::IsKey(key))
      return Fault(fmt::format("unique compares numbers and strings, not {}", KindName(key.kind())));
    if (seen.Find(key) != nullptr) continue;
    seen.Set(key, Value());
    list->items.push_back(items[i]);
  }
  return Value::Of(list);
}

Result<Value> FilterSum(Work& work, const Value& self, const Arguments& args) {
  LOQUAT_ASSIGN(const std::span<const Value> items, work.Items(self));
  Value sum = args.Get(1, Value::Int(0));
  for (const Value& item : items) {
    LOQUAT_ASSIGN(const Value value, ValueAt(work, item, args.Get(0, Value())));
    LOQUAT_ASSIGN(sum, Calculate(work, Operator::kAdd, sum, value));
  }
  return sum;
}

Result<Value> Extreme(Work& work, const Value& self, const Arguments& args, int wanted) {
  LOQUAT_ASSIGN(const std::span<const Value> items, work.Items(self));
  if (items.empty()) return Value();
  LOQUAT_ASSIGN(const List* keys, KeysOf(work, items, args.Get(1, Value()), IsTrue(args.Get(0, Value()))));
  std::size_t best = 0;
  for (std::size_t i = 1; i < items.size(); ++i) {
    LOQUAT_ASSIGN(const int order, Order(work, keys->items[i], keys->items[best]));
    if (order * wanted > 0) best = i;
  }
  return items[best];
}

Result<Value> FilterMin(Work& work, const Value& self, const Arguments& args) {
  return Extreme(work, self, args, -1);
}

Result<Value> FilterMax(Work& work, const Value& self, const Arguments& args) {
  return Extreme(work, self, args, 1);
}

constexpr Builtin kFilters[] = {
    {"default", FilterDefault, {"default_value", "boolean"}},
    {"d", FilterDefault, {"default_value", "boolean"}},
    {"length", FilterLength},
    {"count", FilterLength},
    {"first", FilterFirst},
    {"last", FilterLast},
    {"list", FilterList},
    {"join", FilterJoin, {"d", "attribute"}},
    {"items", FilterItems},
    {"reverse", FilterReverse},
    {"sort", FilterSort, {"reverse", "case_sensitive", "attribute"}},
    {"dictsort", FilterDictSort, {"case_sensitive", "by", "reverse"}},
    {"unique", FilterUnique, {"case_sensitive", "attribute"}},
    {"sum", FilterSum, {"attribute", "start"}},
    {"min", FilterMin, {"case_sensitive", "attribute"}},
    {"max", FilterMax, {"case_sensitive", "attribute"}},
};

}  // namespace

std::span<const Builtin> SequenceFilters() {
  return kFilters;
}

}  // namespace loquat::text::jinja
