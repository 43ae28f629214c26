// Checks a request body field by field and says where the first fault stands (a JSON pointer, RFC 6901) and what is
// allowed there. Lives on one thread's stack, for one body; values and strings live as long as the parsed document.
//
//   JsonFaults faults;
//   JsonFields body(root, faults);
//   request.text = body.Required("text").String({.max_bytes = kTextMaxBytes});
//   request.locale = body.Optional("locale").Enum<Locale>({{"en", Locale::kEn}, {"zh", Locale::kZh}}, Locale::kAuto);
//   body.Optional("features").Each({.max_items = 8}, [&](const JsonField& item) { … item.String({}) … });
//   { JsonFields options = body.Optional("options").Fields(); … options.Done(); }
//   body.Done();  // Refuses unknown and duplicate keys.
//   LOQUAT_TRY(faults.status());
//
// Reading goes on after a fault, with fallbacks: look at the status before using what was read.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/json_value.h"
#include "base/result.h"

namespace loquat::base {

// Keeps the first fault of a body.
class JsonFaults {
 public:
  bool ok() const { return !first_.has_value(); }
  Status status() const { return ok() ? Status() : Status(*first_); }
  void Add(Error error) {
    if (ok()) first_ = std::move(error);
  }

 private:
  std::optional<Error> first_;
};

// Where a value stands: a chain of keys and indices up to the root. Parents outlive children.
struct JsonPath {
  const JsonPath* parent = nullptr;  // Null: the root, whose key and index say nothing.
  std::string_view key = {};         // Empty data pointer: an index.
  std::size_t index = 0;

  // "" for the root, "/inputs/3/text" below; ~ and / in keys are escaped as ~0 and ~1.
  std::string Pointer() const;
};

struct StringLimits {
  std::size_t min_bytes = 0;
  std::size_t max_bytes = std::numeric_limits<std::size_t>::max();
};

struct IntLimits {
  std::int64_t min = std::numeric_limits<std::int64_t>::min();
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
};

struct NumberLimits {
  double min = std::numeric_limits<double>::lowest();
  double max = std::numeric_limits<double>::max();
};

struct ArrayLimits {
  std::size_t min_items = 0;
  std::size_t max_items = std::numeric_limits<std::size_t>::max();
};

class JsonFields;

// One value, or the lack of one. Each reader returns the value where it is there and allowed; else `fallback`, after a
// fault if something stands there that is not allowed. A missing or null optional field is no fault.
class JsonField {
 public:
  bool present() const { return present_; }
  const JsonValue& value() const { return value_; }

  std::string_view String(StringLimits limits, std::string_view fallback = {}) const;
  std::int64_t Int(IntLimits limits, std::int64_t fallback = 0) const;
  double Number(NumberLimits limits, double fallback = 0) const;
  bool Bool(bool fallback = false) const;

  template <typename T>
  struct EnumName {
    std::string_view name;
    T value;
  };
  template <typename T>
  T Enum(std::initializer_list<EnumName<T>> allowed, T fallback) const;

  // Calls `each` with every item, unless there are too many or too few. Items that are null are faults when read.
  template <typename F>
  void Each(ArrayLimits limits, F&& each) const;

  // The members of an object; of an empty one if this field is missing, which Required members then do not fault.
  JsonFields Fields() const;

  // Records a fault of this field that only the caller can see: "must not start with a dash".
  void Fault(std::string message) const;
  std::string Pointer() const { return path_.Pointer(); }

 private:
  friend class JsonFields;
  JsonField(JsonValue value, bool present, JsonPath path, JsonFaults& faults)
      : value_(value), present_(present), path_(path), faults_(&faults) {}

  // The array, if it is one within limits.
  JsonArray Array(ArrayLimits limits) const;
  void FaultOfType(std::string_view wanted) const;
  std::optional<std::string_view> Word() const;
  void FaultOfChoice(const std::string& allowed) const;

  JsonValue value_;
  bool present_;
  JsonPath path_;
  JsonFaults* faults_;
};

// The members of one object. Not copyable: fields point at it.
class JsonFields {
 public:
  // More keys than this in one object are a mistake of ours.
  static constexpr std::size_t kKnownKeysMax = 64;

  // The root of a body; a fault if it is no object.
  JsonFields(const JsonValue& root, JsonFaults& faults);
  JsonFields(const JsonFields&) = delete;
  JsonFields& operator=(const JsonFields&) = delete;

  // `key` is a literal, or outlives this object. Missing and null are alike.
  JsonField Required(std::string_view key);
  JsonField Optional(std::string_view key);
  bool Has(std::string_view key) const { return object_.Has(key); }

  // Faults on a key that none of the calls above named, and on one that stands here twice.
  void Done() const;
  // As Done, for dialects whose owners add fields at will: unknown keys pass, duplicates are still faults.
  void DoneAllowingUnknown() const;

 private:
  friend class JsonField;
  JsonFields(const JsonField& field, bool missing);

  JsonField Look(std::string_view key, bool required);
  bool Known(std::string_view key) const;
  void CheckDuplicates() const;
  void FaultAt(std::string_view key, std::string message) const;

  JsonObject object_;
  JsonPath path_;
  JsonFaults& faults_;
  bool missing_;  // No object here: nothing inside can be at fault.
  std::array<std::string_view, kKnownKeysMax> known_;
  std::size_t known_count_ = 0;
};

template <typename T>
T JsonField::Enum(std::initializer_list<EnumName<T>> allowed, T fallback) const {
  const std::optional<std::string_view> word = Word();
  if (!word) return fallback;
  std::string names;
  for (const EnumName<T>& entry : allowed) {
    if (entry.name == *word) return entry.value;
  }
  for (const EnumName<T>& entry : allowed) {
    if (!names.empty()) names += ", ";
    names.append("\"").append(entry.name).append("\"");
  }
  FaultOfChoice(names);
  return fallback;
}

template <typename F>
void JsonField::Each(ArrayLimits limits, F&& each) const {
  std::size_t index = 0;
  for (const JsonValue item : Array(limits)) {
    each(JsonField(item, true, {.parent = &path_, .index = index}, *faults_));
    ++index;
  }
}

}  // namespace loquat::base
