// The types of keys: one class template for each shape of C++ type, and MakeType, which picks by the member's type.
// See type.h for the thread rule. Users include section.h.

#pragma once

#include <chrono>
#include <concepts>
#include <functional>
#include <initializer_list>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <ratio>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/check.h"
#include "config/scalars.h"
#include "config/schema.h"
#include "config/type.h"

namespace loquat::config {

// Entry names of maps are at most so long, and printable.
inline constexpr std::size_t kEntryNameBytesMax = 128;
// A text is at most so long where its key says nothing else.
inline constexpr std::size_t kTextBytesMax = 64 * 1024;

class BoolType final : public Type {
 public:
  void Read(const Value& value, void* out, Reader& reader) const override;
  Value Write(const void* in) const override;
  std::string Allowed() const override { return "true or false"; }
};

// The reading of integers and durations without the C++ type: a number in a range, in one of three notations.
class WideType : public Type {
 public:
  enum class Notation : std::uint8_t { kInteger, kBytes, kDuration };

  void SetRange(Wide low, Wide high);
  void SetNotation(Notation notation) { notation_ = notation; }
  std::string Allowed() const override;

 protected:
  // `unit`: nanoseconds of one step of a duration; 1 otherwise. The range is in steps.
  WideType(Notation notation, Wide unit, Wide low, Wide high)
      : notation_(notation), unit_(unit), low_(low), high_(high), type_low_(low), type_high_(high) {}
  // Nothing where a problem was reported.
  std::optional<Wide> ReadSteps(const Value& value, Reader& reader) const;
  Value WriteSteps(Wide steps) const;

 private:
  std::string Show(Wide steps) const;

  Notation notation_;
  Wide unit_;
  Wide low_;
  Wide high_;
  Wide type_low_;
  Wide type_high_;
};

template <std::integral V>
class IntegerType final : public WideType {
 public:
  IntegerType() : WideType(Notation::kInteger, 1, std::numeric_limits<V>::min(), std::numeric_limits<V>::max()) {}
  void Read(const Value& value, void* out, Reader& reader) const override {
    if (const auto steps = ReadSteps(value, reader)) *static_cast<V*>(out) = static_cast<V>(*steps);
  }
  Value Write(const void* in) const override { return WriteSteps(*static_cast<const V*>(in)); }
};

template <typename Rep, typename Period>
class DurationType final : public WideType {
 public:
  static_assert(std::integral<Rep> && std::ratio_less_equal_v<std::nano, Period>, "whole steps, not finer than 1 ns");
  using V = std::chrono::duration<Rep, Period>;
  DurationType()
      : WideType(Notation::kDuration, Wide{Period::num} * 1'000'000'000 / Period::den, 0,
                 std::numeric_limits<Rep>::max()) {}
  void Read(const Value& value, void* out, Reader& reader) const override {
    if (const auto steps = ReadSteps(value, reader)) *static_cast<V*>(out) = V(static_cast<Rep>(*steps));
  }
  Value Write(const void* in) const override { return WriteSteps(static_cast<const V*>(in)->count()); }
};

// Float and double.
class NumberType final : public Type {
 public:
  explicit NumberType(bool is_float) : is_float_(is_float) {}
  void SetRange(double low, double high);
  void Read(const Value& value, void* out, Reader& reader) const override;
  Value Write(const void* in) const override;
  std::string Allowed() const override;

 private:
  const bool is_float_;
  double low_ = -std::numeric_limits<double>::infinity();
  double high_ = std::numeric_limits<double>::infinity();
};

class StringType final : public Type {
 public:
  using Match = std::function<bool(std::string_view)>;
  // `allowed` says in words what the predicate takes.
  void SetMatch(Match match, std::string allowed);
  void SetSize(std::size_t low, std::size_t high);
  void Read(const Value& value, void* out, Reader& reader) const override;
  Value Write(const void* in) const override;
  std::string Allowed() const override;

 private:
  Match match_;
  std::string allowed_ = "text";
  std::size_t size_low_ = 0;
  std::size_t size_high_ = kTextBytesMax;
};

// One of a few names.
template <typename V>
class EnumType final : public Type {
 public:
  using Names = std::initializer_list<std::pair<std::string_view, V>>;
  void SetNames(Names names) {
    for (const auto& [name, value] : names) names_.emplace_back(name, value);
  }
  void Read(const Value& value, void* out, Reader& reader) const override {
    if (value.kind == Kind::kScalar) {
      for (const auto& [name, named] : names_) {
        if (name == value.text) {
          *static_cast<V*>(out) = named;
          return;
        }
      }
    }
    reader.Reject(value, "", Allowed());
  }
  Value Write(const void* in) const override {
    for (const auto& [name, named] : names_) {
      if (named == *static_cast<const V*>(in)) return Value::Scalar(name);
    }
    LOQUAT_CHECK(false, "every value of an enum key has a name");
  }
  std::string Allowed() const override {
    std::string all;
    for (const auto& [name, named] : names_) all.append(all.empty() ? "" : ", ").append(name);
    return all;
  }

 private:
  std::vector<std::pair<std::string, V>> names_;
};

template <typename V>
class SectionType;

template <typename V>
auto MakeType();

// A list; the file's list takes the place of the default one.
template <typename E>
class ListType final : public Type {
 public:
  auto& leaf() { return *element_; }
  void Read(const Value& value, void* out, Reader& reader) const override {
    if (value.kind != Kind::kList) return reader.Reject(value, "", Allowed());
    auto& list = *static_cast<std::vector<E>*>(out);
    list.clear();
    list.reserve(value.items.size());
    for (std::size_t i = 0; i < value.items.size(); ++i) {
      const Reader::Scope scope(reader, "[" + std::to_string(i) + "]");
      E element{};
      element_->Read(value.items[i], &element, reader);
      list.push_back(std::move(element));
    }
  }
  Value Write(const void* in) const override {
    Value value;
    value.kind = Kind::kList;
    for (const auto& element : *static_cast<const std::vector<E>*>(in)) {
      const E copy = element;  // vector<bool> has no elements to point at.
      value.items.push_back(element_->Write(&copy));
    }
    return value;
  }
  std::string Allowed() const override { return "a list, each: " + element_->Allowed(); }
  Shape shape() const override { return Shape::kList; }
  const Type* element() const override { return element_.get(); }

 private:
  decltype(MakeType<E>()) element_ = MakeType<E>();
};

void CheckEntryName(const Member& member, Reader& reader);

// Named entries; the file's map takes the place of the default one.
template <typename E>
class MapType final : public Type {
 public:
  auto& leaf() { return *element_; }
  void Read(const Value& value, void* out, Reader& reader) const override {
    if (value.kind != Kind::kMap) return reader.Reject(value, "", Allowed());
    auto& map = *static_cast<std::map<std::string, E>*>(out);
    map.clear();
    for (const Member& member : value.members) {
      const Reader::Scope scope(reader, member.key);
      CheckEntryName(member, reader);
      E element{};
      element_->Read(member.value, &element, reader);
      map.emplace(member.key, std::move(element));
    }
  }
  Value Write(const void* in) const override {
    Value value;
    value.kind = Kind::kMap;
    for (const auto& [name, element] : *static_cast<const std::map<std::string, E>*>(in)) {
      value.members.push_back({name, {}, element_->Write(&element)});
    }
    return value;
  }
  std::string Allowed() const override { return "named entries, each: " + element_->Allowed(); }
  Shape shape() const override { return Shape::kMap; }
  const Type* element() const override { return element_.get(); }

 private:
  decltype(MakeType<E>()) element_ = MakeType<E>();
};

// Present when the key is, absent otherwise.
template <typename E>
class OptionalType final : public Type {
 public:
  auto& leaf() { return *element_; }
  void Read(const Value& value, void* out, Reader& reader) const override {
    auto& target = *static_cast<std::optional<E>*>(out);
    if (value.kind == Kind::kNull && shape() == Shape::kSection) {
      return reader.Reject(value, "write {} for its defaults, or leave the key out", Allowed());
    }
    if (!target.has_value()) target.emplace();
    element_->Read(value, &*target, reader);
  }
  Value Write(const void* in) const override {
    const auto& source = *static_cast<const std::optional<E>*>(in);
    return source.has_value() ? element_->Write(&*source) : Value{};
  }
  std::string Allowed() const override { return element_->Allowed(); }
  Shape shape() const override { return element_->shape(); }
  const Schema* section() const override { return element_->section(); }
  const Type* element() const override { return element_->element(); }
  Value Defaults() const override { return element_->Defaults(); }
  bool optional() const override { return true; }

 private:
  decltype(MakeType<E>()) element_ = MakeType<E>();
};

template <typename V>
struct TypeFor {  // Any other class is a section: it has a Declare function.
  using type = SectionType<V>;
};
template <typename V>
requires std::is_enum_v<V>
struct TypeFor<V> {
  using type = EnumType<V>;
};
template <std::integral V>
struct TypeFor<V> {
  using type = IntegerType<V>;
};
template <>
struct TypeFor<bool> {
  using type = BoolType;
};
template <>
struct TypeFor<float> {
  using type = NumberType;
};
template <>
struct TypeFor<double> {
  using type = NumberType;
};
template <>
struct TypeFor<std::string> {
  using type = StringType;
};
template <typename Rep, typename Period>
struct TypeFor<std::chrono::duration<Rep, Period>> {
  using type = DurationType<Rep, Period>;
};
template <typename E>
struct TypeFor<std::vector<E>> {
  using type = ListType<E>;
};
template <typename E>
struct TypeFor<std::map<std::string, E>> {
  using type = MapType<E>;
};
template <typename E>
struct TypeFor<std::optional<E>> {
  using type = OptionalType<E>;
};

template <typename V>
auto MakeType() {
  if constexpr (std::floating_point<V>) {
    return std::make_unique<NumberType>(std::same_as<V, float>);
  } else {
    return std::make_unique<typename TypeFor<V>::type>();
  }
}

// The type inside lists, maps and optionals: what Range and its like speak about.
template <typename T>
auto& LeafOf(T& type) {
  if constexpr (requires { type.leaf(); }) {
    return LeafOf(type.leaf());
  } else {
    return type;
  }
}

}  // namespace loquat::config
