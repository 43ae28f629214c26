// A regular expression from a model file, compiled by PCRE2's JIT, with the meaning that Hugging Face's engine
// (Oniguruma) gives to it: classes, word boundaries, lines, intervals; what has no like in PCRE2 is refused by name.
// Immutable after Compile: one Pattern serves many threads, each with a scratch of its own.
//
// Neither pattern nor text is trusted: lengths, nesting, steps, heap and stack of a match are bounded.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace loquat::text {

// A range of bytes.
struct Piece {
  std::uint32_t begin = 0, end = 0;

  std::uint32_t size() const { return end - begin; }
  bool empty() const { return begin == end; }
  std::string_view Of(std::string_view text) const { return text.substr(begin, end - begin); }
  bool operator==(const Piece&) const = default;
};

// What matching needs besides the pattern. One thread at a time.
class PatternScratch {
 public:
  PatternScratch();
  ~PatternScratch();
  PatternScratch(PatternScratch&&) noexcept;
  PatternScratch& operator=(PatternScratch&&) noexcept;

 private:
  friend class Pattern;
  struct State;
  std::unique_ptr<State> state_;
};

class Pattern {
 public:
  static constexpr std::size_t kPatternBytesMax = 8192;
  static constexpr std::uint32_t kMatchLimit = 50'000'000;  // PCRE2's steps of one match.
  static constexpr std::uint32_t kHeapLimitKib = 65'536;
  static constexpr std::size_t kJitStackMax = std::size_t{4} << 20;

  // kInvalidArgument says what PCRE2 or we refuse, and at which character.
  static base::Result<Pattern> Compile(std::string_view pattern);

  // Replaces `matches` by the non-empty matches in `text`, from left to right; ill-formed bytes are read as U+FFFD each
  // maximal subpart. kResourceExhausted: past a limit above.
  base::Status FindAll(std::string_view text, PatternScratch& scratch, std::vector<Piece>& matches) const;

 private:
  struct Code;
  explicit Pattern(std::shared_ptr<const Code> code) : code_(std::move(code)) {}
  base::Status FindAllValid(std::string_view text, PatternScratch& scratch, std::vector<Piece>& matches) const;

  std::shared_ptr<const Code> code_;
};

// The pattern as PCRE2 is to read it (pattern_translation.cc).
base::Result<std::string> TranslatePattern(std::string_view pattern);

}  // namespace loquat::text
