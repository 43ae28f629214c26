#include "config/types.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/utf8.h"

namespace loquat::config {
namespace {

// Text that means a boolean or a number is plain; quotes make it a string, which is a different type.
bool IsPlainText(const Value& value) {
  return value.kind == Kind::kScalar && value.style != Style::kQuoted;
}

constexpr std::string_view kQuoted = "quotes make it text: write it without";

}  // namespace

void BoolType::Read(const Value& value, void* out, Reader& reader) const {
  if (!IsPlainText(value)) return reader.Reject(value, value.kind == Kind::kScalar ? kQuoted : "", Allowed());
  const auto parsed = ParseBool(value.text);
  if (!parsed.has_value()) return reader.Reject(value, parsed.error(), Allowed());
  *static_cast<bool*>(out) = *parsed;
}

Value BoolType::Write(const void* in) const {
  return Value::Scalar(*static_cast<const bool*>(in) ? "true" : "false");
}

void WideType::SetRange(Wide low, Wide high) {
  LOQUAT_CHECK(low <= high && low >= type_low_ && high <= type_high_, "a range lies within the key's type");
  low_ = low;
  high_ = high;
}

std::string WideType::Show(Wide steps) const {
  if (notation_ == Notation::kDuration) return FormatDuration(steps * unit_);
  return notation_ == Notation::kBytes ? FormatBytes(steps) : FormatInteger(steps);
}

std::string WideType::Allowed() const {
  constexpr std::string_view kNames[] = {"integer", "byte size", "duration"};
  constexpr std::string_view kExamples[] = {"", " (as in 64KiB)", " (as in 800ms)"};
  const auto notation = static_cast<std::size_t>(notation_);
  const Wide low = notation_ == Notation::kBytes ? std::max<Wide>(low_, 0) : low_;
  std::string range;
  if (high_ != type_high_) {
    range = fmt::format(" from {} to {}", Show(low), Show(high_));
  } else if (low != type_low_ || low == 0) {
    range = fmt::format(" of at least {}", Show(low));
  }
  return fmt::format("{}{}{}", kNames[notation], range, kExamples[notation]);
}

std::optional<Wide> WideType::ReadSteps(const Value& value, Reader& reader) const {
  const auto reject = [&](std::string_view why) {
    reader.Reject(value, why, Allowed());
    return std::nullopt;
  };
  if (!IsPlainText(value)) return reject(value.kind == Kind::kScalar ? kQuoted : "");
  const Parsed<Wide> parsed = notation_ == Notation::kDuration ? ParseDuration(value.text)
                              : notation_ == Notation::kBytes  ? ParseBytes(value.text)
                                                               : ParseInteger(value.text);
  if (!parsed.has_value()) return reject(parsed.error());
  if (*parsed % unit_ != 0) return reject(fmt::format("not a multiple of {}", FormatDuration(unit_)));
  const Wide steps = *parsed / unit_;
  if (steps < low_ || steps > high_) return reject("out of range");
  return steps;
}

Value WideType::WriteSteps(Wide steps) const {
  return Value::Scalar(Show(steps));
}

void NumberType::SetRange(double low, double high) {
  LOQUAT_CHECK(low <= high, "a range is not empty");
  low_ = low;
  high_ = high;
}

std::string NumberType::Allowed() const {
  if (std::isinf(low_) && std::isinf(high_)) return "number";
  return fmt::format("number from {} to {}", low_, high_);
}

void NumberType::Read(const Value& value, void* out, Reader& reader) const {
  if (!IsPlainText(value)) return reader.Reject(value, value.kind == Kind::kScalar ? kQuoted : "", Allowed());
  const auto parsed = ParseNumber(value.text);
  if (!parsed.has_value()) return reader.Reject(value, parsed.error(), Allowed());
  const bool fits = !is_float_ || std::isfinite(static_cast<float>(*parsed));
  if (*parsed < low_ || *parsed > high_ || !fits) return reader.Reject(value, "out of range", Allowed());
  if (is_float_) {
    *static_cast<float*>(out) = static_cast<float>(*parsed);
  } else {
    *static_cast<double*>(out) = *parsed;
  }
}

Value NumberType::Write(const void* in) const {
  return Value::Scalar(is_float_ ? fmt::format("{}", *static_cast<const float*>(in))
                                 : fmt::format("{}", *static_cast<const double*>(in)));
}

void StringType::SetMatch(Match match, std::string allowed) {
  match_ = std::move(match);
  allowed_ = std::move(allowed);
}

void StringType::SetSize(std::size_t low, std::size_t high) {
  LOQUAT_CHECK(low <= high, "a size range is not empty");
  size_low_ = low;
  size_high_ = high;
}

std::string StringType::Allowed() const {
  // A form of its own says more than a bound that nobody set.
  if (match_ && size_low_ == 0 && size_high_ == kTextBytesMax) return allowed_;
  if (size_low_ == 0) return fmt::format("{} of at most {} bytes", allowed_, size_high_);
  return fmt::format("{} of {} to {} bytes", allowed_, size_low_, size_high_);
}

void StringType::Read(const Value& value, void* out, Reader& reader) const {
  if (value.kind == Kind::kNull) return reader.Reject(value, "for empty text write \"\"", Allowed());
  if (value.kind != Kind::kScalar) return reader.Reject(value, "", Allowed());
  if (value.text.find('\0') != std::string::npos || !base::IsValidUtf8(value.text)) {
    return reader.Reject(value, "not UTF-8 text", Allowed());
  }
  const bool fits = value.text.size() >= size_low_ && value.text.size() <= size_high_;
  if (!fits || (match_ && !match_(value.text))) return reader.Reject(value, "", Allowed());
  *static_cast<std::string*>(out) = value.text;
}

Value StringType::Write(const void* in) const {
  return Value::Scalar(*static_cast<const std::string*>(in), Style::kQuoted);
}

void CheckEntryName(const Member& member, Reader& reader) {
  const bool printable =
      std::ranges::none_of(member.key, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
  if (member.key.empty() || member.key.size() > kEntryNameBytesMax || !printable) {
    reader.Problem(member.place, fmt::format("an entry's name has 1 to {} printable bytes", kEntryNameBytesMax));
  }
}

}  // namespace loquat::config
