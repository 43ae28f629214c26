// Any payload of a journal: what reads is written and read again as the same.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "response/saga_record.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace response = loquat::response;
  static response::SagaRecordReader reader;
  const auto record = reader.Read({reinterpret_cast<const char*>(data), size});
  if (!record.has_value()) return 0;
  const std::string once = response::EncodeSagaRecord(*record);
  const auto again = reader.Read(once);
  LOQUAT_CHECK(again.has_value(), "what was written reads");
  LOQUAT_CHECK(response::EncodeSagaRecord(*again) == once, "and is the same");
  return 0;
}
