// Any bytes as a Rasa NLU file of training data.

#include "understanding/dataset_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using loquat::understanding::AddNluYaml;
  return loquat::understanding::TryDataset([](auto&&... in) { return AddNluYaml(in...); }, "fuzz.yml", data, size);
}
