// What a pattern of a model file says, in PCRE2's words. Model files are read by Oniguruma (K. Kosako, doc/RE, Ruby's
// syntax without options); the classes are those of UTS #18, appendix C.

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>

#include "base/utf8.h"
#include "text/tokenizer/pattern.h"

namespace loquat::text {
namespace {

// PCRE2's own \s has U+180E; its \w and \b lack marks and connectors, its POSIX classes are general categories.
constexpr std::string_view kSpace = R"(\t-\r\x{85}\p{Z})";
constexpr std::string_view kWord = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc})";

struct PosixClass {
  std::string_view name, body;
};
constexpr PosixClass kPosixClasses[] = {{"alpha", R"(\p{Alphabetic})"}, {"alnum", R"(\p{Alphabetic}\p{Nd})"},
                                        {"digit", R"(\p{Nd})"},         {"lower", R"(\p{Lowercase})"},
                                        {"upper", R"(\p{Uppercase})"},  {"space", kSpace},
                                        {"blank", R"(\t\p{Zs})"},       {"punct", R"(\p{P}\p{S})"},
                                        {"cntrl", R"(\p{Cc})"},         {"word", kWord},
                                        {"xdigit", "0-9A-Fa-f"}};

// What an escape that names a class stands for inside of brackets; empty: the same in both engines.
std::string_view ClassBody(char escape) {
  return escape == 's' ? kSpace : escape == 'w' ? kWord : std::string_view();
}

class Translator {
 public:
  explicit Translator(std::string_view pattern) : pattern_(pattern) {}

  base::Result<std::string> Run() {
    while (at_ < pattern_.size()) {
      if (pattern_[at_] == '\\') {
        LOQUAT_TRY(Escape(false));
      } else if (pattern_[at_] == '[') {
        LOQUAT_TRY(Class());
      } else if (pattern_[at_] == '(') {
        LOQUAT_TRY(Group());
      } else if (pattern_[at_] == '{') {
        LOQUAT_TRY(Interval());
      } else {
        out_.push_back(pattern_[at_++]);
      }
    }
    return std::move(out_);
  }

 private:
  base::Error Refuse(std::string_view what) const {
    return base::InvalidArgument(fmt::format("the pattern has {} at character {}, which is not supported", what, at_));
  }
  bool Follows(std::string_view text) const { return pattern_.substr(at_).starts_with(text); }
  void Copy(std::size_t count) {
    out_.append(pattern_.substr(at_, count));
    at_ += count;
  }

  base::Status Escape(bool in_class) {
    if (at_ + 1 >= pattern_.size()) return Refuse("a lone backslash");
    const char escape = pattern_[at_ + 1];
    const bool negated = escape >= 'A' && escape <= 'Z';
    const std::string_view body = ClassBody(static_cast<char>(negated ? escape + ('a' - 'A') : escape));
    if (!body.empty()) {
      if (negated && in_class) return Refuse(fmt::format("\\{} inside of brackets", escape));
      out_ += fmt::format("{}{}{}", in_class ? "" : negated ? "[^" : "[", body, in_class ? "" : "]");
      at_ += 2;
      return {};
    }
    constexpr std::string_view kKnown = "dDpPbBrntfvexuAzZ";
    const bool letter = (escape >= 'a' && escape <= 'z') || negated;
    if (letter && kKnown.find(escape) == std::string_view::npos) return Refuse(fmt::format("\\{}", escape));
    if (escape == 'u') return FourDigits();
    if (escape == 'v') {  // Vertical tab alone; PCRE2's \v is a class.
      out_ += R"(\x{0b})";
    } else if (!in_class && (escape == 'b' || escape == 'B')) {
      const std::string_view form =
          escape == 'b' ? "(?:(?<=[{0}])(?![{0}])|(?<![{0}])(?=[{0}]))" : "(?:(?<=[{0}])(?=[{0}])|(?<![{0}])(?![{0}]))";
      out_ += fmt::format(fmt::runtime(form), kWord);
    } else {
      Copy(2);
      const bool named = (escape == 'p' || escape == 'P' || escape == 'x') && Follows("{");
      if (named) Copy(std::min(pattern_.find('}', at_), pattern_.size() - 1) - at_ + 1);
      return {};
    }
    at_ += 2;
    return {};
  }

  base::Status FourDigits() {
    const std::string_view digits = pattern_.substr(at_ + 2, 4);
    if (digits.size() != 4 || digits.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos) {
      return Refuse("\\u without four digits");
    }
    out_ += fmt::format("\\x{{{}}}", digits);
    at_ += 6;
    return {};
  }

  // A class, with classes in it that add to it ("[^(\s|[.,])]"); an intersection has no like in PCRE2.
  base::Status Class() {
    int depth = 0;
    do {
      if (Follows("&&")) return Refuse("an intersection of classes");
      const char c = pattern_[at_];
      if (c == '\\') {
        LOQUAT_TRY(Escape(true));
      } else if (depth > 0 && Follows("[:")) {
        LOQUAT_TRY(Posix());
      } else if (c == '[') {
        LOQUAT_TRY(OpenClass(depth++));
      } else if (c == ']') {
        if (--depth == 0) out_.push_back(']');
        ++at_;
        if (depth > 0 && Follows("-")) return Refuse("a - beside a class inside of a class");
      } else {
        Copy(1);
      }
    } while (depth > 0 && at_ < pattern_.size());
    return depth == 0 ? base::Status() : Refuse("brackets that do not end");
  }

  base::Status OpenClass(int depth) {
    const bool negated = pattern_.substr(at_ + 1).starts_with('^');
    if (depth > 0 && negated) return Refuse("a negated class inside of a class");
    if (depth > 0 && out_.ends_with('-')) return Refuse("a - beside a class inside of a class");
    if (depth == 0) out_.append(negated ? "[^" : "[");
    at_ += negated ? 2 : 1;
    if (Follows("]")) {  // First in a class it is a literal.
      out_ += R"(\])";
      ++at_;
    }
    return {};
  }

  base::Status Posix() {
    const std::size_t end = pattern_.find(":]", at_);
    if (end == std::string_view::npos) return Refuse("[: without :]");
    const std::string_view name = pattern_.substr(at_ + 2, end - at_ - 2);
    const auto* const known = std::ranges::find(kPosixClasses, name, &PosixClass::name);
    if (known == std::end(kPosixClasses)) return Refuse(fmt::format("[:{}:]", name));
    out_.append(known->body);
    at_ = end + 2;
    return {};
  }

  // Options but those for case, conditions, recursion, comments, verbs and callouts differ or are in one of the two.
  base::Status Group() {
    if (Follows("(*")) return Refuse("(*");
    if (!Follows("(?")) return Copy(1), base::Status();
    const std::string_view rest = pattern_.substr(at_ + 2);
    if (rest.starts_with("i)")) {  // Further in, it would reach over the alternatives in one engine alone.
      if (at_ != 0) return Refuse("(?i) not at the beginning");
      return Copy(4), base::Status();
    }
    for (const std::string_view kind : {":", "=", "!", ">", "<=", "<!", "i:", "-i:"}) {
      if (rest.starts_with(kind)) return Copy(2 + kind.size()), base::Status();
    }
    const std::size_t name = rest.starts_with('<') ? rest.find('>') : std::string_view::npos;
    if (name != std::string_view::npos) return Copy(2 + name + 1), base::Status();
    return Refuse(fmt::format("(?{}", rest.substr(0, 1)));
  }

  // {n,m} is the same in both, {,m} a literal in PCRE2, and a + behind them possessive there, a repetition here.
  base::Status Interval() {
    const std::size_t end = pattern_.find('}', at_);
    const std::string_view body =
        end == std::string_view::npos ? std::string_view() : pattern_.substr(at_ + 1, end - at_ - 1);
    if (body.empty() || body == "," || body.find_first_not_of("0123456789,") != std::string_view::npos ||
        std::ranges::count(body, ',') > 1) {
      out_ += R"(\{)";  // A literal in both.
      ++at_;
      return {};
    }
    out_ += body.starts_with(',') ? fmt::format("{{0{}}}", body) : fmt::format("{{{}}}", body);
    at_ = end + 1;
    if (Follows("+")) return Refuse("+ after {}");
    return {};
  }

  std::string_view pattern_;
  std::size_t at_ = 0;
  std::string out_;
};

}  // namespace

base::Result<std::string> TranslatePattern(std::string_view pattern) {
  if (pattern.size() > Pattern::kPatternBytesMax) {
    return base::InvalidArgument(
        fmt::format("the pattern has {} bytes; at most {} are allowed", pattern.size(), Pattern::kPatternBytesMax));
  }
  if (!base::IsValidUtf8(pattern)) return base::InvalidArgument("the pattern is not UTF-8");
  return Translator(pattern).Run();
}

}  // namespace loquat::text
