#include "understanding/values/decimal.h"

#include <array>
#include <charconv>
#include <cstddef>
#include <string_view>

namespace loquat::understanding {

namespace {

__extension__ using Wide = __int128;

constexpr std::array<std::int64_t, Decimal::kScaleMax + 1> kPowersOfTen = {
    1, 10, 100, 1'000, 10'000, 100'000, 1'000'000, 10'000'000, 100'000'000, 1'000'000'000};

constexpr std::int64_t PowerOfTen(int exponent) {
  return kPowersOfTen[static_cast<std::size_t>(exponent)];
}

// Drops trailing zeros after the point, then checks the bounds. `units` is at most 10^30 in magnitude.
std::optional<Decimal> Reduced(Wide units, int scale) {
  while (scale > 0 && units % 10 == 0) {
    units /= 10;
    --scale;
  }
  if (scale > Decimal::kScaleMax || units > Decimal::kUnitsMax || units < -Decimal::kUnitsMax) return std::nullopt;
  return Decimal::Make(static_cast<std::int64_t>(units), scale);
}

}  // namespace

std::optional<Decimal> Decimal::Make(std::int64_t units, int scale) {
  while (scale > 0 && units % 10 == 0) {
    units /= 10;
    --scale;
  }
  if (scale < 0 || scale > kScaleMax || units > kUnitsMax || units < -kUnitsMax) return std::nullopt;
  return Decimal(units, scale);
}

std::optional<std::int64_t> Decimal::AsInteger() const {
  if (scale_ != 0) return std::nullopt;
  return units_;
}

std::optional<Decimal> Decimal::Plus(const Decimal& other) const {
  const int scale = scale_ > other.scale_ ? scale_ : other.scale_;
  const Wide left = static_cast<Wide>(units_) * PowerOfTen(scale - scale_);
  const Wide right = static_cast<Wide>(other.units_) * PowerOfTen(scale - other.scale_);
  return Reduced(left + right, scale);
}

std::optional<Decimal> Decimal::Times(const Decimal& other) const {
  return Reduced(static_cast<Wide>(units_) * other.units_, scale_ + other.scale_);
}

std::optional<Decimal> Decimal::DividedBy(std::int64_t divisor) const {
  Wide units = units_;
  int scale = scale_;
  while (units % divisor != 0) {
    if (++scale > kScaleMax) return std::nullopt;
    units *= 10;
  }
  return Reduced(units / divisor, scale);
}

bool Decimal::LessThan(std::int64_t integer) const {
  return static_cast<Wide>(units_) < static_cast<Wide>(integer) * PowerOfTen(scale_);
}

void Decimal::AppendTo(std::string& out) const {
  const std::int64_t magnitude = units_ < 0 ? -units_ : units_;
  if (units_ < 0) out += '-';
  const auto append = [&out](std::int64_t number, int width) {
    std::array<char, 20> digits;
    char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    const auto length = static_cast<int>(end - digits.data());
    for (int i = length; i < width; ++i) out += '0';
    out.append(digits.data(), end);
  };
  append(magnitude / PowerOfTen(scale_), 1);
  if (scale_ == 0) return;
  out += '.';
  append(magnitude % PowerOfTen(scale_), scale_);
}

}  // namespace loquat::understanding
