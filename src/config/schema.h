// The keys of one section, with the types that read them: what config::Section<T> declares, without the T.
// Built once, constant afterwards; then safe from any thread.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/type.h"
#include "config/value.h"

namespace loquat::config {

struct Key {
  std::string name;  // Lower-case letters, digits and underscores.
  std::string help;
  bool required = false;
  bool secret = false;         // Never shown: not in errors, not in the dump.
  bool needs_restart = false;  // A change is seen by the next start, not by a reload.
  std::unique_ptr<Type> type;
  std::function<void*(void*)> member;              // From the section's struct to this key's member.
  std::function<base::Status(const void*)> check;  // Of the member; may be empty.
};

class Schema {
 public:
  // REQUIRES: a new, well-formed name.
  Key& Add(std::string_view name);
  void AddCheck(std::function<base::Status(const void*)> check) { checks_.push_back(std::move(check)); }

  const std::vector<std::unique_ptr<Key>>& keys() const { return keys_; }
  const Key* Find(std::string_view name) const;

  // Fills the struct at `out`: keys that are absent keep what they hold. Nothing (null) is an empty section.
  void Read(const Value& value, void* out, Reader& reader) const;
  Value Write(const void* in) const;

 private:
  void ReadMember(const Member& member, void* out, Reader& reader) const;
  static void Report(const base::Error& error, const Value& value, std::size_t from, Reader& reader);
  std::string UnknownKey(std::string_view name) const;

  std::vector<std::unique_ptr<Key>> keys_;
  std::vector<std::function<base::Status(const void*)>> checks_;
};

}  // namespace loquat::config
