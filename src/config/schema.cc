#include "config/schema.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "config/scalars.h"

namespace loquat::config {
namespace {

bool IsKeyName(std::string_view name) {
  return !name.empty() && name[0] >= 'a' && name[0] <= 'z' &&
         std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

}  // namespace

Key& Schema::Add(std::string_view name) {
  LOQUAT_CHECK(IsKeyName(name), "a key is lower-case letters, digits and underscores");
  LOQUAT_CHECK(Find(name) == nullptr, "a key is declared once");
  keys_.push_back(std::make_unique<Key>());
  keys_.back()->name = name;
  return *keys_.back();
}

const Key* Schema::Find(std::string_view name) const {
  const auto found = std::ranges::find_if(keys_, [name](const auto& key) { return key->name == name; });
  return found == keys_.end() ? nullptr : found->get();
}

void Schema::Read(const Value& value, void* out, Reader& reader) const {
  if (value.kind != Kind::kMap && value.kind != Kind::kNull) {
    return reader.Reject(value, "", "a section of keys");
  }
  const std::size_t problems = reader.problem_count();
  for (const Member& member : value.members) ReadMember(member, out, reader);
  for (const auto& key : keys_) {
    if (!key->required || value.Find(key->name) != nullptr) continue;
    const Reader::Scope scope(reader, key->name);
    reader.Problem(value.place, fmt::format("this key is required; allowed: {}", key->type->Allowed()));
  }
  if (reader.problem_count() != problems) return;
  for (const auto& check : checks_) {
    const base::Status status = check(out);
    if (!status.has_value()) Report(status.error(), value, 0, reader);
  }
}

// At the key that the error's JSON pointer leads to, from `from` on, as far as the file has it.
void Schema::Report(const base::Error& error, const Value& value, std::size_t from, Reader& reader) {
  const std::string_view pointer = error.param;
  if (from >= pointer.size() || pointer[from] != '/') return reader.Problem(value.place, error.message);
  const std::size_t end = std::min(pointer.find('/', from + 1), pointer.size());
  const std::string_view key = pointer.substr(from + 1, end - from - 1);
  const Reader::Scope scope(reader, key);
  const Member* member = value.Find(key);
  if (member == nullptr) return reader.Problem(value.place, error.message);
  Report(error, member->value, end, reader);
}

void Schema::ReadMember(const Member& member, void* out, Reader& reader) const {
  const Key* key = Find(member.key);
  if (key == nullptr) return reader.Problem(member.place, UnknownKey(member.key));
  const Reader::Scope scope(reader, key->name, key->secret);
  const std::size_t problems = reader.problem_count();
  void* target = key->member(out);
  key->type->Read(member.value, target, reader);
  if (!key->check || reader.problem_count() != problems) return;
  if (const base::Status status = key->check(target); !status.has_value()) {
    reader.Reject(member.value, status.error().message, key->type->Allowed());
  }
}

std::string Schema::UnknownKey(std::string_view name) const {
  std::vector<std::string_view> names;
  for (const auto& key : keys_) names.push_back(key->name);
  const std::string_view nearest = NearestName(name, names.data(), names.size());
  std::ranges::sort(names);
  std::string allowed;
  for (const std::string_view known : names) allowed.append(allowed.empty() ? "" : ", ").append(known);
  // A key of the file is shown short; it may be anything.
  const std::string shown(name.substr(0, 60));
  if (name == "<<") return fmt::format("merge keys are not supported; allowed: {}", allowed);
  return nearest.empty() ? fmt::format("unknown key \"{}\"; allowed: {}", shown, allowed)
                         : fmt::format("unknown key \"{}\", did you mean \"{}\"? allowed: {}", shown, nearest, allowed);
}

Value Schema::Write(const void* in) const {
  Value value;
  value.kind = Kind::kMap;
  for (const auto& key : keys_) {
    // Only reads through the pointer, which the accessor takes as mutable for Read's sake.
    void* member = key->member(const_cast<void*>(in));
    value.members.push_back({key->name, {}, key->type->Write(member)});
  }
  return value;
}

}  // namespace loquat::config
