// Any bytes as JSON Lines: refused with a place, or read into a dataset whose spans fit its texts.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"
#include "understanding/dataset_reader.h"

namespace loquat::understanding {
namespace {

void Require(bool condition) {
  LOQUAT_CHECK(condition, "a property that holds for any bytes does not");
}

int TryBytes(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const DatasetLimits limits{.examples_max = 2000, .text_bytes_max = 4096};
  Dataset dataset;
  const auto read = AddJsonLines("fuzz.jsonl", text, limits, &dataset);
  if (!read.has_value()) {
    Require(read.error().message.starts_with("fuzz.jsonl:"));
    return 0;
  }
  CheckDataset(limits, &dataset);
  for (const Example& example : dataset.examples) {
    Require(!example.text.empty() && base::IsValidUtf8(example.text) && example.line > 0);
    std::uint32_t last = 0;
    for (const EntityMention& mention : example.entities) {
      Require(mention.byte_begin >= last && mention.byte_begin < mention.byte_end &&
              mention.byte_end <= example.text.size());
      Require(!mention.entity.empty());
      last = mention.byte_end;
    }
  }
  return 0;
}

}  // namespace
}  // namespace loquat::understanding

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return loquat::understanding::TryBytes(data, size);
}
