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

base::Result<Pattern> Pattern::Compile(std::string_view pattern) {
  LOQUAT_ASSIGN(const std::string translated, TranslatePattern(pattern));
  const std::unique_ptr<pcre2_compile_context, CompileContextDeleter> context(pcre2_compile_context_create(nullptr));
  LOQUAT_CHECK(context != nullptr, "memory for a pattern");
  pcre2_set_parens_nest_limit(context.get(), kNestingMax);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  // ^ and $ mean lines, as they do in the other engine.
  constexpr std::uint32_t kOptions = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
  int error = 0;
  PCRE2_SIZE offset = 0;
  auto code = std::make_shared<Code>();
  code->compiled.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(), kOptions,
                                     &error, &offset, context.get()));
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
