#include "base/json_value.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <bit>
#include <string>
#include <utility>
#include <vector>

#include "base/json_scan.h"

namespace loquat::base {

namespace dom = simdjson::dom;
using json_internal::Ref;

// Turns our views into simdjson's and back.
struct JsonAccess {
  template <typename Dom>
  static Ref ToRef(const Dom& from) {
    static_assert(sizeof(Dom) == sizeof(Ref) && std::is_trivially_copyable_v<Dom>);
    return std::bit_cast<Ref>(from);
  }
  template <typename Dom>
  static Dom FromRef(const Ref& ref) {
    return std::bit_cast<Dom>(ref);
  }
  static JsonValue Value(dom::element element) { return JsonValue(ToRef(element)); }
  static dom::element Element(const JsonValue& value) { return FromRef<dom::element>(value.ref_); }

  template <typename Ours, typename Dom>
  static Ours Make(const Dom& from) {
    Ours ours;
    ours.ref_ = ToRef(from);
    return ours;
  }
  // REQUIRES: not a default-constructed view.
  template <typename Dom, typename Ours>
  static Dom Open(const Ours& ours) {
    return FromRef<Dom>(ours.ref_);
  }
  template <typename Ours>
  static bool IsDefault(const Ours& ours) {
    return ours.ref_.document == nullptr;
  }
};

namespace {

Error WrongType(const JsonValue& value, std::string_view wanted) {
  return InvalidArgument(fmt::format("expected {}, found {}", wanted, JsonTypeName(value.type())));
}

template <typename Iterator, typename DomIterator>
void Advance(Iterator& iterator) {
  DomIterator inner = JsonAccess::Open<DomIterator>(iterator);
  ++inner;
  iterator = JsonAccess::Make<Iterator>(inner);
}

// Two views of keys: duplicates of small objects are found by comparing, of large ones by sorting.
constexpr std::size_t kPairwiseKeysMax = 16;

}  // namespace

std::string_view JsonTypeName(JsonType type) {
  switch (type) {
    case JsonType::kNull:
      return "null";
    case JsonType::kBool:
      return "a boolean";
    case JsonType::kInt:
    case JsonType::kUint:
      return "an integer";
    case JsonType::kDouble:
      return "a number";
    case JsonType::kString:
      return "a string";
    case JsonType::kArray:
      return "an array";
    case JsonType::kObject:
      return "an object";
  }
  return "an unknown value";
}

JsonType JsonValue::type() const {
  if (JsonAccess::IsDefault(*this)) return JsonType::kNull;
  switch (JsonAccess::Element(*this).type()) {
    case dom::element_type::ARRAY:
      return JsonType::kArray;
    case dom::element_type::OBJECT:
      return JsonType::kObject;
    case dom::element_type::INT64:
      return JsonType::kInt;
    case dom::element_type::UINT64:
      return JsonType::kUint;
    case dom::element_type::DOUBLE:
      return JsonType::kDouble;
    case dom::element_type::STRING:
      return JsonType::kString;
    case dom::element_type::BOOL:
      return JsonType::kBool;
    case dom::element_type::NULL_VALUE:
      break;
  }
  return JsonType::kNull;
}

Result<std::string_view> JsonValue::AsString() const {
  if (type() != JsonType::kString) return WrongType(*this, "a string");
  return JsonAccess::Element(*this).get_string().value_unsafe();
}

Result<std::int64_t> JsonValue::AsInt() const {
  if (type() == JsonType::kUint) return InvalidArgument("expected an integer of at most 9223372036854775807");
  if (type() != JsonType::kInt) return WrongType(*this, "an integer");
  return JsonAccess::Element(*this).get_int64().value_unsafe();
}

Result<std::uint64_t> JsonValue::AsUint() const {
  const JsonType found = type();
  if (found != JsonType::kInt && found != JsonType::kUint) return WrongType(*this, "an integer");
  std::uint64_t number = 0;
  if (JsonAccess::Element(*this).get_uint64().get(number) != simdjson::SUCCESS) {
    return InvalidArgument("expected an integer of at least 0");
  }
  return number;
}

Result<double> JsonValue::AsDouble() const {
  const JsonType found = type();
  if (found != JsonType::kInt && found != JsonType::kUint && found != JsonType::kDouble) {
    return WrongType(*this, "a number");
  }
  return JsonAccess::Element(*this).get_double().value_unsafe();
}

Result<bool> JsonValue::AsBool() const {
  if (type() != JsonType::kBool) return WrongType(*this, "a boolean");
  return JsonAccess::Element(*this).get_bool().value_unsafe();
}

Result<JsonArray> JsonValue::AsArray() const {
  if (type() != JsonType::kArray) return WrongType(*this, "an array");
  return JsonAccess::Make<JsonArray>(JsonAccess::Element(*this).get_array().value_unsafe());
}

Result<JsonObject> JsonValue::AsObject() const {
  if (type() != JsonType::kObject) return WrongType(*this, "an object");
  return JsonAccess::Make<JsonObject>(JsonAccess::Element(*this).get_object().value_unsafe());
}

JsonValue JsonArray::Iterator::operator*() const {
  return JsonAccess::Value(*JsonAccess::Open<dom::array::iterator>(*this));
}

JsonArray::Iterator& JsonArray::Iterator::operator++() {
  Advance<Iterator, dom::array::iterator>(*this);
  return *this;
}

JsonArray::Iterator JsonArray::begin() const {
  if (JsonAccess::IsDefault(*this)) return {};
  return JsonAccess::Make<Iterator>(JsonAccess::Open<dom::array>(*this).begin());
}

JsonArray::Iterator JsonArray::end() const {
  if (JsonAccess::IsDefault(*this)) return {};
  return JsonAccess::Make<Iterator>(JsonAccess::Open<dom::array>(*this).end());
}

namespace {

// simdjson's tape holds sizes of 24 bits and says 0xFFFFFF for all larger ones.
constexpr std::size_t kTapeSizeMax = 0xFFFFFF;

template <typename Dom, typename View>
std::size_t SizeOf(const View& view) {
  if (JsonAccess::IsDefault(view)) return 0;
  const std::size_t size = JsonAccess::Open<Dom>(view).size();
  if (size < kTapeSizeMax) return size;
  return static_cast<std::size_t>(std::ranges::distance(view.begin(), view.end()));
}

}  // namespace

std::size_t JsonArray::size() const {
  return SizeOf<dom::array>(*this);
}

JsonMember JsonObject::Iterator::operator*() const {
  const auto inner = JsonAccess::Open<dom::object::iterator>(*this);
  return {.key = inner.key(), .value = JsonAccess::Value(inner.value())};
}

JsonObject::Iterator& JsonObject::Iterator::operator++() {
  Advance<Iterator, dom::object::iterator>(*this);
  return *this;
}

JsonObject::Iterator JsonObject::begin() const {
  if (JsonAccess::IsDefault(*this)) return {};
  return JsonAccess::Make<Iterator>(JsonAccess::Open<dom::object>(*this).begin());
}

JsonObject::Iterator JsonObject::end() const {
  if (JsonAccess::IsDefault(*this)) return {};
  return JsonAccess::Make<Iterator>(JsonAccess::Open<dom::object>(*this).end());
}

std::size_t JsonObject::size() const {
  return SizeOf<dom::object>(*this);
}

JsonValue JsonObject::Find(std::string_view key) const {
  for (const JsonMember member : *this) {
    if (member.key == key) return member.value;
  }
  return {};
}

bool JsonObject::Has(std::string_view key) const {
  return std::ranges::any_of(begin(), end(), [key](const JsonMember& member) { return member.key == key; });
}

JsonObject::Duplicate JsonObject::FindDuplicateKey() const {
  if (size() <= kPairwiseKeysMax) {
    for (auto first = begin(); first != end(); ++first) {
      auto second = first;
      for (++second; second != end(); ++second) {
        if ((*second).key == (*first).key) return {.found = true, .key = (*first).key};
      }
    }
    return {};
  }
  std::vector<std::string_view> keys;
  keys.reserve(size());
  for (const JsonMember member : *this) keys.push_back(member.key);
  std::ranges::sort(keys);
  const auto twin = std::ranges::adjacent_find(keys);
  return twin == keys.end() ? Duplicate{} : Duplicate{.found = true, .key = *twin};
}

struct JsonParser::State {
  explicit State(JsonLimits l) : limits(l) {}

  JsonLimits limits;
  dom::parser parser;
};

JsonParser::JsonParser(JsonLimits limits) : state_(std::make_unique<State>(limits)) {}
JsonParser::~JsonParser() = default;
JsonParser::JsonParser(JsonParser&&) noexcept = default;
JsonParser& JsonParser::operator=(JsonParser&&) noexcept = default;

const JsonLimits& JsonParser::limits() const {
  return state_->limits;
}

Result<JsonValue> JsonParser::Parse(std::string_view json) {
  const JsonLimits& limits = state_->limits;
  if (json.size() > limits.max_bytes) {
    return ResourceExhausted(fmt::format("JSON of {} bytes: at most {} are allowed", json.size(), limits.max_bytes),
                             "too_large");
  }
  dom::parser& parser = state_->parser;
  if (parser.capacity() > kKeptBytes && json.size() <= kKeptBytes) parser = dom::parser();
  // The size of a first document is no guide to the next: start with room for a common request.
  constexpr std::size_t kFirstCapacity = 4096;
  // simdjson's depth counts the root as one more.
  if (parser.capacity() == 0 && parser.allocate(kFirstCapacity, limits.max_depth + 1) != simdjson::SUCCESS) {
    return ResourceExhausted("out of memory while reading JSON", "memory");
  }
  dom::element root;
  simdjson::error_code code = simdjson::EMPTY;
  if (!json.empty()) code = parser.parse(json.data(), json.size()).get(root);
  if (code == simdjson::SUCCESS) return JsonAccess::Value(root);
  if (code == simdjson::MEMALLOC) return ResourceExhausted("out of memory while reading JSON", "memory");

  // simdjson does not say where; the careful scanner does.
  const JsonFault fault = FindJsonFault(json, limits.max_depth);
  if (fault.kind == JsonFault::Kind::kTooDeep) {
    return ResourceExhausted(
        fmt::format("JSON nested deeper than {} levels at byte {}", limits.max_depth, fault.offset), "too_deep");
  }
  if (fault.kind == JsonFault::Kind::kNone) {
    return InvalidArgument(fmt::format("not valid JSON: {}", simdjson::error_message(code)));
  }
  return InvalidArgument(fmt::format("not valid JSON: {} at byte {}", fault.what, fault.offset));
}

}  // namespace loquat::base
