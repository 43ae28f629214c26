#include "model/formats/gguf_fields.h"

#include <fmt/format.h>

#include <utility>

namespace loquat::model {

void GgufFields::Fault(std::string_view key, std::string_view what) {
  if (status_.has_value()) status_ = base::DataLoss(fmt::format("{}: {}{} {}", file_.name(), prefix_, key, what));
}

std::uint32_t GgufFields::Uint(std::string_view key, std::uint32_t otherwise) {
  const GgufValue* value = Find(key);
  if (value == nullptr) return otherwise;
  const std::optional<std::int64_t> number = value->AsInt();
  if (number && std::in_range<std::uint32_t>(*number)) return static_cast<std::uint32_t>(*number);
  Fault(key, "must be an unsigned number of 32 bits");
  return otherwise;
}

float GgufFields::Float(std::string_view key, float otherwise) {
  const GgufValue* value = Find(key);
  if (value == nullptr) return otherwise;
  if (const std::optional<double> number = value->AsDouble()) return static_cast<float>(*number);
  Fault(key, "must be a number");
  return otherwise;
}

bool GgufFields::Bool(std::string_view key, bool otherwise) {
  const GgufValue* value = Find(key);
  if (value == nullptr) return otherwise;
  if (const std::optional<bool> truth = value->AsBool()) return *truth;
  Fault(key, "must be true or false");
  return otherwise;
}

std::string GgufFields::String(std::string_view key, std::string_view otherwise) {
  const GgufValue* value = Find(key);
  if (value == nullptr) return std::string(otherwise);
  if (const auto text = value->AsString()) return std::string(*text);
  Fault(key, "must be a string");
  return std::string(otherwise);
}

std::uint32_t GgufFields::RequiredUint(std::string_view key) {
  if (!Has(key)) Fault(key, "is missing");
  return Uint(key, 0);
}

std::uint32_t GgufFields::UniformUint(std::string_view key, std::uint32_t otherwise) {
  const GgufValue* value = Find(key);
  if (value == nullptr || !value->is_array()) return Uint(key, otherwise);
  const std::optional<std::int64_t> first = value->size() == 0 ? std::nullopt : value->IntAt(0);
  for (std::uint64_t i = 0; i < value->size(); ++i) {
    if (!first || value->IntAt(i) != first) {
      Fault(key, "differs between layers, which is not supported");
      return otherwise;
    }
  }
  if (first && std::in_range<std::uint32_t>(*first)) return static_cast<std::uint32_t>(*first);
  Fault(key, "must be an unsigned number of 32 bits");
  return otherwise;
}

const GgufValue* GgufFields::Array(std::string_view key, GgufType type) {
  const GgufValue* value = Find(key);
  if (value == nullptr) return nullptr;
  if (value->is_array() && value->item_type() == type) return value;
  Fault(key, fmt::format("must be an array of {}", GgufTypeName(type)));
  return nullptr;
}

}  // namespace loquat::model
