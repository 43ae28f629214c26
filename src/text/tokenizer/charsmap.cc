#include "text/tokenizer/charsmap.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <utility>

namespace loquat::text {
namespace {

// A unit of darts-clone. A leaf's value has bit 31 set where a label would stand, so that no byte equals it.
constexpr bool HasLeaf(std::uint32_t unit) {
  return (unit >> 8 & 1) != 0;
}
constexpr std::uint32_t Value(std::uint32_t unit) {
  return unit & 0x7FFFFFFF;
}
constexpr std::uint32_t Label(std::uint32_t unit) {
  return unit & 0x800000FF;
}
constexpr std::uint32_t Offset(std::uint32_t unit) {
  return unit >> 10 << ((unit & 0x200) >> 6);
}

std::uint32_t ReadU32(std::string_view bytes, std::size_t at) {
  std::uint32_t value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  if constexpr (std::endian::native == std::endian::big) value = __builtin_bswap32(value);
  return value;
}

}  // namespace

base::Result<Charsmap> Charsmap::Read(std::string_view blob) {
  Charsmap map;
  if (blob.empty()) return map;
  if (blob.size() > kBytesMax) {
    return base::InvalidArgument(
        fmt::format("the normalisation rules have {} bytes; at most {} are allowed", blob.size(), kBytesMax));
  }
  constexpr std::size_t kHeader = sizeof(std::uint32_t);
  if (blob.size() < kHeader) return base::InvalidArgument("the normalisation rules are cut short");
  const std::size_t array_bytes = ReadU32(blob, 0);
  if (array_bytes > blob.size() - kHeader || array_bytes % sizeof(std::uint32_t) != 0 || array_bytes == 0) {
    return base::InvalidArgument(fmt::format("the normalisation rules say {} bytes of double array, but {} are there",
                                             array_bytes, blob.size() - kHeader));
  }
  map.units_.resize(array_bytes / sizeof(std::uint32_t));
  for (std::size_t i = 0; i < map.units_.size(); ++i)
    map.units_[i] = ReadU32(blob, kHeader + i * sizeof(std::uint32_t));
  map.replacements_ = blob.substr(kHeader + array_bytes);
  return map;
}

Charsmap::Rule Charsmap::Longest(std::string_view text) const {
  Rule rule;
  if (units_.empty()) return rule;
  std::size_t at = Offset(units_[0]);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    at ^= byte;
    if (at >= units_.size() || Label(units_[at]) != byte) break;
    const bool has_leaf = HasLeaf(units_[at]);
    at ^= Offset(units_[at]);
    if (!has_leaf || at >= units_.size()) continue;
    const std::size_t begin = Value(units_[at]);
    if (begin >= replacements_.size()) continue;
    const std::string_view rest = std::string_view(replacements_).substr(begin);
    rule = {.length = i + 1, .replacement = rest.substr(0, rest.find('\0'))};
  }
  return rule;
}

}  // namespace loquat::text
