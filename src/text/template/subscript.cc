// The half of operators.h that looks into values: lengths, items, attributes, slices.

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/utf8.h"
#include "text/template/builtins.h"
#include "text/template/characters.h"
#include "text/template/loop.h"
#include "text/template/operators.h"

namespace loquat::text::jinja {

using base::Result;
using base::Status;

namespace {

// The item at `index`, which counts from the end if negative; null: there is none.
const Value* ItemAt(const List& list, std::int64_t index) {
  const auto size = static_cast<std::int64_t>(list.items.size());
  if (index < 0) index += size;
  return index < 0 || index >= size ? nullptr : &list.items[static_cast<std::size_t>(index)];
}

Result<Value> CharacterAt(Work& work, std::string_view text, std::int64_t index) {
  LOQUAT_TRY(work.ChargeBytes(text.size()));
  if (index < 0) index += static_cast<std::int64_t>(base::CountCodePoints(text));
  if (index < 0) return Value();
  const std::size_t at = OffsetOf(text, static_cast<std::size_t>(index));
  if (at == text.size()) return Value();
  return Value::String(text.substr(at, base::DecodeUtf8(text, at).length));
}

// The value under `key`, or undefined.
Result<Value> Subscript(Work& work, const Value& value, const Value& key) {
  if (value.IsSequence() && key.IsInteger()) {
    const Value* item = ItemAt(value.AsList(), key.AsInt());
    return item == nullptr ? Value() : *item;
  }
  if (value.Is(Kind::kDict) && Dict::IsKey(key)) {
    const Value* item = value.AsDict().Find(key);
    return item == nullptr ? Value::Undefined(key.IsString() ? key.AsString() : std::string_view()) : *item;
  }
  if (value.IsString() && key.IsInteger()) return CharacterAt(work, value.AsString(), key.AsInt());
  return Value::Undefined(key.IsString() ? key.AsString() : std::string_view());
}

Value Attribute(Work& work, const Value& value, std::string_view name) {
  if (value.Is(Kind::kNamespace)) {
    const Value* item = value.AsDict().Find(name);
    return item == nullptr ? Value::Undefined(name) : *item;
  }
  if (value.Is(Kind::kLoop)) return LoopAttribute(work, value, name);
  const Builtin* method = FindMethod(value.kind(), name);
  return method == nullptr ? Value::Undefined(name) : Value::Of(work.arena().New<Method>(value, method));
}

struct Bounds {
  std::int64_t first;
  std::int64_t last;  // Not included.
  std::int64_t step;
};

Result<std::int64_t> SliceBound(const Value& value, std::int64_t fallback) {
  if (value.IsUndefined() || value.Is(Kind::kNone)) return fallback;
  if (!value.IsInteger()) return Fault(fmt::format("a slice takes integers, not {}", KindName(value.kind())));
  return value.AsInt();
}

// As Python's slice.indices(size).
Result<Bounds> SliceBounds(const Value& first, const Value& last, const Value& step, std::int64_t size) {
  constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();
  LOQUAT_ASSIGN(const std::int64_t stride, SliceBound(step, 1));
  if (stride == 0) return Fault("a slice's step cannot be zero");
  const std::int64_t low = stride < 0 ? -1 : 0;
  const std::int64_t high = stride < 0 ? size - 1 : size;
  const auto place = [&](std::int64_t at) { return at < 0 ? std::max(at + size, low) : std::min(at, high); };
  LOQUAT_ASSIGN(const std::int64_t from, SliceBound(first, stride < 0 ? std::numeric_limits<std::int64_t>::max() : 0));
  LOQUAT_ASSIGN(const std::int64_t to,
                SliceBound(last, stride < 0 ? kLowest : std::numeric_limits<std::int64_t>::max()));
  return Bounds{place(from), place(to), std::clamp(stride, -size - 1, size + 1)};
}

}  // namespace

Result<std::int64_t> Length(Work& work, const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return 0;
    case Kind::kString:
      LOQUAT_TRY(work.ChargeBytes(value.AsString().size()));
      return static_cast<std::int64_t>(base::CountCodePoints(value.AsString()));
    case Kind::kList:
    case Kind::kTuple:
      return static_cast<std::int64_t>(value.AsList().items.size());
    case Kind::kDict:
      return static_cast<std::int64_t>(value.AsDict().entries().size());
    default:
      return Fault(fmt::format("{} has no length", KindName(value.kind())));
  }
}

Result<Value> GetItem(Work& work, const Value& value, const Value& key) {
  if (value.IsUndefined()) return Fault(UndefinedMessage(value));
  LOQUAT_ASSIGN(const Value item, Subscript(work, value, key));
  if (!item.IsUndefined() || !key.IsString()) return item;
  return Attribute(work, value, key.AsString());
}

Result<Value> GetAttribute(Work& work, const Value& value, std::string_view name) {
  if (value.IsUndefined()) return Fault(UndefinedMessage(value));
  const Value attribute = Attribute(work, value, name);
  if (!attribute.IsUndefined()) return attribute;
  return Subscript(work, value, Value::String(name));
}

Result<Value> Slice(Work& work, const Value& value, const Value& first, const Value& last, const Value& step) {
  if (value.IsUndefined()) return Fault(UndefinedMessage(value));
  if (!value.IsString() && !value.IsSequence()) {
    return Value();  // Jinja takes a failed subscript for a missing item.
  }
  LOQUAT_ASSIGN(const std::int64_t size, Length(work, value));
  LOQUAT_ASSIGN(const Bounds bounds, SliceBounds(first, last, step, size));
  if (value.IsString() && bounds.step == 1) {
    const std::string_view text = value.AsString();
    if (bounds.first >= bounds.last) return Value::String({});
    const std::size_t from = OffsetOf(text, static_cast<std::size_t>(bounds.first));
    const std::string_view rest = text.substr(from);
    return Value::String(rest.substr(0, OffsetOf(rest, static_cast<std::size_t>(bounds.last - bounds.first))));
  }
  LOQUAT_ASSIGN(const std::span<const Value> items, work.Items(value));
  List* list = work.arena().NewList();
  std::string text;
  for (std::int64_t i = bounds.first; bounds.step > 0 ? i < bounds.last : i > bounds.last; i += bounds.step) {
    const Value& item = items[static_cast<std::size_t>(i)];
    if (value.IsString()) {
      text += item.AsString();
    } else {
      list->items.push_back(item);
    }
  }
  if (value.IsString()) return work.Text(text);
  return value.Is(Kind::kTuple) ? Value::TupleOf(list) : Value::Of(list);
}

}  // namespace loquat::text::jinja
