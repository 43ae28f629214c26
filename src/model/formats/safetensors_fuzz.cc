// Any bytes as a safetensors file: refused or read; tensors that were read cover the data exactly once.

#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "model/formats/hf_tensor_names.h"
#include "model/formats/safetensors_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace model = loquat::model;
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto file = model::SafetensorsFile::Parse("fuzz.safetensors", bytes);
  if (!file.has_value()) {
    LOQUAT_CHECK(!file.error().message.empty(), "a refusal says why");
    return 0;
  }
  std::uint64_t covered = 0;
  unsigned sum = 0;
  for (const model::SafetensorsTensor& tensor : file->tensors()) {
    covered += tensor.bytes.size();
    for (const std::byte byte : tensor.bytes) sum += std::to_integer<unsigned>(byte);
    for (const auto family :
         {model::HfFamily::kBert, model::HfFamily::kDistilBert, model::HfFamily::kLlama, model::HfFamily::kChatGlm}) {
      (void)model::MapHfTensorName(tensor.name, family, model::BertHead::kSequenceClassification);
    }
  }
  LOQUAT_CHECK(covered < size && sum < 256 * size, "tensors do not share bytes");
  return 0;
}
