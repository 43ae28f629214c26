// The formatting half of python_text.h: "%s" % x and "{}".format(x).

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/strings.h"
#include "base/utf8.h"
#include "text/template/operators.h"
#include "text/template/python_text.h"

namespace loquat::text::jinja {

using base::Result;
using base::Status;

namespace {

constexpr std::size_t kWidthMax = 1000;  // Of a field, and of a precision.

struct Conversion {
  bool left = false, zero = false, plus = false, space = false;
  std::size_t width = 0;
  int precision = -1;  // Negative: none given.
  char letter = 's';
};

// What stands behind a '%'; `at` is moved behind it.
Result<Conversion> ReadConversion(std::string_view format, std::size_t& at) {
  Conversion conversion;
  for (; at < format.size() && std::string_view("-0+ #").find(format[at]) != std::string_view::npos; ++at) {
    conversion.left |= format[at] == '-';
    conversion.zero |= format[at] == '0';
    conversion.plus |= format[at] == '+';
    conversion.space |= format[at] == ' ';
    if (format[at] == '#') return Fault("the flag # of a % format is not supported");
  }
  const auto number = [&]() -> Result<std::size_t> {
    std::size_t value = 0;
    for (; at < format.size() && base::IsAsciiDigit(format[at]); ++at) {
      value = value * 10 + static_cast<std::size_t>(format[at] - '0');
      if (value > kWidthMax) return LimitFault(fmt::format("a % format wider than {}", kWidthMax));
    }
    return value;
  };
  LOQUAT_ASSIGN(conversion.width, number());
  if (at < format.size() && format[at] == '.') {
    ++at;
    LOQUAT_ASSIGN(const std::size_t precision, number());
    conversion.precision = static_cast<int>(precision);
  }
  if (at == format.size()) return Fault("a % format ends before its letter");
  conversion.letter = format[at++];
  return conversion;
}

std::string SignOf(bool negative, const Conversion& conversion) {
  return negative ? "-" : conversion.plus ? "+" : conversion.space ? " " : "";
}

void Pad(std::string sign, std::string body, const Conversion& conversion, bool numeric, std::string& out) {
  const std::size_t length = sign.size() + base::CountCodePoints(body);
  const std::size_t fill = conversion.width > length ? conversion.width - length : 0;
  if (conversion.left) {
    out += sign + body + std::string(fill, ' ');
  } else if (numeric && conversion.zero) {
    out += sign + std::string(fill, '0') + body;
  } else {
    out += std::string(fill, ' ') + sign + body;
  }
}

Status AppendInteger(const Conversion& conversion, const Value& value, std::string& out) {
  std::int64_t number = 0;
  if (value.IsInteger()) {
    number = value.AsInt();
  } else if (value.Is(Kind::kFloat) && std::abs(value.AsDouble()) < 9e18 &&
             std::string_view("diu").find(conversion.letter) != std::string_view::npos) {
    number = static_cast<std::int64_t>(value.AsDouble());
  } else {
    return Fault(fmt::format("%{} needs an integer, not {}", conversion.letter, KindName(value.kind())));
  }
  const std::uint64_t size = number < 0 ? 0 - static_cast<std::uint64_t>(number) : static_cast<std::uint64_t>(number);
  std::string digits = conversion.letter == 'x'   ? fmt::format("{:x}", size)
                       : conversion.letter == 'X' ? fmt::format("{:X}", size)
                       : conversion.letter == 'o' ? fmt::format("{:o}", size)
                                                  : fmt::format("{}", size);
  if (conversion.precision > static_cast<int>(digits.size())) {
    digits.insert(0, static_cast<std::size_t>(conversion.precision) - digits.size(), '0');
  }
  Pad(SignOf(number < 0, conversion), std::move(digits), conversion, true, out);
  return {};
}

Status AppendReal(const Conversion& conversion, const Value& value, std::string& out) {
  if (!value.IsNumber())
    return Fault(fmt::format("%{} needs a number, not {}", conversion.letter, KindName(value.kind())));
  const double number = value.AsDouble();
  const int precision = conversion.precision < 0 ? 6 : conversion.precision;
  std::string digits;
  switch (conversion.letter) {
    case 'e':
      digits = fmt::format("{:.{}e}", std::abs(number), precision);
      break;
    case 'E':
      digits = fmt::format("{:.{}E}", std::abs(number), precision);
      break;
    case 'g':
      digits = fmt::format("{:.{}g}", std::abs(number), precision);
      break;
    case 'G':
      digits = fmt::format("{:.{}G}", std::abs(number), precision);
      break;
    default:
      digits = fmt::format("{:.{}f}", std::abs(number), precision);
  }
  Pad(SignOf(std::signbit(number), conversion), std::move(digits), conversion, std::isfinite(number), out);
  return {};
}

Status AppendConverted(Work& work, const Conversion& conversion, const Value& value, std::string& out) {
  switch (conversion.letter) {
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X':
    case 'o':
      return AppendInteger(conversion, value, out);
    case 'f':
    case 'F':
    case 'e':
    case 'E':
    case 'g':
    case 'G':
      return AppendReal(conversion, value, out);
    case 's':
    case 'r': {
      std::string text;
      LOQUAT_TRY(conversion.letter == 's' ? AppendText(work, value, text) : AppendRepr(work, value, text));
      if (conversion.precision >= 0) {
        std::size_t end = 0;
        for (int i = 0; i < conversion.precision && end < text.size(); ++i) end += base::DecodeUtf8(text, end).length;
        text.resize(end);
      }
      Pad("", std::move(text), conversion, false, out);
      return {};
    }
    default:
      return Fault(
          fmt::format("%{} is not a format that is known here: s, r, d, x, o, f, e and g are", conversion.letter));
  }
}

}  // namespace

Result<Value> FormatPercent(Work& work, std::string_view format, std::span<const Value> args, bool lets_rest) {
  std::string out;
  std::size_t next = 0;
  for (std::size_t at = 0; at < format.size();) {
    LOQUAT_TRY(work.CheckBytes(out.size()));
    if (format[at] != '%') {
      out.push_back(format[at++]);
      continue;
    }
    ++at;
    LOQUAT_ASSIGN(const Conversion conversion, ReadConversion(format, at));
    if (conversion.letter == '%') {
      out.push_back('%');
      continue;
    }
    if (next == args.size()) return Fault("a % format names more values than it is given");
    LOQUAT_TRY(AppendConverted(work, conversion, args[next++], out));
  }
  if (next < args.size() && !lets_rest) return Fault("a % format is given more values than it names");
  return work.Text(out);
}

Result<Value> FormatBraces(Work& work, std::string_view format, std::span<const Value> args,
                           std::span<const NamedValue> named) {
  std::string out;
  std::size_t next = 0;
  for (std::size_t at = 0; at < format.size(); ++at) {
    LOQUAT_TRY(work.CheckBytes(out.size()));
    const char c = format[at];
    if (c != '{' && c != '}') {
      out.push_back(c);
      continue;
    }
    if (at + 1 < format.size() && format[at + 1] == c) {
      out.push_back(c);
      ++at;
      continue;
    }
    const std::size_t end = format.find('}', at);
    if (c == '}' || end == std::string_view::npos) return Fault(fmt::format("a single '{}' in a format", c));
    const std::string_view field = format.substr(at + 1, end - at - 1);
    at = end;
    if (field.find_first_of("!:.[{") != std::string_view::npos) {
      return Fault(fmt::format("the field {{{}}} of a format: only plain fields are supported", field));
    }
    const std::optional<std::size_t> index = field.empty() ? next++ : base::ParseInt<std::size_t>(field);
    const auto found = std::ranges::find(named, field, &NamedValue::name);
    if (index ? *index >= args.size() : found == named.end())
      return Fault(fmt::format("no value for the field {{{}}} of a format", field));
    LOQUAT_TRY(AppendText(work, index ? args[*index] : found->value, out));
  }
  return work.Text(out);
}

}  // namespace loquat::text::jinja
