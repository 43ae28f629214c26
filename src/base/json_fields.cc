#include "base/json_fields.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace loquat::base {
namespace {

// A key in an error message is cut here: a hostile body does not get to fill our logs.
constexpr std::size_t kShownKeyBytes = 128;

void AppendEscapedKey(std::string_view key, std::string& out) {
  for (const char c : key.substr(0, kShownKeyBytes)) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out.push_back(c);
    }
  }
}

// "at most 5", "at least 1", "1 to 5", by which ends are set.
template <typename T>
std::string RangeText(T min, T max, T lowest, T highest) {
  if (min == lowest) return fmt::format("at most {}", max);
  if (max == highest) return fmt::format("at least {}", min);
  return fmt::format("{} to {}", min, max);
}

template <typename T, typename Limits>
bool Within(T value, const Limits& limits) {
  return value >= limits.min && value <= limits.max;
}

}  // namespace

std::string JsonPath::Pointer() const {
  if (parent == nullptr) return {};
  std::string pointer = parent->Pointer();
  pointer.push_back('/');
  if (key.data() == nullptr) {
    fmt::format_to(std::back_inserter(pointer), "{}", index);
  } else {
    AppendEscapedKey(key, pointer);
  }
  return pointer;
}

void JsonField::Fault(std::string message) const {
  if (faults_->ok()) faults_->Add(InvalidArgument(std::move(message), path_.Pointer()));
}

void JsonField::FaultOfType(std::string_view wanted) const {
  if (!faults_->ok()) return;
  Fault(fmt::format("{} must be {}, not {}", path_.parent == nullptr ? "the body" : Pointer(), wanted,
                    JsonTypeName(value_.type())));
}

std::string_view JsonField::String(StringLimits limits, std::string_view fallback) const {
  if (!present_) return fallback;
  const Result<std::string_view> text = value_.AsString();
  if (!text.has_value()) {
    FaultOfType("a string");
    return fallback;
  }
  if (text->size() >= limits.min_bytes && text->size() <= limits.max_bytes) return *text;
  const std::string range = RangeText(limits.min_bytes, limits.max_bytes, std::size_t{0}, StringLimits{}.max_bytes);
  Fault(text->empty() ? fmt::format("{} must not be empty", Pointer())
                      : fmt::format("{} must have {} bytes, not {}", Pointer(), range, text->size()));
  return fallback;
}

std::int64_t JsonField::Int(IntLimits limits, std::int64_t fallback) const {
  if (!present_) return fallback;
  const Result<std::int64_t> number = value_.AsInt();
  if (number.has_value() && Within(*number, limits)) return *number;
  const std::string range = RangeText(limits.min, limits.max, IntLimits{}.min, IntLimits{}.max);
  if (number.has_value()) {
    Fault(fmt::format("{} must be an integer of {}, not {}", Pointer(), range, *number));
  } else if (value_.type() == JsonType::kUint) {
    Fault(fmt::format("{} must be an integer of {}", Pointer(), range));
  } else {
    FaultOfType("an integer");
  }
  return fallback;
}

double JsonField::Number(NumberLimits limits, double fallback) const {
  if (!present_) return fallback;
  const Result<double> number = value_.AsDouble();
  if (!number.has_value()) {
    FaultOfType("a number");
    return fallback;
  }
  if (Within(*number, limits)) return *number;
  const std::string range = RangeText(limits.min, limits.max, NumberLimits{}.min, NumberLimits{}.max);
  Fault(fmt::format("{} must be a number of {}, not {}", Pointer(), range, *number));
  return fallback;
}

bool JsonField::Bool(bool fallback) const {
  if (!present_) return fallback;
  const Result<bool> flag = value_.AsBool();
  if (flag.has_value()) return *flag;
  FaultOfType("true or false");
  return fallback;
}

std::optional<std::string_view> JsonField::Word() const {
  if (!present_) return std::nullopt;
  const Result<std::string_view> word = value_.AsString();
  if (word.has_value()) return *word;
  FaultOfType("a string");
  return std::nullopt;
}

void JsonField::FaultOfChoice(const std::string& allowed) const {
  Fault(fmt::format("{} must be one of {}", Pointer(), allowed));
}

JsonArray JsonField::Array(ArrayLimits limits) const {
  if (!present_) return {};
  const Result<JsonArray> array = value_.AsArray();
  if (!array.has_value()) {
    FaultOfType("an array");
    return {};
  }
  const std::size_t size = array->size();
  if (size >= limits.min_items && size <= limits.max_items) return *array;
  const std::string range = RangeText(limits.min_items, limits.max_items, std::size_t{0}, ArrayLimits{}.max_items);
  Fault(fmt::format("{} must have {} items, not {}", Pointer(), range, size));
  return {};
}

JsonFields JsonField::Fields() const {
  return JsonFields(*this, !present_);
}

JsonFields::JsonFields(const JsonValue& root, JsonFaults& faults)
    : JsonFields(JsonField(root, true, JsonPath{}, faults), false) {}

JsonFields::JsonFields(const JsonField& field, bool missing)
    : path_(field.path_), faults_(*field.faults_), missing_(missing) {
  if (missing_) return;
  const Result<JsonObject> object = field.value().AsObject();
  if (object.has_value()) {
    object_ = *object;
  } else {
    field.FaultOfType("an object");
    missing_ = true;
  }
}

JsonField JsonFields::Look(std::string_view key, bool required) {
  if (!Known(key)) {
    LOQUAT_CHECK(known_count_ < kKnownKeysMax, "one object has more known keys than JsonFields holds");
    known_[known_count_++] = key;
  }
  const JsonValue value = object_.Find(key);
  const JsonField field(value, !value.is_null(), {.parent = &path_, .key = key}, faults_);
  if (!field.present() && required && !missing_) field.Fault(fmt::format("{} is required", field.Pointer()));
  return field;
}

JsonField JsonFields::Required(std::string_view key) {
  return Look(key, true);
}

JsonField JsonFields::Optional(std::string_view key) {
  return Look(key, false);
}

bool JsonFields::Known(std::string_view key) const {
  return std::ranges::find(known_.begin(), known_.begin() + known_count_, key) != known_.begin() + known_count_;
}

void JsonFields::FaultAt(std::string_view key, std::string message) const {
  faults_.Add(InvalidArgument(std::move(message), JsonPath{.parent = &path_, .key = key}.Pointer()));
}

void JsonFields::CheckDuplicates() const {
  const JsonObject::Duplicate duplicate = object_.FindDuplicateKey();
  if (duplicate.found) FaultAt(duplicate.key, "this key stands twice in one object; give it once");
}

void JsonFields::Done() const {
  for (const JsonMember member : object_) {
    if (Known(member.key)) continue;
    std::string known;
    for (std::size_t i = 0; i < known_count_; ++i) known.append(i == 0 ? "" : ", ").append(known_[i]);
    FaultAt(member.key, fmt::format("unknown key; allowed here: {}", known));
    return;
  }
  CheckDuplicates();
}

void JsonFields::DoneAllowingUnknown() const {
  CheckDuplicates();
}

}  // namespace loquat::base
