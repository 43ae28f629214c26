#include "text/template/work.h"

#include <fmt/format.h>

#include "base/utf8.h"

namespace loquat::text::jinja {

using base::Result;
using base::Status;

base::Error Fault(std::string what) {
  return {.code = base::Code::kInvalidArgument, .message = std::move(what), .reason = "template_error"};
}

base::Error LimitFault(std::string what) {
  return base::ResourceExhausted(std::move(what), "template_limit");
}

Status Work::Charge(std::uint64_t steps) {
  if (steps > steps_left_) {
    steps_left_ = 0;
    return LimitFault(fmt::format("rendering takes more than {} steps", bounds_.steps_max));
  }
  steps_left_ -= steps;
  if (arena_.bytes() > bounds_.memory_bytes_max) {
    return LimitFault(fmt::format("rendering takes more than {} bytes of memory", bounds_.memory_bytes_max));
  }
  return {};
}

Status Work::Enter() {
  if (depth_ == bounds_.depth_max) {
    return LimitFault(fmt::format("expressions, blocks and calls nest more than {} deep", bounds_.depth_max));
  }
  ++depth_;
  return {};
}

Status Work::CheckBytes(std::size_t bytes) const {
  if (bytes <= bounds_.string_bytes_max) return {};
  return LimitFault(fmt::format("a string of {} bytes; at most {} are allowed", bytes, bounds_.string_bytes_max));
}

Status Work::CheckItems(std::size_t items) const {
  if (items <= bounds_.items_max) return {};
  return LimitFault(fmt::format("{} items in one value; at most {} are allowed", items, bounds_.items_max));
}

Result<Value> Work::Text(std::string_view text) {
  LOQUAT_TRY(CheckBytes(text.size()));
  LOQUAT_TRY(ChargeBytes(text.size()));
  return Value::String(arena_.Copy(text));
}

Result<List*> Work::NewList(std::size_t items) {
  LOQUAT_TRY(CheckItems(items));
  LOQUAT_TRY(Charge(1 + items));
  List* list = arena_.NewList();
  list->items.reserve(items);
  return list;
}

Result<std::span<const Value>> Work::Items(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return std::span<const Value>();
    case Kind::kList:
    case Kind::kTuple:
      LOQUAT_TRY(Charge(1 + value.AsList().items.size()));
      return std::span<const Value>(value.AsList().items);
    case Kind::kDict: {
      const std::span<const Dict::Entry> entries = value.AsDict().entries();
      LOQUAT_ASSIGN(List * keys, NewList(entries.size()));
      for (const Dict::Entry& entry : entries) keys->items.push_back(entry.key);
      return std::span<const Value>(keys->items);
    }
    case Kind::kString: {
      const std::string_view text = value.AsString();
      LOQUAT_ASSIGN(List * characters, NewList(base::CountCodePoints(text)));
      for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = base::DecodeUtf8(text, at).length;
        characters->items.push_back(Value::String(text.substr(at, length)));
        at += length;
      }
      return std::span<const Value>(characters->items);
    }
    default:
      return Fault(fmt::format("{} cannot be looped over; a list, a dict or a string can", KindName(value.kind())));
  }
}

}  // namespace loquat::text::jinja
