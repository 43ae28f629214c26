#include "text/unicode.h"

#include <array>

namespace loquat::text {

std::string_view ScriptName(Script script) {
  static constexpr std::array<std::string_view, kScriptCount> kNames = {
      "Unknown",  "Common",   "Inherited", "Other",  "Latin",  "Han",      "Hiragana", "Katakana",   "Hangul",
      "Bopomofo", "Cyrillic", "Greek",     "Arabic", "Hebrew", "Armenian", "Georgian", "Devanagari", "Bengali",
      "Tamil",    "Telugu",   "Thai",      "Lao",    "Khmer",  "Myanmar",  "Tibetan",  "Ethiopic"};
  return kNames[static_cast<std::size_t>(script)];
}

}  // namespace loquat::text
