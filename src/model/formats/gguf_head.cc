#include "model/formats/gguf_head.h"

#include "base/check.h"
#include "model/formats/ggml_type.h"
#include "model/tensor/layout.h"

namespace loquat::model {

void GgufHead::PutText(std::string_view text, std::string& out) {
  Put<std::uint64_t>(text.size(), out);
  out += text;
}

void GgufHead::Begin(std::string_view key, GgufType type) {
  PutText(key, entries_);
  Put(static_cast<std::uint32_t>(type), entries_);
  ++entry_count_;
}

void GgufHead::BeginArray(std::string_view key, GgufType type, std::uint64_t items) {
  Begin(key, GgufType::kArray);
  Put(static_cast<std::uint32_t>(type), entries_);
  Put(items, entries_);
}

void GgufHead::Uint(std::string_view key, std::uint32_t value) {
  Begin(key, GgufType::kUint32);
  Put(value, entries_);
}

void GgufHead::Float(std::string_view key, float value) {
  Begin(key, GgufType::kFloat32);
  Put(value, entries_);
}

void GgufHead::Bool(std::string_view key, bool value) {
  Begin(key, GgufType::kBool);
  Put(static_cast<std::uint8_t>(value ? 1 : 0), entries_);
}

void GgufHead::Text(std::string_view key, std::string_view value) {
  Begin(key, GgufType::kString);
  PutText(value, entries_);
}

void GgufHead::Texts(std::string_view key, std::span<const std::string> values) {
  BeginArray(key, GgufType::kString, values.size());
  for (const std::string& value : values) PutText(value, entries_);
}

void GgufHead::Ints(std::string_view key, std::span<const std::int32_t> values) {
  BeginArray(key, GgufType::kInt32, values.size());
  for (const std::int32_t value : values) Put(value, entries_);
}

void GgufHead::Floats(std::string_view key, std::span<const float> values) {
  BeginArray(key, GgufType::kFloat32, values.size());
  for (const float value : values) Put(value, entries_);
}

void GgufHead::Bytes(std::string_view key, std::string_view values) {
  BeginArray(key, GgufType::kUint8, values.size());
  entries_ += values;
}

void GgufHead::Copy(const GgufEntry& entry) {
  const GgufValue& value = entry.value;
  if (value.is_array()) {
    BeginArray(entry.key, value.item_type(), value.size());
  } else {
    Begin(entry.key, value.item_type());
  }
  entries_.append(reinterpret_cast<const char*>(value.bytes().data()), value.bytes().size());
}

void GgufHead::AddTensor(std::string_view name, kernels::WeightType type, std::span<const std::uint64_t> shape) {
  const auto bytes = TensorBytes(shape, type);
  LOQUAT_CHECK(bytes.has_value(), "the shape was checked");
  PutText(name, tensors_);
  Put(static_cast<std::uint32_t>(shape.size()), tensors_);
  for (std::size_t i = shape.size(); i-- > 0;) Put(shape[i], tensors_);
  Put(GgmlTypeOf(type).id, tensors_);
  Put(data_bytes_, tensors_);
  data_bytes_ += GgufPadded(*bytes);
  ++tensor_count_;
}

std::string GgufHead::Finish() const {
  std::string out(kGgufMagic);
  Put(kGgufVersionMax, out);
  Put(tensor_count_, out);
  Put(entry_count_, out);
  out += entries_;
  out += tensors_;
  out.resize(GgufPadded(out.size()));
  return out;
}

}  // namespace loquat::model
