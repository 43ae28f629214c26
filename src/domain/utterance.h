// What the user said. A plain value; text is valid UTF-8.

#pragma once

#include <cstdint>
#include <string>

namespace loquat::domain {

enum class Locale : std::uint8_t { kAuto, kChinese, kEnglish };

struct Utterance {
  std::string text;  // UTF-8, as it came.
  Locale locale = Locale::kAuto;
  std::string session;  // Empty: no session.
  bool final = true;    // False: text is still arriving.
};

}  // namespace loquat::domain
