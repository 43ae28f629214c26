// An exact decimal number of few digits, as people say amounts: 3.5, 25000, -5, 0.75.
// A value; safe from any thread. No rounding anywhere: what does not fit is refused.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace loquat::understanding {

// units / 10^scale, kept without trailing zeros after the point, so equal numbers have equal members.
class Decimal {
 public:
  static constexpr std::int64_t kUnitsMax = 1'000'000'000'000'000;  // |units|; larger is refused.
  static constexpr int kScaleMax = 9;                               // Digits after the point; more is refused.

  constexpr Decimal() = default;
  // REQUIRES: |integer| <= kUnitsMax, as every constant of this library is.
  static constexpr Decimal Of(std::int64_t integer) { return Decimal(integer, 0); }
  static std::optional<Decimal> Make(std::int64_t units, int scale);

  constexpr std::int64_t units() const { return units_; }
  constexpr int scale() const { return scale_; }
  bool is_integer() const { return scale_ == 0; }
  std::optional<std::int64_t> AsInteger() const;

  std::optional<Decimal> Plus(const Decimal& other) const;
  std::optional<Decimal> Times(const Decimal& other) const;
  // Nothing when the quotient has no finite decimal expansion of kScaleMax digits. REQUIRES: divisor > 0.
  std::optional<Decimal> DividedBy(std::int64_t divisor) const;
  Decimal Negated() const { return Decimal(-units_, scale_); }
  bool LessThan(std::int64_t integer) const;

  // Plain digits, with a point where needed: "-0.75".
  void AppendTo(std::string& out) const;

  bool operator==(const Decimal&) const = default;

 private:
  constexpr Decimal(std::int64_t units, int scale) : units_(units), scale_(scale) {}

  std::int64_t units_ = 0;
  int scale_ = 0;
};

}  // namespace loquat::understanding
