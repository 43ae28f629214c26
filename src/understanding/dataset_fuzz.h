// What holds for any bytes read as training data, whatever the format: refused with a place, or read into a dataset
// whose spans fit its texts. For the fuzzers of each format.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"
#include "understanding/dataset_reader.h"

namespace loquat::understanding {

inline void CheckExample(const Example& example) {
  LOQUAT_CHECK(!example.text.empty() && base::IsValidUtf8(example.text) && example.line > 0, "an example has text");
  std::uint32_t last = 0;
  for (const EntityMention& mention : example.entities) {
    LOQUAT_CHECK(mention.byte_begin >= last && mention.byte_begin < mention.byte_end &&
                     mention.byte_end <= example.text.size() && !mention.entity.empty(),
                 "mentions are named, in order and within the text");
    last = mention.byte_end;
  }
}

template <typename AddBytes>
int TryDataset(AddBytes add, const std::string& file, const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const DatasetLimits limits{.examples_max = 2000, .text_bytes_max = 4096};
  Dataset dataset;
  const auto read = add(file, text, limits, &dataset);
  if (!read.has_value()) {
    LOQUAT_CHECK(read.error().message.starts_with(file + ":"), "a refusal says where");
    return 0;
  }
  CheckDataset(limits, &dataset);
  for (const Example& example : dataset.examples) CheckExample(example);
  return 0;
}

}  // namespace loquat::understanding
