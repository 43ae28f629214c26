// What the user said. A plain value; text is valid UTF-8.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace loquat::domain {

enum class Locale : std::uint8_t { kAuto, kChinese, kEnglish };

// As the API and the configuration write it.
constexpr std::string_view LocaleName(Locale locale) {
  switch (locale) {
    case Locale::kChinese:
      return "zh";
    case Locale::kEnglish:
      return "en";
    case Locale::kAuto:
      return "auto";
  }
  return "auto";
}

struct Utterance {
  std::string text;  // UTF-8, as it came.
  Locale locale = Locale::kAuto;
  std::string session;  // Empty: no session.
  bool final = true;    // False: text is still arriving.
};

}  // namespace loquat::domain
