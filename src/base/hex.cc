#include "base/hex.h"

namespace loquat::base {
namespace {

int DigitValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

void AppendHex(std::span<const unsigned char> bytes, std::string& out) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  out.reserve(out.size() + bytes.size() * 2);
  for (const unsigned char byte : bytes) {
    out.push_back(kDigits[byte >> 4]);
    out.push_back(kDigits[byte & 15]);
  }
}

std::string EncodeHex(std::span<const unsigned char> bytes) {
  std::string out;
  AppendHex(bytes, out);
  return out;
}

bool DecodeHex(std::string_view digits, std::span<unsigned char> bytes) {
  if (digits.size() != bytes.size() * 2) return false;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const int high = DigitValue(digits[2 * i]);
    const int low = DigitValue(digits[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    bytes[i] = static_cast<unsigned char>(high << 4 | low);
  }
  return true;
}

}  // namespace loquat::base
