#include "text/tokenizer/unicode_forms.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>

#include <algorithm>

#include "base/check.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "text/decode.h"

namespace loquat::text {
namespace {

bool IsAscii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// REQUIRES: composed text, whose marks are in canonical order: then ICU's decomposition takes linear time.
void AppendDecomposed(const icu::Normalizer2* form, std::string_view composed, std::string& out) {
  UErrorCode error = U_ZERO_ERROR;
  LOQUAT_CHECK(form != nullptr, "ICU carries the data of the normal forms");
  icu::StringByteSink<std::string> sink(&out);
  form->normalizeUTF8(0, icu::StringPiece(composed.data(), static_cast<std::int32_t>(composed.size())), sink, nullptr,
                      error);
  LOQUAT_CHECK(U_SUCCESS(error), "ICU normalises any well-formed text");
}

void AppendWithoutMarks(std::string_view text, std::uint32_t categories, std::string& out) {
  for (std::size_t at = 0; at < text.size();) {
    const base::DecodedCodePoint c = Decode(text, at);
    at += c.length;
    if ((U_GET_GC_MASK(static_cast<UChar32>(c.code_point)) & categories) == 0) base::AppendUtf8(c.code_point, out);
  }
}

}  // namespace

void AppendNfd(std::string_view text, std::string& out) {
  UErrorCode error = U_ZERO_ERROR;
  if (IsAscii(text)) {
    out.append(text);
  } else {
    AppendDecomposed(icu::Normalizer2::getNFDInstance(error), ToNfc(text), out);
  }
}

void AppendNfkd(std::string_view text, std::string& out) {
  UErrorCode error = U_ZERO_ERROR;
  if (IsAscii(text)) {
    out.append(text);
  } else {
    AppendDecomposed(icu::Normalizer2::getNFKDInstance(error), ToNfkc(text), out);
  }
}

void AppendLowerCaseByCharacter(std::string_view text, std::string& out) {
  for (std::size_t at = 0; at < text.size();) {
    const base::DecodedCodePoint c = Decode(text, at);
    at += c.length;
    if (c.code_point < 0x80) {
      out.push_back(base::ToLowerAscii(static_cast<char>(c.code_point)));
    } else if (c.code_point == 0x130) {
      out.append("i\u0307");  // The one character whose lower case is two (SpecialCasing.txt).
    } else {
      base::AppendUtf8(static_cast<char32_t>(u_tolower(static_cast<UChar32>(c.code_point))), out);
    }
  }
}

void AppendWithoutMarks(std::string_view text, std::string& out) {
  if (IsAscii(text)) {
    out.append(text);
  } else {
    AppendWithoutMarks(text, U_GC_M_MASK, out);
  }
}

void AppendWithoutAccents(std::string_view text, std::string& out) {
  if (IsAscii(text)) {
    out.append(text);
    return;
  }
  std::string decomposed;
  AppendNfd(text, decomposed);
  AppendWithoutMarks(decomposed, U_GC_MN_MASK, out);
}

bool IsChineseCharacter(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B820 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

}  // namespace loquat::text
