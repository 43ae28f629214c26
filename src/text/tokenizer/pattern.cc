#include "text/tokenizer/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include <utility>

#include "base/check.h"
#include "base/utf8.h"
#include "text/decode.h"

namespace loquat::text {
namespace {

constexpr std::size_t kJitStackStart = std::size_t{32} << 10;
constexpr std::uint32_t kNestingMax = 100;

std::string MessageOf(int error) {
  PCRE2_UCHAR buffer[256];
  const int length = pcre2_get_error_message(error, buffer, sizeof buffer);
  return length < 0 ? "unknown error" : std::string(reinterpret_cast<const char*>(buffer), length);
}

// What an escape that names a class stands for, inside of brackets; empty: the same in both engines.
// PCRE2's own \s has U+180E, its \w lacks marks and connectors.
std::string_view ClassBody(char escape) {
  switch (escape) {
    case 's':
      return R"(\t-\r\x{85}\p{Z})";
    case 'w':
      return R"(\p{L}\p{M}\p{N}\p{Pc})";
    default:
      return {};
  }
}

// Copies the escape at `at`, or what it means; moves past it.
base::Status TranslateEscape(std::string_view pattern, std::size_t& at, bool in_class, std::string& out) {
  const auto refuse = [&](std::string_view what) {
    return base::InvalidArgument(fmt::format("the pattern has {} at character {}, which is not supported", what, at));
  };
  if (at + 1 >= pattern.size()) return refuse("a lone backslash");
  const char escape = pattern[at + 1];
  const bool negated = escape >= 'A' && escape <= 'Z';
  const std::string_view body = ClassBody(static_cast<char>(negated ? escape + ('a' - 'A') : escape));
  if (!body.empty()) {
    if (negated && in_class) return refuse(fmt::format("\\{} inside of brackets", escape));
    out += fmt::format("{}{}{}", in_class ? "" : negated ? "[^" : "[", body, in_class ? "" : "]");
    at += 2;
    return {};
  }
  constexpr std::string_view kKnown = "dDpPbBrntfvexuAzZGQE";
  const bool letter = (escape >= 'a' && escape <= 'z') || negated;
  if (letter && (kKnown.find(escape) == std::string_view::npos || escape == 'Q' || escape == 'E')) {
    return refuse(fmt::format("\\{}", escape));
  }
  if (escape == 'u') {  // Four digits.
    const std::string_view digits = pattern.substr(at + 2, 4);
    if (digits.size() != 4 || digits.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos) {
      return refuse("\\u without four digits");
    }
    out += fmt::format("\\x{{{}}}", digits);
    at += 6;
    return {};
  }
  if (escape == 'v') {  // Vertical tab alone; PCRE2's \v is a class.
    out += R"(\x{0b})";
  } else {
    out.append(pattern.substr(at, 2));
  }
  at += 2;
  return {};
}

struct CodeDeleter {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct CompileContextDeleter {
  void operator()(pcre2_compile_context* context) const { pcre2_compile_context_free(context); }
};

}  // namespace

struct Pattern::Code {
  std::unique_ptr<pcre2_code, CodeDeleter> compiled;
};

struct PatternScratch::State {
  State()
      : data(pcre2_match_data_create(1, nullptr)),
        context(pcre2_match_context_create(nullptr)),
        stack(pcre2_jit_stack_create(kJitStackStart, Pattern::kJitStackMax, nullptr)) {
    LOQUAT_CHECK(data != nullptr && context != nullptr && stack != nullptr, "memory for a match");
    pcre2_set_match_limit(context, Pattern::kMatchLimit);
    pcre2_set_heap_limit(context, Pattern::kHeapLimitKib);
    pcre2_jit_stack_assign(context, nullptr, stack);
  }
  ~State() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    pcre2_jit_stack_free(stack);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  pcre2_match_data* data;
  pcre2_match_context* context;
  pcre2_jit_stack* stack;
  std::string repaired;
};

PatternScratch::PatternScratch() = default;
PatternScratch::~PatternScratch() = default;
PatternScratch::PatternScratch(PatternScratch&&) noexcept = default;
PatternScratch& PatternScratch::operator=(PatternScratch&&) noexcept = default;

base::Result<std::string> TranslatePattern(std::string_view pattern) {
  if (pattern.size() > Pattern::kPatternBytesMax) {
    return base::InvalidArgument(
        fmt::format("the pattern has {} bytes; at most {} are allowed", pattern.size(), Pattern::kPatternBytesMax));
  }
  if (!base::IsValidUtf8(pattern)) return base::InvalidArgument("the pattern is not UTF-8");
  if (pattern.starts_with("(*")) return base::InvalidArgument("the pattern begins with (*, which is not supported");
  std::string out;
  bool in_class = false;
  for (std::size_t at = 0; at < pattern.size();) {
    const char c = pattern[at];
    if (c == '\\') {
      LOQUAT_TRY(TranslateEscape(pattern, at, in_class, out));
      continue;
    }
    if (in_class && (pattern.substr(at, 2) == "&&" || (c == '[' && pattern.substr(at, 2) != "[:"))) {
      return base::InvalidArgument(
          fmt::format("the pattern has a class inside of a class at character {}, which is not supported", at));
    }
    if (c == '[') {
      // "[:" in a class is a POSIX name up to ":]"; a bracket first in a class is a literal.
      if (in_class) {
        const std::size_t end = pattern.find(":]", at);
        if (end == std::string_view::npos) return base::InvalidArgument("the pattern has [: without :]");
        out.append(pattern.substr(at, end + 2 - at));
        at = end + 2;
        continue;
      }
      in_class = true;
      std::size_t body = at + 1;
      if (body < pattern.size() && pattern[body] == '^') ++body;
      if (body < pattern.size() && pattern[body] == ']') ++body;
      out.append(pattern.substr(at, body - at));
      at = body;
      continue;
    }
    if (c == ']') in_class = false;
    out.push_back(c);
    ++at;
  }
  return out;
}

base::Result<Pattern> Pattern::Compile(std::string_view pattern) {
  LOQUAT_ASSIGN(const std::string translated, TranslatePattern(pattern));
  const std::unique_ptr<pcre2_compile_context, CompileContextDeleter> context(pcre2_compile_context_create(nullptr));
  LOQUAT_CHECK(context != nullptr, "memory for a pattern");
  pcre2_set_parens_nest_limit(context.get(), kNestingMax);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE offset = 0;
  auto code = std::make_shared<Code>();
  code->compiled.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                                     PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &offset, context.get()));
  if (code->compiled == nullptr) {
    return base::InvalidArgument(
        fmt::format("the pattern does not compile: {}, near character {}", MessageOf(error), offset));
  }
  // Without JIT (it may be forbidden to make memory executable) PCRE2 interprets.
  pcre2_jit_compile(code->compiled.get(), PCRE2_JIT_COMPLETE);
  return Pattern(std::move(code));
}

base::Status Pattern::FindAllValid(std::string_view text, PatternScratch& scratch, std::vector<Piece>& matches) const {
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  const PatternScratch::State& state = *scratch.state_;
  const PCRE2_SIZE* range = pcre2_get_ovector_pointer(state.data);
  PCRE2_SIZE at = 0;
  while (at < text.size()) {
    const int found =
        pcre2_match(code_->compiled.get(), subject, text.size(), at, PCRE2_NO_UTF_CHECK, state.data, state.context);
    if (found == PCRE2_ERROR_NOMATCH) break;
    if (found < 0) {
      return base::ResourceExhausted(
          fmt::format("the tokenizer's pattern stopped at byte {} of the text: {}", at, MessageOf(found)),
          "pattern_limit");
    }
    // \K is refused, so that a match neither ends before it begins nor begins before `at`.
    if (range[1] > range[0]) {
      matches.push_back({static_cast<std::uint32_t>(range[0]), static_cast<std::uint32_t>(range[1])});
      at = range[1];
    } else {
      at = range[1];
      at += at < text.size() ? Decode(text, at).length : 1;
    }
  }
  return {};
}

base::Status Pattern::FindAll(std::string_view text, PatternScratch& scratch, std::vector<Piece>& matches) const {
  if (scratch.state_ == nullptr) scratch.state_ = std::make_unique<PatternScratch::State>();
  matches.clear();
  if (base::IsValidUtf8(text)) return FindAllValid(text, scratch, matches);
  std::string& repaired = scratch.state_->repaired;
  repaired.clear();
  base::AppendUtf8Repaired(text, repaired);
  LOQUAT_TRY(FindAllValid(repaired, scratch, matches));
  // Back to the bytes that the repaired ones stand for: both texts have the same characters.
  std::size_t original = 0, at = 0;
  const auto original_of = [&](std::uint32_t offset) {
    while (at < offset) {
      at += Decode(repaired, at).length;
      original += Decode(text, original).length;
    }
    return static_cast<std::uint32_t>(original);
  };
  for (Piece& match : matches) {
    match.begin = original_of(match.begin);
    match.end = original_of(match.end);
  }
  return {};
}

}  // namespace loquat::text
