// Any bytes: every form is valid UTF-8, idempotent, and equal to ICU's; the offset map stays inside the text and in
// order.

#include <unicode/normalizer2.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"
#include "text/normalize.h"
#include "text/unicode.h"

namespace {

using loquat::base::AppendUtf8Repaired;
using loquat::base::IsValidUtf8;
using namespace loquat::text;  // NOLINT(tidy): the folder under test.

std::string ByIcu(const icu::Normalizer2* form, std::string_view text) {
  UErrorCode error = U_ZERO_ERROR;
  std::string repaired, out;
  AppendUtf8Repaired(text, repaired);
  form->normalize(icu::UnicodeString::fromUTF8(repaired), error).toUTF8String(out);
  LOQUAT_CHECK(U_SUCCESS(error), "ICU normalises any text");
  return out;
}

void CheckMap(std::string_view text, const std::string& normalized, const OffsetMap& map) {
  std::uint32_t last = 0;
  for (std::uint32_t at = 0; at < normalized.size(); ++at) {
    const std::uint32_t begin = map.ToOriginalBegin(at), end = map.ToOriginalEnd(at + 1);
    LOQUAT_CHECK(begin >= last && begin < end && end <= text.size(), "every byte came from somewhere, in order");
    last = begin;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  UErrorCode error = U_ZERO_ERROR;
  const std::string nfc = ToNfc(text), nfkc = ToNfkc(text), lower = ToLowerCase(text);
  LOQUAT_CHECK(nfc == ByIcu(icu::Normalizer2::getNFCInstance(error), text), "NFC is ICU's");
  LOQUAT_CHECK(nfkc == ByIcu(icu::Normalizer2::getNFKCInstance(error), text), "NFKC is ICU's");
  LOQUAT_CHECK(IsNfc(nfc) && ToNfkc(nfkc) == nfkc && ToLowerCase(lower) == lower, "forms are idempotent");

  std::string matching;
  OffsetMap map;
  AppendForMatching(text, matching, &map);
  LOQUAT_CHECK(IsValidUtf8(nfc) && IsValidUtf8(nfkc) && IsValidUtf8(lower) && IsValidUtf8(matching), "forms are UTF-8");
  LOQUAT_CHECK(NormalizeForMatching(matching) == matching, "the matching form is idempotent");
  CheckMap(text, matching, map);
  return 0;
}
