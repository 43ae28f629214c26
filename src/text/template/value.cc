#include "text/template/value.h"

#include <array>
#include <cstring>

#include "base/hash.h"

namespace loquat::text::jinja {

std::string_view KindName(Kind kind) {
  constexpr std::array<std::string_view, 14> kNames = {
      "undefined", "none",   "a boolean",   "an integer", "a number", "a string",   "a list",
      "a tuple",   "a dict", "a namespace", "a loop",     "a macro",  "a function", "a method"};
  return kNames[static_cast<std::size_t>(kind)];
}

bool Value::IsIdenticalTo(const Value& other) const {
  if (kind_ != other.kind_) return false;
  if (kind_ == Kind::kString) return AsString() == other.AsString();
  return kind_ == Kind::kUndefined || bits_ == other.bits_;
}

namespace {

bool SameKey(const Value& a, const Value& b) {
  if (a.IsString() || b.IsString()) return a.kind() == b.kind() && a.AsString() == b.AsString();
  if (!a.IsNumber() || !b.IsNumber()) return a.kind() == b.kind() && Dict::IsKey(a);
  if (a.IsInteger() && b.IsInteger()) return a.AsInt() == b.AsInt();
  return a.AsDouble() == b.AsDouble();
}

// The seed differs between dicts, so that no input is slow in all of them.
std::size_t HashOf(const Value& key, const Dict* seed) {
  const auto number = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(seed));
  if (key.IsString()) return base::Hash64(key.AsString(), number);
  if (!key.IsNumber()) return 0;
  const double value = key.AsDouble();
  return base::HashMix(std::bit_cast<std::uint64_t>(value == 0 ? 0.0 : value), number);  // -0.0 equals 0.0.
}

}  // namespace

std::size_t Dict::SlotOf(const Value& key) const {
  std::size_t slot = HashOf(key, this) & (slots_.size() - 1);
  while (slots_[slot] != kFree && !SameKey(entries_[slots_[slot]].key, key)) slot = (slot + 1) & (slots_.size() - 1);
  return slot;
}

std::size_t Dict::IndexOf(const Value& key) const {
  if (!slots_.empty()) {
    const std::uint32_t index = slots_[SlotOf(key)];
    return index == kFree ? entries_.size() : index;
  }
  std::size_t index = 0;
  while (index < entries_.size() && !SameKey(entries_[index].key, key)) ++index;
  return index;
}

const Value* Dict::Find(const Value& key) const {
  const std::size_t index = IndexOf(key);
  return index == entries_.size() ? nullptr : &entries_[index].value;
}

void Dict::GrowSlots() {
  slots_.assign(slots_.empty() ? kLinearMax * 4 : slots_.size() * 2, kFree);
  for (std::size_t i = 0; i < entries_.size(); ++i) slots_[SlotOf(entries_[i].key)] = static_cast<std::uint32_t>(i);
}

void Dict::Set(const Value& key, const Value& value) {
  const std::size_t index = IndexOf(key);
  if (index < entries_.size()) {
    entries_[index].value = value;
    return;
  }
  entries_.push_back({key, value});
  if (entries_.size() <= kLinearMax) return;
  if (entries_.size() * 2 > slots_.size()) return GrowSlots();
  slots_[SlotOf(key)] = static_cast<std::uint32_t>(index);
}

void* Arena::Counted::do_allocate(std::size_t size, std::size_t alignment) {
  bytes += size;
  return std::pmr::new_delete_resource()->allocate(size, alignment);
}

void Arena::Counted::do_deallocate(void* memory, std::size_t size, std::size_t alignment) {
  std::pmr::new_delete_resource()->deallocate(memory, size, alignment);
}

std::string_view Arena::Copy(std::string_view text) {
  if (text.empty()) return {};
  char* copy = static_cast<char*>(memory_.allocate(text.size(), 1));
  std::memcpy(copy, text.data(), text.size());
  return {copy, text.size()};
}

}  // namespace loquat::text::jinja
