#include "text/template/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "base/strings.h"
#include "base/utf8.h"
#include "text/template/characters.h"

namespace loquat::text::jinja {

base::Error TemplateError(std::uint32_t line, std::string what) {
  return {.code = base::Code::kInvalidArgument,
          .message = fmt::format("chat template, line {}: {}", line, what),
          .reason = "template_error",
          .param = fmt::format("line {}", line)};
}

base::Error LocatedError(base::Error error, std::uint32_t line) {
  if (!error.param.empty()) return error;
  error.param = fmt::format("line {}", line);
  error.message = fmt::format("chat template, line {}: {}", line, error.message);
  return error;
}

namespace {

using base::Result;
using base::Status;

class Lexer {
 public:
  Lexer(std::string_view source, std::size_t tokens_max, std::deque<std::string>& strings)
      : source_(source), tokens_max_(tokens_max), strings_(strings) {}

  Result<std::vector<Token>> Run() {
    while (at_ < source_.size()) LOQUAT_TRY(TextAndTag());
    LOQUAT_TRY(Add({.kind = TokenKind::kEnd}));
    return std::move(tokens_);
  }

 private:
  Status Add(Token token) {
    if (tokens_.size() == tokens_max_) {
      return base::ResourceExhausted(fmt::format("chat template, line {}: more than {} tokens", line_, tokens_max_),
                                     "template_limit");
    }
    token.line = line_;
    tokens_.push_back(token);
    return {};
  }
  bool At(std::string_view text) const { return source_.substr(at_).starts_with(text); }
  // Steps over `size` bytes of a tag.
  void Consume(std::size_t size) {
    const std::string_view passed = source_.substr(at_, size);
    line_ += static_cast<std::uint32_t>(std::ranges::count(passed, '\n'));
    at_ += size;
    if (!passed.empty()) line_starts_ = passed.back() == '\n';
  }
  std::size_t SpaceAt(std::size_t at) const { return LeadingSpace(source_.substr(at)); }

  Status TextAndTag();
  Status AddText(std::string_view text, std::string_view opening, bool strips_line);
  Status Comment();
  bool RawBegin(std::size_t at, std::size_t& size) const;
  Status Raw();
  Status Tag(TokenKind end);
  bool TagEnds(TokenKind end, std::size_t& size) const;
  Status TagToken();
  Status Number();
  Status Quoted();
  Result<char32_t> Escape(std::string_view body, std::size_t& at, bool& keeps) const;
  Status Operator();

  std::string_view source_;
  const std::size_t tokens_max_;
  std::deque<std::string>& strings_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  std::uint32_t line_ = 1;
  bool line_starts_ = true;  // What was passed last ends a line.
  std::string brackets_;     // Open in the tag at hand; those inside hide its end.
};

// The text up to the next opening, then the tag that it opens.
Status Lexer::TextAndTag() {
  std::size_t open = at_;
  while (true) {
    open = source_.find('{', open);
    if (open == std::string_view::npos || open + 1 == source_.size()) {
      const std::string_view rest = source_.substr(at_);
      LOQUAT_TRY(AddText(rest, "", false));
      Consume(rest.size());
      return {};
    }
    const char second = source_[open + 1];
    if (second == '%' || second == '{' || second == '#') break;
    ++open;
  }
  const char second = source_[open + 1];
  const std::string_view text = source_.substr(at_, open - at_);
  LOQUAT_TRY(AddText(text, source_.substr(open, 3), second != '{'));
  Consume(text.size());
  if (second == '#') return Comment();
  std::size_t size = 0;
  if (second == '%' && RawBegin(at_, size)) {
    Consume(size);
    return Raw();
  }
  const bool signed_opening =
      at_ + 2 < source_.size() && (source_[at_ + 2] == '-' || (second == '%' && source_[at_ + 2] == '+'));
  Consume(signed_opening ? 3 : 2);
  LOQUAT_TRY(Add({.kind = second == '%' ? TokenKind::kBlockBegin : TokenKind::kPrintBegin}));
  return Tag(second == '%' ? TokenKind::kBlockEnd : TokenKind::kPrintEnd);
}

// Adds `text`, which stands before the tag that starts with `opening`, without what the tag strips from it.
Status Lexer::AddText(std::string_view text, std::string_view opening, bool strips_line) {
  const char sign = opening.size() > 2 ? opening[2] : ' ';
  if (sign == '-') {
    text.remove_suffix(TrailingSpace(text));
  } else if (strips_line && sign != '+') {
    const std::size_t line_end = text.rfind('\n');
    const std::size_t line = line_end == std::string_view::npos ? 0 : line_end + 1;
    if ((line > 0 || line_starts_) && LeadingSpace(text.substr(line)) == text.size() - line)
      text = text.substr(0, line);
  }
  if (text.empty()) return {};
  return Add({.kind = TokenKind::kText, .text = text});
}

Status Lexer::Comment() {
  const std::size_t end = source_.find("#}", at_ + 2);
  if (end == std::string_view::npos)
    return TemplateError(line_, "a comment that starts here does not end: close it with #}");
  const char sign = end > at_ + 2 ? source_[end - 1] : ' ';
  std::size_t next = end + 2;
  if (sign == '-') {
    next += SpaceAt(next);
  } else if (sign != '+' && next < source_.size() && source_[next] == '\n') {
    ++next;
  }
  Consume(next - at_);
  return {};
}

// Whether {% raw %} stands at `at`, and how long it is with the space that it strips behind it.
bool Lexer::RawBegin(std::size_t at, std::size_t& size) const {
  std::size_t p = at + 2;
  if (p < source_.size() && (source_[p] == '-' || source_[p] == '+')) ++p;
  p += SpaceAt(p);
  if (!source_.substr(p).starts_with("raw")) return false;
  p += 3;
  p += SpaceAt(p);
  if (source_.substr(p).starts_with("-%}")) {
    p += 3;
    p += SpaceAt(p);
  } else if (source_.substr(p).starts_with("%}")) {
    p += 2;
  } else {
    return false;
  }
  size = p - at;
  return true;
}

Status Lexer::Raw() {
  std::size_t search = at_;
  while (true) {
    const std::size_t open = source_.find("{%", search);
    if (open == std::string_view::npos) return TemplateError(line_, "a raw block that starts here does not end");
    std::size_t p = open + 2;
    if (p < source_.size() && (source_[p] == '-' || source_[p] == '+')) ++p;
    p += SpaceAt(p);
    search = open + 2;
    if (!source_.substr(p).starts_with("endraw")) continue;
    p += 6;
    p += SpaceAt(p);
    if (source_.substr(p).starts_with("-%}")) {
      p += 3;
      p += SpaceAt(p);
    } else if (source_.substr(p).starts_with("+%}")) {
      p += 3;
    } else if (source_.substr(p).starts_with("%}")) {
      p += 2;
      if (p < source_.size() && source_[p] == '\n') ++p;
    } else {
      continue;
    }
    LOQUAT_TRY(AddText(source_.substr(at_, open - at_), source_.substr(open, 3), true));
    Consume(p - at_);
    return {};
  }
}

bool Lexer::TagEnds(TokenKind end, std::size_t& size) const {
  if (!brackets_.empty()) return false;
  const bool block = end == TokenKind::kBlockEnd;
  const std::string_view close = block ? "%}" : "}}";
  const bool stripped = At("-");
  const bool kept = block && At("+");
  if (!source_.substr(at_ + (stripped || kept ? 1 : 0)).starts_with(close)) return false;
  size = (stripped || kept ? 1u : 0u) + 2;
  if (stripped) size += SpaceAt(at_ + size);
  if (block && !stripped && !kept && at_ + size < source_.size() && source_[at_ + size] == '\n') ++size;
  return true;
}

Status Lexer::Tag(TokenKind end) {
  const std::uint32_t first_line = line_;
  brackets_.clear();
  while (true) {
    Consume(SpaceAt(at_));
    if (at_ == source_.size()) {
      return TemplateError(first_line, end == TokenKind::kBlockEnd
                                           ? "a tag that starts here does not end: close it with %}"
                                           : "an expression that starts here does not end: close it with }}");
    }
    std::size_t size = 0;
    if (TagEnds(end, size)) {
      LOQUAT_TRY(Add({.kind = end}));
      Consume(size);
      return {};
    }
    LOQUAT_TRY(TagToken());
  }
}

Status Lexer::TagToken() {
  const char c = source_[at_];
  if (base::IsAsciiDigit(c)) return Number();
  if (c == '\'' || c == '"') return Quoted();
  const std::size_t name = NameLength(source_.substr(at_));
  if (name == 0) return Operator();
  LOQUAT_TRY(Add({.kind = TokenKind::kName, .text = source_.substr(at_, name)}));
  Consume(name);
  return {};
}

// Decimal, 0x, 0o and 0b integers, and decimal floats; single underscores may stand between digits.
Status Lexer::Number() {
  std::size_t end = at_;
  const auto digits = [&](auto is_digit) {
    const std::size_t first = end;
    while (end < source_.size() &&
           (is_digit(source_[end]) ||
            (source_[end] == '_' && end > first && end + 1 < source_.size() && is_digit(source_[end + 1])))) {
      ++end;
    }
    return end > first;
  };
  const auto is_hex = [](char c) {
    return base::IsAsciiDigit(c) || (base::ToLowerAscii(c) >= 'a' && base::ToLowerAscii(c) <= 'f');
  };
  int radix = 10;
  if (source_[at_] == '0' && at_ + 2 < source_.size()) {
    const char mark = base::ToLowerAscii(source_[at_ + 1]);
    radix = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 10;
  }
  bool is_float = false;
  if (radix != 10) {
    end += 2;
    if (!digits(is_hex)) return TemplateError(line_, "a number without digits");
  } else {
    digits(base::IsAsciiDigit);
    const auto after = [&](std::size_t skip) {
      return end + skip < source_.size() && base::IsAsciiDigit(source_[end + skip]);
    };
    const auto is = [&](char c, std::size_t skip) { return end + skip < source_.size() && source_[end + skip] == c; };
    if (is('.', 0) && after(1)) {
      is_float = true;
      ++end;
      digits(base::IsAsciiDigit);
    }
    if ((is('e', 0) || is('E', 0)) && (after(1) || ((is('+', 1) || is('-', 1)) && after(2)))) {
      is_float = true;
      end += after(1) ? 1 : 2;
      digits(base::IsAsciiDigit);
    }
  }
  std::string text(source_.substr(at_, end - at_));
  std::erase(text, '_');
  Token token{.kind = is_float ? TokenKind::kFloat : TokenKind::kInteger, .text = source_.substr(at_, end - at_)};
  const char* const first = text.data() + (radix == 10 ? 0 : 2);
  const char* const last = text.data() + text.size();
  const auto read =
      is_float ? std::from_chars(first, last, token.number) : std::from_chars(first, last, token.integer, radix);
  if (read.ec != std::errc() || read.ptr != last) {
    return TemplateError(line_, fmt::format("the number {} does not fit 64 bits or has a wrong digit", text));
  }
  LOQUAT_TRY(Add(token));
  Consume(end - at_);
  return {};
}

// One escape of Python's string literals; `at` stands behind the backslash and is moved on. `keeps`: the backslash is
// no escape here and stays.
Result<char32_t> Lexer::Escape(std::string_view body, std::size_t& at, bool& keeps) const {
  constexpr std::string_view kNames = "abfnrtv\\'\"";
  constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\'\"";
  const char c = body[at];
  if (const std::size_t index = kNames.find(c); index != std::string_view::npos) {
    ++at;
    return static_cast<unsigned char>(kMeanings[index]);
  }
  std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
  int radix = 16;
  std::size_t first = at + 1;
  if (c >= '0' && c <= '7') {
    radix = 8;
    first = at;
    while (digits < 3 && at + digits < body.size() && body[at + digits] >= '0' && body[at + digits] <= '7') ++digits;
  }
  if (digits == 0) {
    keeps = true;
    return U'\\';
  }
  std::uint32_t code = 0;
  const std::string_view text = body.substr(std::min(first, body.size()), digits);
  const auto read = std::from_chars(text.data(), text.data() + text.size(), code, radix);
  if (text.size() < digits || read.ec != std::errc() || read.ptr != text.data() + text.size() ||
      code > base::kMaxCodePoint) {
    return TemplateError(line_,
                         fmt::format("the escape \\{}{} in a string names no character", c, radix == 16 ? text : ""));
  }
  at = first + digits;
  return code;
}

Status Lexer::Quoted() {
  const char quote = source_[at_];
  std::size_t end = at_ + 1;
  while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
  if (end >= source_.size())
    return TemplateError(line_, fmt::format("a string that starts here does not end: close it with {}", quote));
  const std::string_view body = source_.substr(at_ + 1, end - at_ - 1);
  Token token{.kind = TokenKind::kString, .text = body};
  if (body.find('\\') != std::string_view::npos) {
    std::string& text = strings_.emplace_back();
    for (std::size_t p = 0; p < body.size();) {
      if (body[p] != '\\') {
        text.push_back(body[p++]);
        continue;
      }
      ++p;
      if (body[p] == '\n') {  // A line goes on behind a backslash.
        ++p;
        continue;
      }
      bool keeps = false;
      LOQUAT_ASSIGN(const char32_t code, Escape(body, p, keeps));
      base::AppendUtf8(code, text);
    }
    token.text = text;
  }
  LOQUAT_TRY(Add(token));
  Consume(end + 1 - at_);
  return {};
}

Status Lexer::Operator() {
  constexpr std::array<std::string_view, 25> kOperators = {"//", "**", "==", "!=", "<=", ">=", "+", "-", "*",
                                                           "/",  "%",  "~",  "<",  ">",  "=",  ".", ":", ",",
                                                           "|",  "(",  ")",  "[",  "]",  "{",  "}"};
  const auto found = std::ranges::find_if(kOperators, [&](std::string_view text) { return At(text); });
  if (found == kOperators.end()) {
    std::string shown;
    base::AppendUtf8(base::DecodeUtf8(source_, at_).code_point, shown);
    return TemplateError(line_, fmt::format("'{}' cannot stand in a tag", shown));
  }
  const char c = found->front();
  if (c == '(' || c == '[' || c == '{') brackets_.push_back(c == '(' ? ')' : static_cast<char>(c + 2));
  if (c == ')' || c == ']' || c == '}') {
    if (brackets_.empty() || brackets_.back() != c) {
      return TemplateError(line_, brackets_.empty()
                                      ? fmt::format("'{}' closes nothing", c)
                                      : fmt::format("'{}' stands where '{}' is due", c, brackets_.back()));
    }
    brackets_.pop_back();
  }
  LOQUAT_TRY(Add({.kind = TokenKind::kOperator, .text = *found}));
  Consume(found->size());
  return {};
}

}  // namespace

Result<std::vector<Token>> Tokenize(std::string_view source, std::size_t tokens_max, std::deque<std::string>& strings) {
  return Lexer(source, tokens_max, strings).Run();
}

}  // namespace loquat::text::jinja
