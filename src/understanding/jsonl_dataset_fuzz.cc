// Any bytes as JSON Lines of training data.

#include "understanding/dataset_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using loquat::understanding::AddJsonLines;
  return loquat::understanding::TryDataset([](auto&&... in) { return AddJsonLines(in...); }, "fuzz.jsonl", data, size);
}
