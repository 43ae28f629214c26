// Reads JSON (RFC 8259): a reusable parser and small views of what it parsed.
// One thread at a time uses a parser and its values. A JsonValue, and each string it gives, lives until the next Parse
// or the end of the parser, whichever comes first; the parsed text itself may go as soon as Parse returns.
//
// The parser is simdjson's (Langdale, Lemire, "Parsing gigabytes of JSON per second", VLDB Journal 28, 2019), in our
// .cc alone. It refuses ill-formed UTF-8, trailing text, and integers that fit neither 64-bit type.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string_view>

#include "base/result.h"

namespace loquat::base {

struct JsonLimits {
  static constexpr std::size_t kDefaultMaxBytes = std::size_t{4} << 20;
  static constexpr std::size_t kDefaultMaxDepth = 64;

  std::size_t max_bytes = kDefaultMaxBytes;
  // Arrays and objects inside one another: [1] is 1. Empty ones do not count. Zero allows plain values only.
  std::size_t max_depth = kDefaultMaxDepth;
};

enum class JsonType : std::uint8_t { kNull, kBool, kInt, kUint, kDouble, kString, kArray, kObject };

// With its article, as a message needs it: "a string", "an object".
std::string_view JsonTypeName(JsonType type);

class JsonArray;
class JsonObject;

namespace json_internal {
// A place in simdjson's tape.
struct Ref {
  const void* document = nullptr;
  std::size_t index = 0;
  bool operator==(const Ref&) const = default;
};
}  // namespace json_internal

// Cheap to copy. The default value is null and always lives.
class JsonValue {
 public:
  JsonValue() = default;

  // kInt: fits int64. kUint: only uint64 holds it. kDouble: was written with a fraction or an exponent.
  JsonType type() const;
  bool is_null() const { return type() == JsonType::kNull; }

  // The value where the type allows it exactly, else kInvalidArgument saying what stands there instead.
  Result<std::string_view> AsString() const;
  Result<std::int64_t> AsInt() const;
  Result<std::uint64_t> AsUint() const;
  Result<double> AsDouble() const;  // Any number; large integers round.
  Result<bool> AsBool() const;
  Result<JsonArray> AsArray() const;
  Result<JsonObject> AsObject() const;

 private:
  friend struct JsonAccess;
  explicit JsonValue(json_internal::Ref ref) : ref_(ref) {}

  json_internal::Ref ref_;
};

struct JsonMember {
  std::string_view key;
  JsonValue value;
};

// A view of an array's items, in order.
class JsonArray {
 public:
  class Iterator {
   public:
    using value_type = JsonValue;
    using difference_type = std::ptrdiff_t;
    JsonValue operator*() const;
    Iterator& operator++();
    void operator++(int) { ++*this; }
    bool operator==(const Iterator&) const = default;

   private:
    friend struct JsonAccess;
    json_internal::Ref ref_;
  };

  JsonArray() = default;
  Iterator begin() const;
  Iterator end() const;
  std::size_t size() const;  // Counts by walking past 16 million items.
  bool empty() const { return begin() == end(); }

 private:
  friend struct JsonAccess;
  json_internal::Ref ref_;
};

// A view of an object's members, in the order written; duplicate keys all show.
class JsonObject {
 public:
  class Iterator {
   public:
    using value_type = JsonMember;
    using difference_type = std::ptrdiff_t;
    JsonMember operator*() const;
    Iterator& operator++();
    void operator++(int) { ++*this; }
    bool operator==(const Iterator&) const = default;

   private:
    friend struct JsonAccess;
    json_internal::Ref ref_;
  };

  JsonObject() = default;
  Iterator begin() const;
  Iterator end() const;
  std::size_t size() const;
  bool empty() const { return begin() == end(); }

  // The first member of that key, as null if there is none: ask `Has` where the difference matters. Takes linear time.
  JsonValue Find(std::string_view key) const;
  bool Has(std::string_view key) const;
  // A key that stands here twice, or an empty view with a false flag.
  struct Duplicate {
    bool found = false;
    std::string_view key;
  };
  Duplicate FindDuplicateKey() const;

 private:
  friend struct JsonAccess;
  json_internal::Ref ref_;
};

// Keeps its buffers (some 15 bytes for each byte of text) from one text to the next, but those of a text larger than
// kKeptBytes only until the next smaller one.
class JsonParser {
 public:
  static constexpr std::size_t kKeptBytes = std::size_t{256} << 10;

  explicit JsonParser(JsonLimits limits = {});
  ~JsonParser();
  JsonParser(JsonParser&&) noexcept;
  JsonParser& operator=(JsonParser&&) noexcept;

  // kInvalidArgument says what is wrong and at which byte; kResourceExhausted: past a limit.
  Result<JsonValue> Parse(std::string_view json);

  const JsonLimits& limits() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace loquat::base
