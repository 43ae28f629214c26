#include "config/scalars.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>
#include <vector>

#include "base/strings.h"

namespace loquat::config {
namespace {

using base::IsAsciiDigit;

constexpr std::size_t kDigitsMax = 30;      // 10^30 is past every 64-bit type and fits Wide.
constexpr std::size_t kNameBytesMax = 128;  // Names longer than this are like nothing.

struct Unit {
  std::string_view name;
  Wide size;
};

constexpr Wide kSecond = 1'000'000'000;
constexpr std::array<Unit, 7> kDurationUnits = {Unit{"d", 86400 * kSecond},
                                                Unit{"h", 3600 * kSecond},
                                                Unit{"m", 60 * kSecond},
                                                Unit{"s", kSecond},
                                                Unit{"ms", 1'000'000},
                                                Unit{"us", 1'000},
                                                Unit{"ns", 1}};
constexpr std::array<Unit, 10> kByteUnits = {Unit{"TiB", Wide{1} << 40},
                                             Unit{"GiB", Wide{1} << 30},
                                             Unit{"MiB", Wide{1} << 20},
                                             Unit{"KiB", Wide{1} << 10},
                                             Unit{"B", 1},
                                             Unit{"kB", 1'000},
                                             Unit{"KB", 1'000},
                                             Unit{"MB", 1'000'000},
                                             Unit{"GB", 1'000'000'000},
                                             Unit{"TB", 1'000'000'000'000}};

std::unexpected<std::string> Why(std::string_view why) {
  return std::unexpected(std::string(why));
}

std::size_t CountDigits(std::string_view text) {
  std::size_t n = 0;
  while (n < text.size() && IsAsciiDigit(text[n])) ++n;
  return n;
}

// REQUIRES: all digits, at most kDigitsMax.
Wide DigitsToWide(std::string_view digits) {
  Wide value = 0;
  for (const char c : digits) value = value * 10 + (c - '0');
  return value;
}

template <std::size_t kCount>
const Unit* FindUnit(const std::array<Unit, kCount>& units, std::string_view name) {
  const auto found = std::ranges::find(units, name, &Unit::name);
  return found == units.end() ? nullptr : &*found;
}

// "12" or "1.5" at the front of `text`, times a unit, which must come out whole.
struct Quantity {
  std::string_view digits;
  std::string_view fraction;
};

Quantity TakeQuantity(std::string_view& text) {
  Quantity quantity{.digits = text.substr(0, CountDigits(text)), .fraction = {}};
  text.remove_prefix(quantity.digits.size());
  if (text.starts_with('.')) {
    quantity.fraction = text.substr(1, CountDigits(text.substr(1)));
    if (!quantity.fraction.empty()) text.remove_prefix(1 + quantity.fraction.size());
  }
  return quantity;
}

}  // namespace

Parsed<bool> ParseBool(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  const std::string lower = base::ToLowerAscii(text);
  for (const std::string_view word : {"yes", "no", "on", "off", "y", "n", "true", "false"}) {
    if (lower == word) return Why("YAML 1.1's other words for true and false are not read");
  }
  return Why("");
}

Parsed<Wide> ParseInteger(std::string_view text) {
  const bool negative = text.starts_with('-');
  const std::string_view digits = text.substr(negative ? 1 : 0);
  if (digits.empty()) return Why("");
  if (CountDigits(digits) == digits.size()) {
    if (digits.size() > 1 && digits[0] == '0') return Why("a leading zero means octal in YAML 1.1: write it without");
    if (digits.size() > kDigitsMax) return Why("out of range");
    const Wide value = DigitsToWide(digits);
    return negative ? -value : value;
  }
  if (digits.starts_with("0x") || digits.starts_with("0o") || digits.starts_with("0b"))
    return Why("write it in decimal");
  if (text.starts_with('+') && CountDigits(text.substr(1)) == text.size() - 1)
    return Why("write it without the plus sign");
  if (digits.find('_') != std::string_view::npos && IsAsciiDigit(digits[0])) return Why("write it without underscores");
  if (base::ParseDouble(text).has_value())
    return Why("write a whole number in plain digits, without point or exponent");
  return Why("");
}

Parsed<double> ParseNumber(std::string_view text) {
  const std::string_view unsigned_text = text.substr(text.starts_with('-') ? 1 : 0);
  const std::size_t digits = CountDigits(unsigned_text);
  if (digits == 0) return Why(unsigned_text.starts_with('.') ? "a number starts with a digit and is finite" : "");
  if (digits > 1 && unsigned_text[0] == '0') return Why("a leading zero means octal in YAML 1.1: write it without");
  if (unsigned_text.ends_with('.')) return Why("a digit is missing after the point");
  const auto value = base::ParseDouble(text);
  if (!value.has_value()) return Why("");
  return *value;
}

Parsed<Wide> ParseDuration(std::string_view text) {
  if (text == "0") return 0;
  if (text.starts_with('-')) return Why("a duration is not negative");
  if (text.empty()) return Why("");
  Wide total = 0;
  Wide last_unit = std::numeric_limits<std::int64_t>::max();
  while (!text.empty()) {
    const Quantity quantity = TakeQuantity(text);
    if (quantity.digits.empty()) return Why("");
    const std::size_t unit_size = std::min(text.find_first_of("0123456789."), text.size());
    const std::string_view name = text.substr(0, unit_size);
    text.remove_prefix(unit_size);
    if (name.empty()) return Why("the unit is missing");
    const Unit* unit = FindUnit(kDurationUnits, name);
    if (unit == nullptr) return Why("the unit is not one of d, h, m, s, ms, us, ns");
    if (unit->size >= last_unit) return Why("units come largest first, each once");
    last_unit = unit->size;
    if (quantity.digits.size() > 20 || quantity.fraction.size() > 18) return Why("out of range");
    Wide scale = 1;
    for (std::size_t i = 0; i < quantity.fraction.size(); ++i) scale *= 10;
    const Wide fraction = DigitsToWide(quantity.fraction) * unit->size;
    if (fraction % scale != 0) return Why("finer than a nanosecond");
    total += DigitsToWide(quantity.digits) * unit->size + fraction / scale;
    if (!quantity.fraction.empty() && !text.empty()) return Why("a fraction stands in the last part alone");
  }
  return total;
}

Parsed<Wide> ParseBytes(std::string_view text) {
  const std::size_t digits = CountDigits(text);
  if (digits == 0) return Why(text.starts_with('-') ? "a size is not negative" : "");
  if (digits > 1 && text[0] == '0') return Why("a leading zero means octal in YAML 1.1: write it without");
  if (digits > 20) return Why("out of range");
  const Wide count = DigitsToWide(text.substr(0, digits));
  std::string_view name = text.substr(digits);
  if (name.empty()) return count;
  if (name.starts_with(' ')) name.remove_prefix(1);
  const Unit* unit = FindUnit(kByteUnits, name);
  if (unit == nullptr) return Why("the unit is not one of B, KiB, MiB, GiB, TiB, kB, MB, GB, TB");
  return count * unit->size;
}

std::string FormatInteger(Wide integer) {
  return fmt::format("{}", integer);
}

std::string FormatDuration(Wide nanoseconds) {
  if (nanoseconds == 0) return "0s";
  for (const Unit& unit : kDurationUnits) {
    if (nanoseconds % unit.size == 0) return FormatInteger(nanoseconds / unit.size).append(unit.name);
  }
  return {};  // Not reached: every number of nanoseconds is whole.
}

std::string FormatBytes(Wide bytes) {
  if (bytes == 0) return "0B";
  for (const Unit& unit : kByteUnits) {
    if (bytes % unit.size == 0) return FormatInteger(bytes / unit.size).append(unit.name);
  }
  return {};  // Not reached: "B" divides everything.
}

std::string_view NearestName(std::string_view name, const std::string_view* names, std::size_t count) {
  std::string_view best;
  if (name.size() > kNameBytesMax) return best;
  std::size_t best_distance = std::max<std::size_t>(name.size() / 3, 1) + 1;
  for (std::size_t k = 0; k < count; ++k) {
    const std::string_view other = names[k];
    if (other.size() > kNameBytesMax) continue;
    // Three rows of the table of prefixes: two back, one back, this one.
    std::vector<std::size_t> before(other.size() + 1);
    std::vector<std::size_t> above(other.size() + 1);
    std::vector<std::size_t> row(other.size() + 1);
    for (std::size_t j = 0; j <= other.size(); ++j) above[j] = j;
    for (std::size_t i = 1; i <= name.size(); ++i) {
      row[0] = i;
      for (std::size_t j = 1; j <= other.size(); ++j) {
        const std::size_t change = name[i - 1] == other[j - 1] ? 0 : 1;
        row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + change});
        const bool swapped = i > 1 && j > 1 && name[i - 1] == other[j - 2] && name[i - 2] == other[j - 1];
        if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
      }
      before.swap(above);
      above.swap(row);
    }
    if (above[other.size()] < best_distance) {
      best_distance = above[other.size()];
      best = other;
    }
  }
  return best;
}

}  // namespace loquat::config
