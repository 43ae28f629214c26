#include "base/json_scan.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/utf8.h"

namespace loquat::base {
namespace {

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

bool IsSpace(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

int HexDigit(char c) {
  if (IsDigit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

class Scanner {
 public:
  Scanner(std::string_view json, std::size_t max_depth) : json_(json), max_depth_(max_depth) {}

  JsonFault Run() {
    while (!done_ && fault_.kind == JsonFault::Kind::kNone) Step();
    if (fault_.kind == JsonFault::Kind::kNone) {
      SkipSpace();
      if (at_ < json_.size()) Fail("text after the end of the value");
    }
    return fault_;
  }

 private:
  enum class Expect : std::uint8_t { kValue, kFirstItem, kFirstKey, kKey, kAfterValue };

  char Peek() const { return at_ < json_.size() ? json_[at_] : '\0'; }
  bool Ended() const { return at_ >= json_.size(); }
  void SkipSpace() {
    while (!Ended() && IsSpace(json_[at_])) ++at_;
  }
  bool Fail(std::string_view what) {
    fault_ = {.kind = JsonFault::Kind::kSyntax, .offset = at_, .what = what};
    return false;
  }

  void Step() {
    SkipSpace();
    if (Ended()) {
      Fail(json_.empty() ? "the text is empty" : "the text ends too early");
      return;
    }
    switch (expect_) {
      case Expect::kFirstItem:
        if (Peek() == ']') return Close();
        [[fallthrough]];
      case Expect::kValue:
        return Value();
      case Expect::kFirstKey:
        if (Peek() == '}') return Close();
        [[fallthrough]];
      case Expect::kKey:
        return Key();
      case Expect::kAfterValue:
        return AfterValue();
    }
  }

  void Open(bool object) {
    if (in_object_.size() >= max_depth_) {
      // An empty container holds nothing deeper: it counts as a plain value, as it does to the parser.
      const std::size_t next = json_.find_first_not_of(" \t\n\r", at_ + 1);
      if (next != std::string_view::npos && json_[next] == (object ? '}' : ']')) {
        at_ = next + 1;
        return ValueDone();
      }
      fault_ = {.kind = JsonFault::Kind::kTooDeep, .offset = at_, .what = "nested too deep"};
      return;
    }
    in_object_.push_back(object);
    ++at_;
    expect_ = object ? Expect::kFirstKey : Expect::kFirstItem;
  }

  void Close() {
    in_object_.pop_back();
    ++at_;
    ValueDone();
  }

  // A value is complete.
  void ValueDone() {
    expect_ = Expect::kAfterValue;
    done_ = in_object_.empty();
  }

  void AfterValue() {
    const bool object = in_object_.back();
    if (Peek() == ',') {
      ++at_;
      expect_ = object ? Expect::kKey : Expect::kValue;
    } else if (Peek() == (object ? '}' : ']')) {
      Close();
    } else {
      Fail(object ? "a comma or } is missing" : "a comma or ] is missing");
    }
  }

  void Key() {
    if (Peek() != '"') {
      Fail("a key in quotes is missing");
      return;
    }
    if (!String()) return;
    SkipSpace();
    if (Peek() != ':') {
      Fail("a colon is missing");
      return;
    }
    ++at_;
    expect_ = Expect::kValue;
  }

  void Value() {
    const char c = Peek();
    if (c == '{' || c == '[') return Open(c == '{');
    bool good = false;
    if (c == '"') {
      good = String();
    } else if (c == '-' || IsDigit(c)) {
      good = Number();
    } else {
      good = Literal("true") || Literal("false") || Literal("null") || Fail("a value is missing");
    }
    if (good) ValueDone();
  }

  bool Literal(std::string_view word) {
    if (!json_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  bool Digits() {
    if (!IsDigit(Peek())) return Fail("a digit is missing");
    while (IsDigit(Peek())) ++at_;
    return true;
  }

  bool Number() {
    const std::size_t start = at_;
    bool integer = true;
    if (Peek() == '-') ++at_;
    if (Peek() == '0') {
      ++at_;
      if (IsDigit(Peek())) return Fail("a number starts with a needless zero");
    } else if (!Digits()) {
      return false;
    }
    if (Peek() == '.') {
      integer = false;
      ++at_;
      if (!Digits()) return false;
    }
    if (Peek() == 'e' || Peek() == 'E') {
      integer = false;
      ++at_;
      if (Peek() == '+' || Peek() == '-') ++at_;
      if (!Digits()) return false;
    }
    return InRange(start, integer);
  }

  // Integers fit 64 bits, signed or not; other numbers are finite.
  bool InRange(std::size_t start, bool integer) {
    const char* first = json_.data() + start;
    const char* last = json_.data() + at_;
    std::errc error{};
    double real = 0;
    if (!integer) {
      // from_chars calls a number too small as out of range too; that one is a zero to us.
      error = std::from_chars(first, last, real).ec;
      if (error != std::errc::result_out_of_range || !TooLarge(std::string_view(first, last))) return true;
    } else if (*first == '-') {
      std::int64_t number = 0;
      error = std::from_chars(first, last, number).ec;
    } else {
      std::uint64_t number = 0;
      error = std::from_chars(first, last, number).ec;
    }
    if (error == std::errc{}) return true;
    at_ = start;
    return Fail("a number is out of range");
  }

  // Whether a number that double cannot hold is too large rather than too small: where its first digit stands counts.
  static bool TooLarge(std::string_view number) {
    const std::size_t e = number.find_first_of("eE");
    const std::string_view mantissa = number.substr(number.front() == '-' ? 1 : 0, e - (number.front() == '-' ? 1 : 0));
    const std::size_t digit = mantissa.find_first_not_of("0.");
    if (digit == std::string_view::npos) return false;
    const std::size_t point = std::min(mantissa.find('.'), mantissa.size());
    const std::int64_t place = static_cast<std::int64_t>(point) - static_cast<std::int64_t>(digit);
    if (e == std::string_view::npos) return place > 0;
    std::string_view power = number.substr(e + 1);
    if (power.front() == '+') power.remove_prefix(1);
    std::int64_t exponent = 0;
    if (std::from_chars(power.data(), power.data() + power.size(), exponent).ec != std::errc{}) {
      return power.front() != '-';
    }
    return exponent > -place;
  }

  bool String() {
    ++at_;
    while (!Ended()) {
      const auto c = static_cast<unsigned char>(json_[at_]);
      if (c == '"') {
        ++at_;
        return true;
      }
      if (c < 0x20) return Fail("a control character stands bare in a string");
      if (c == '\\') {
        if (!Escape()) return false;
        continue;
      }
      const DecodedCodePoint decoded = DecodeUtf8(json_, at_);
      if (!decoded.valid) return Fail("a byte is not UTF-8");
      at_ += decoded.length;
    }
    return Fail("a string has no closing quote");
  }

  bool Escape() {
    ++at_;
    const char c = Peek();
    if (Ended() || std::string_view("\"\\/bfnrtu").find(c) == std::string_view::npos) {
      return Fail("an escape is unknown");
    }
    ++at_;
    if (c != 'u') return true;
    int unit = 0;
    if (!Hex4(unit)) return false;
    if (unit >= 0xDC00 && unit <= 0xDFFF) return Fail("a surrogate has no first half");
    if (unit < 0xD800 || unit > 0xDBFF) return true;
    if (!json_.substr(at_).starts_with("\\u")) return Fail("a surrogate has no second half");
    at_ += 2;
    if (!Hex4(unit)) return false;
    return (unit >= 0xDC00 && unit <= 0xDFFF) || Fail("a surrogate has no second half");
  }

  bool Hex4(int& unit) {
    unit = 0;
    for (int i = 0; i < 4; ++i) {
      const int digit = HexDigit(Peek());
      if (digit < 0) return Fail("\\u needs four hexadecimal digits");
      unit = unit * 16 + digit;
      ++at_;
    }
    return true;
  }

  const std::string_view json_;
  const std::size_t max_depth_;
  std::size_t at_ = 0;
  Expect expect_ = Expect::kValue;
  bool done_ = false;
  std::vector<bool> in_object_;  // One bit for each open container: object or array.
  JsonFault fault_;
};

}  // namespace

JsonFault FindJsonFault(std::string_view json, std::size_t max_depth) {
  return Scanner(json, max_depth).Run();
}

}  // namespace loquat::base
