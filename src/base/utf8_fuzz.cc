// Any bytes: utf8.h must find what the slow reference finds, and read nothing outside them.

#include "base/check.h"
#include "base/utf8.h"
#include "base/utf8_reference.h"

namespace loquat::base {
namespace {

void Require(bool condition) {
  LOQUAT_CHECK(condition, "a property that holds for any bytes does not");
}

void Check(std::string_view text) {
  const ReferenceReading reference = ReferenceRead(text);
  Require(IsValidUtf8(text) == reference.valid);
  Require(CountCodePoints(text) == reference.code_points);
  Require(CountUtf16Units(text) == reference.utf16_units);
  std::string repaired;
  AppendUtf8Repaired(text, repaired);
  Require(repaired == reference.repaired);
  Require(IsValidUtf8(repaired));
  for (std::size_t offset = 0; offset < text.size(); ++offset) {
    const DecodedCodePoint expected = ReferenceDecode(text.substr(offset));
    const DecodedCodePoint found = DecodeUtf8(text, offset);
    Require(found.code_point == expected.code_point && found.length == expected.length &&
            found.valid == expected.valid);
  }
}

}  // namespace
}  // namespace loquat::base

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  loquat::base::Check(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
