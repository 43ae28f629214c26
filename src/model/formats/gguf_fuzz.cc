// Any bytes as a GGUF file: refused or read, and what was read is described, configured and verified without a read
// outside the bytes.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/check.h"
#include "model/formats/gguf_config.h"
#include "model/formats/gguf_file.h"
#include "model/formats/gguf_metadata_text.h"
#include "model/formats/gguf_tokenizer.h"
#include "model/formats/tensor_table.h"
#include "model/formats/verify.h"
#include "model/tensor/mapped_weights.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace model = loquat::model;
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto file = model::GgufFile::Parse("fuzz.gguf", bytes);
  if (!file.has_value()) {
    LOQUAT_CHECK(!file.error().message.empty(), "a refusal says why");
    return 0;
  }
  (void)model::MetadataText(*file);
  if (model::HasGgufTokenizer(*file)) (void)model::TokenizerFromGguf(*file);
  std::vector<model::Tensor> tensors;
  for (const model::GgufTensor& tensor : file->tensors()) {
    LOQUAT_CHECK(
        tensor.bytes.data() >= bytes.data() && tensor.bytes.data() + tensor.bytes.size() <= bytes.data() + bytes.size(),
        "a tensor lies within the file");
    if (!tensor.type->type) continue;
    tensors.push_back(
        {.name = std::string(tensor.name), .type = *tensor.type->type, .shape = tensor.shape, .bytes = tensor.bytes});
  }
  const model::MappedWeights weights({}, std::move(tensors));
  (void)model::VerifyModel(weights);
  const auto config = model::ConfigFromGguf(*file, weights);
  if (config.has_value()) (void)model::CheckTensors(*config, weights, "fuzz.gguf");
  return 0;
}
