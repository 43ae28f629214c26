// Typed keys, declared beside the struct that they fill. In the header of a module:
//
//   struct NetOptions {
//     std::string listen = "127.0.0.1:8080";
//     int connections_max = 5000;
//     std::chrono::milliseconds idle_timeout{60'000};
//     std::size_t body_bytes_max = 1 << 20;
//     std::optional<TlsOptions> tls;
//   };
//   void Declare(config::Section<NetOptions>& s);  // In the namespace of NetOptions.
//
// and in its source:
//
//   void Declare(config::Section<NetOptions>& s) {
//     s.Key("listen", &NetOptions::listen).Help("Address and port to listen on.").NeedsRestart();
//     s.Key("connections_max", &NetOptions::connections_max).Range(1, 1'000'000).Help("…");
//     s.Key("idle_timeout", &NetOptions::idle_timeout).Range(1ms, 1h).Help("…");   // "60s" in the file
//     s.Key("body_max", &NetOptions::body_bytes_max).Bytes().Help("…");            // "1MiB" in the file
//     s.Sub("tls", &NetOptions::tls).Help("…");                                    // Has its own Declare.
//   }
//
// Types of members: bool, integers, float and double, std::string, enums (with Names), std::chrono durations, structs
// with a Declare, and std::optional, std::vector and std::map<std::string, …> of these. The defaults are those of the
// struct. Declaring is done by one thread; mistakes in a declaration are our own and stop the program.

#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/check.h"
#include "base/result.h"
#include "config/schema.h"
#include "config/types.h"

namespace loquat::config {

template <typename Leaf>
struct NamesOf {
  struct type {};
};
template <typename E>
struct NamesOf<EnumType<E>> {
  using type = typename EnumType<E>::Names;
};

// What may be said about a key. Range, Bytes, Names, Match and Size speak about the single values inside lists, maps
// and optionals.
template <typename V>
class KeyBuilder {
 public:
  using TypeOfV = std::remove_reference_t<decltype(*MakeType<V>())>;
  using Leaf = std::remove_reference_t<decltype(LeafOf(std::declval<TypeOfV&>()))>;

  KeyBuilder(config::Key& key, TypeOfV& type) : key_(key), leaf_(LeafOf(type)) {}

  // One or two sentences for the person who writes the file: what it is, what zero means.
  KeyBuilder& Help(std::string_view text) {
    key_.help = text;
    return *this;
  }
  // The key must be in the file, the environment or the overrides.
  KeyBuilder& Required() {
    key_.required = true;
    return *this;
  }
  // Neither errors nor the effective configuration show it.
  KeyBuilder& Secret() {
    key_.secret = true;
    return *this;
  }
  // A reload reports a change of this key as waiting for a restart.
  KeyBuilder& NeedsRestart() {
    key_.needs_restart = true;
    return *this;
  }
  // Both ends included. For durations the bounds are durations too.
  template <typename Low, typename High>
  KeyBuilder& Range(Low low, High high) {
    if constexpr (requires { typename Leaf::V; }) {
      using Duration = typename Leaf::V;
      leaf_.SetRange(std::chrono::ceil<Duration>(low).count(), std::chrono::floor<Duration>(high).count());
    } else {
      leaf_.SetRange(low, high);
    }
    return *this;
  }
  // An integer that counts bytes: "4MiB" in the file.
  KeyBuilder& Bytes() {
    leaf_.SetNotation(WideType::Notation::kBytes);
    return *this;
  }
  // The names of an enum's values.
  KeyBuilder& Names(typename NamesOf<Leaf>::type names) {
    leaf_.SetNames(names);
    return *this;
  }
  // Text that the predicate takes; `allowed` says in words what that is ("host:port").
  KeyBuilder& Match(std::function<bool(std::string_view)> predicate, std::string_view allowed) {
    leaf_.SetMatch(std::move(predicate), std::string(allowed));
    return *this;
  }
  // Bytes of a text, both ends included.
  KeyBuilder& Size(std::size_t low, std::size_t high) {
    leaf_.SetSize(low, high);
    return *this;
  }
  // Any other rule about the whole value of the key.
  KeyBuilder& Check(std::function<base::Status(const V&)> check) {
    key_.check = [check = std::move(check)](const void* value) { return check(*static_cast<const V*>(value)); };
    return *this;
  }

 private:
  config::Key& key_;
  Leaf& leaf_;
};

template <typename T>
class Section {
 public:
  explicit Section(Schema& schema) : schema_(schema) {}

  template <typename V>
  KeyBuilder<V> Key(std::string_view name, V T::*member) {
    config::Key& key = schema_.Add(name);
    auto type = MakeType<V>();
    auto& typed = *type;
    key.type = std::move(type);
    key.member = [member](void* object) -> void* { return &(static_cast<T*>(object)->*member); };
    return KeyBuilder<V>(key, typed);
  }
  // The same, said of members that are sections, or lists or maps of them.
  template <typename V>
  KeyBuilder<V> Sub(std::string_view name, V T::*member) {
    return Key(name, member);
  }
  // A rule over several keys, checked once each is right by itself. An error whose param is a JSON pointer from here
  // ("/tls/key") is reported at that key.
  Section& Check(std::function<base::Status(const T&)> check) {
    schema_.AddCheck([check = std::move(check)](const void* object) { return check(*static_cast<const T*>(object)); });
    return *this;
  }

 private:
  Schema& schema_;
};

template <typename T>
Schema SchemaOf() {
  Schema schema;
  Section<T> section(schema);
  Declare(section);
  return schema;
}

template <typename V>
class SectionType final : public Type {
 public:
  void Read(const Value& value, void* out, Reader& reader) const override { schema_.Read(value, out, reader); }
  Value Write(const void* in) const override { return schema_.Write(in); }
  std::string Allowed() const override { return "a section of keys"; }
  Shape shape() const override { return Shape::kSection; }
  const Schema* section() const override { return &schema_; }
  Value Defaults() const override {
    const V value{};
    return schema_.Write(&value);
  }

 private:
  Schema schema_ = SchemaOf<V>();
};

}  // namespace loquat::config
