// The filters, tests, functions and methods that templates may use: tables of plain functions.
// The tables are constant; the functions keep no state but what they do to the Work.

#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"
#include "text/template/python_text.h"
#include "text/template/value.h"
#include "text/template/work.h"

namespace loquat::text::jinja {

// What a builtin is called with. For one with parameters, values[i] belongs to parameter i whether it was given by
// place or by name, and `named` is empty; a variadic one gets both as they were written.
class Arguments {
 public:
  Arguments(std::span<const Value> values, std::uint32_t given, std::span<const NamedValue> named)
      : values_(values), given_(given), named_(named) {}

  std::span<const Value> values() const { return values_; }
  std::span<const NamedValue> named() const { return named_; }
  bool Has(std::size_t index) const { return index < values_.size() && (given_ >> index & 1) != 0; }
  // The value of parameter `index`, or the fallback where it was not given.
  Value Get(std::size_t index, const Value& fallback) const { return Has(index) ? values_[index] : fallback; }
  const Value& operator[](std::size_t index) const { return values_[index]; }
  const Value* Named(std::string_view name) const;

 private:
  std::span<const Value> values_;
  std::uint32_t given_;  // One bit a value.
  std::span<const NamedValue> named_;
};

inline constexpr std::size_t kParametersMax = 4;

struct Builtin {
  using Function = base::Result<Value> (*)(Work& work, const Value& self, const Arguments& args);

  std::string_view name;
  Function function = nullptr;
  std::array<std::string_view, kParametersMax> parameters = {};  // Up to the first empty one.
  std::uint8_t required = 0;                                     // Of the parameters.
  bool variadic = false;
};

// Null: there is none of that name.
const Builtin* FindFilter(std::string_view name);
const Builtin* FindTest(std::string_view name);
const Builtin* FindFunction(std::string_view name);
const Builtin* FindMethod(Kind kind, std::string_view name);

// Binds the arguments and calls. `self` is what is filtered, tested or asked for a method; undefined for functions.
base::Result<Value> CallBuiltin(Work& work, const Builtin& builtin, const Value& self, std::span<const Value> values,
                                std::span<const NamedValue> named);

// Parts of the tables, by file.
std::span<const Builtin> TextFilters();
std::span<const Builtin> SequenceFilters();
std::span<const Builtin> SelectionFilters();
std::span<const Builtin> NumberFilters();
std::span<const Builtin> Tests();
std::span<const Builtin> Functions();
std::span<const Builtin> StringMethods();
std::span<const Builtin> ContainerMethods(Kind kind);

// The text of an argument that must be a string; `what` names it for the message.
base::Result<std::string_view> NeedString(const Value& value, std::string_view what);
base::Result<std::int64_t> NeedInteger(const Value& value, std::string_view what);

}  // namespace loquat::text::jinja
