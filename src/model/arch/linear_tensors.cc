#include <unordered_map>

#include "model/arch/decoder_weights.h"
#include "model/arch/encoder_weights.h"
#include "model/arch/load.h"

namespace loquat::model {
namespace {

std::vector<std::string> NamesOf(const std::vector<Linear*>& linears, const Weights& weights) {
  std::unordered_map<const std::byte*, const Tensor*> by_place;
  for (const Tensor& tensor : weights.tensors()) by_place.emplace(tensor.bytes.data(), &tensor);
  std::vector<std::string> names;
  for (const Linear* linear : linears) names.push_back(by_place.at(linear->weight.data)->name);
  return names;
}

}  // namespace

base::Result<std::vector<std::string>> LinearTensors(const ModelConfig& config, const Weights& weights) {
  if (config.architecture == Architecture::kBert) {
    LOQUAT_ASSIGN(EncoderWeights parts, ReadEncoderWeights(config, weights));
    return NamesOf(LinearsOf(parts), weights);
  }
  LOQUAT_ASSIGN(DecoderWeights parts, ReadDecoderWeights(config, weights));
  return NamesOf(LinearsOf(parts), weights);
}

}  // namespace loquat::model
