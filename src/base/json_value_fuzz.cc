// Any bytes: the parser and the scanner that explains its refusals agree, every value can be walked, and what is
// written again parses to the same text.

#include <string>

#include "base/check.h"
#include "base/json_scan.h"
#include "base/json_value.h"
#include "base/json_writer.h"
#include "base/utf8.h"

namespace loquat::base {
namespace {

constexpr std::size_t kMaxDepth = 16;

void Require(bool condition) {
  LOQUAT_CHECK(condition, "a property that holds for any bytes does not");
}

void Write(const JsonValue& value, JsonWriter& out) {
  switch (value.type()) {
    case JsonType::kNull:
      return out.Null();
    case JsonType::kBool:
      return out.Bool(value.AsBool().value());
    case JsonType::kInt:
      return out.Int(value.AsInt().value());
    case JsonType::kUint:
      return out.Uint(value.AsUint().value());
    case JsonType::kDouble:
      return out.Double(value.AsDouble().value());
    case JsonType::kString:
      Require(IsValidUtf8(value.AsString().value()));
      return out.String(value.AsString().value());
    case JsonType::kArray: {
      const JsonArray array = value.AsArray().value();
      std::size_t items = 0;
      out.BeginArray();
      for (const JsonValue item : array) {
        Write(item, out);
        ++items;
      }
      out.EndArray();
      return Require(items == array.size());
    }
    case JsonType::kObject: {
      const JsonObject object = value.AsObject().value();
      out.BeginObject();
      for (const auto [key, member] : object) {
        Require(object.Has(key));
        out.Key(key);
        Write(member, out);
      }
      out.EndObject();
      static_cast<void>(object.FindDuplicateKey());
      return;
    }
  }
  Require(false);
}

std::string Written(const JsonValue& value) {
  std::string out;
  JsonWriter writer(out);
  Write(value, writer);
  return out;
}

void Check(std::string_view json) {
  JsonParser parser({.max_depth = kMaxDepth});
  const Result<JsonValue> value = parser.Parse(json);
  const JsonFault fault = FindJsonFault(json, kMaxDepth);
  Require(value.has_value() == (fault.kind == JsonFault::Kind::kNone));
  Require(fault.offset <= json.size());
  if (!value.has_value()) {
    Require(!value.error().message.empty());
    return;
  }
  const std::string once = Written(*value);
  const Result<JsonValue> again = parser.Parse(once);
  Require(again.has_value());
  Require(Written(*again) == once);
}

}  // namespace
}  // namespace loquat::base

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  loquat::base::Check(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
