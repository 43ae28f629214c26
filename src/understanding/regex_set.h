// Named patterns whose matches are features of the slot tagger. ICU's syntax and engine, with a bound on its time and
// stack, so that a hostile pattern or text costs little. RegexSet is immutable after Compile: any thread may use it,
// each with a RegexScratch of its own.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "understanding/dataset.h"

namespace loquat::understanding {

inline constexpr std::size_t kPatternBytesMax = 64u << 10;
inline constexpr std::size_t kRegexMatchesMax = 64;  // Of one pattern in one text; more are not looked for.
inline constexpr std::int32_t kRegexSteps = 20;      // ICU's time limit, in its units of about a thousand steps.
inline constexpr std::int32_t kRegexStackBytes = 256 << 10;

struct RegexMatch {
  std::uint32_t regex = 0;
  std::uint32_t byte_begin = 0, byte_end = 0;
};

class RegexScratch;

class RegexSet {
 public:
  using ScratchPtr = std::unique_ptr<RegexScratch, void (*)(RegexScratch*)>;

  RegexSet();
  ~RegexSet();
  RegexSet(RegexSet&&) noexcept;
  RegexSet& operator=(RegexSet&&) noexcept;

  // kInvalidArgument says which pattern is wrong, where in it, and why.
  static base::Result<RegexSet> Compile(std::span<const NamedRegex> regexes);

  std::size_t size() const;
  const std::vector<NamedRegex>& regexes() const;

  static ScratchPtr NewScratch();
  // Replaces `matches`. Patterns that run out of their bounds match no further. Text may be any bytes.
  void Find(std::string_view text, RegexScratch& scratch, std::vector<RegexMatch>& matches) const;

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

}  // namespace loquat::understanding
