#include "config/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace loquat::config {

std::string Place::Text() const {
  if (source == nullptr) return "defaults";
  return line > 0 ? fmt::format("{}:{}:{}", *source, line, column) : *source;
}

Member* Value::Find(std::string_view key) {
  const auto found = std::ranges::find(members, key, &Member::key);
  return found == members.end() ? nullptr : &*found;
}

const Member* Value::Find(std::string_view key) const {
  const auto found = std::ranges::find(members, key, &Member::key);
  return found == members.end() ? nullptr : &*found;
}

bool Value::SameAs(const Value& other) const {
  return kind == other.kind && text == other.text &&
         std::ranges::equal(items, other.items, [](const Value& a, const Value& b) { return a.SameAs(b); }) &&
         std::ranges::equal(members, other.members,
                            [](const Member& a, const Member& b) { return a.key == b.key && a.value.SameAs(b.value); });
}

std::string_view Value::KindName() const {
  constexpr std::string_view kNames[] = {"nothing", "a single value", "a list", "a section"};
  return kNames[static_cast<std::size_t>(kind)];
}

Value Value::Scalar(std::string text, Style style) {
  Value value;
  value.kind = Kind::kScalar;
  value.style = style;
  value.text = std::move(text);
  return value;
}

}  // namespace loquat::config
