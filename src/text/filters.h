// A chain of token filters: matching form, stop words of the locale, length cap. The chain is put together once, from
// configuration; each combination of filters is its own compiled loop, chosen by one branch a text, so no token pays
// for a virtual call or for a filter that is off.
//
// A FilterChain is constant after construction and safe from any thread. A FilteredTokens is one thread's and is
// reused: running the chain again keeps its memory, so the steady state allocates nothing.

#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <variant>
#include <vector>

#include "base/result.h"
#include "text/segment.h"
#include "text/truncation.h"

namespace loquat::text {

inline constexpr std::size_t kStopWordsMax = 10000;   // A locale.
inline constexpr std::size_t kStopWordTokensMax = 8;  // Of one entry: "一个" has two.

struct LocaleStopWords {
  std::string locale;  // "zh", "en"; compared as it is.
  std::vector<std::string> words;
};

struct FilterOptions {
  bool normalize = true;  // Give each token its matching form (AppendForMatching); false: its own bytes.
  std::vector<LocaleStopWords> stop_words;                 // Empty: no stop words.
  std::uint32_t tokens_max = 0;                            // Cap on tokens after stop words. Zero: no cap.
  TruncationPolicy truncation = TruncationPolicy::kError;  // For texts over the cap.
};

// What the chain took away.
struct FilterReport {
  std::uint32_t empty = 0;           // Tokens whose matching form is empty (a lone variation selector).
  std::uint32_t stop_words = 0;      // Tokens dropped as stop words.
  bool stop_words_spared = false;    // Every token was a stop word ("The Who"), so none was dropped.
  std::uint32_t truncated = 0;       // Tokens cut by the cap,
  std::uint32_t cut_byte_begin = 0;  // which stood in these bytes of the text.
  std::uint32_t cut_byte_end = 0;

  bool operator==(const FilterReport&) const = default;
};

struct FilteredTokens {
  std::vector<Token> tokens;
  FilterReport report;

  // The form of tokens[i].
  std::string_view Form(std::size_t i) const {
    return std::string_view(forms_).substr(ranges_[i].begin, ranges_[i].end - ranges_[i].begin);
  }

 private:
  friend class FilterLoop;
  struct Range {
    std::uint32_t begin, end;
  };
  std::string forms_;  // One after the other, kFormSeparator between.
  std::vector<Range> ranges_;
};

struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

struct StopWords {
  std::string locale;
  std::unordered_set<std::string, StringHash, std::equal_to<>> phrases;  // Forms joined by kFormSeparator.
  std::size_t tokens_max = 0;                                            // Of the longest phrase.
};

class FilterChain {
 public:
  // kInvalidArgument: too many stop words, one that has no token or too many, or a locale given twice; the error's
  // `param` is the place in `options` ("stop_words/zh/12").
  static base::Result<FilterChain> Create(FilterOptions options);

  // Replaces the contents of `out` by what the chain leaves of `tokens`, the tokens of Segment(text). A locale without
  // stop words of its own drops none. kResourceExhausted: over the cap under policy kError.
  base::Status Run(std::string_view text, std::string_view locale, std::span<const Token> tokens,
                   FilteredTokens& out) const;

 private:
  template <bool kNormalizes, bool kStops, bool kCaps>
  struct Pipeline {
    static constexpr bool kNormalize = kNormalizes, kStop = kStops, kCap = kCaps;
  };
  using AnyPipeline =
      std::variant<Pipeline<false, false, false>, Pipeline<true, false, false>, Pipeline<false, true, false>,
                   Pipeline<true, true, false>, Pipeline<false, false, true>, Pipeline<true, false, true>,
                   Pipeline<false, true, true>, Pipeline<true, true, true>>;

  FilterChain() = default;
  static AnyPipeline Choose(bool normalize, bool stop, bool cap);

  AnyPipeline pipeline_;
  std::vector<StopWords> stop_words_;
  std::uint32_t tokens_max_ = 0;
  TruncationPolicy truncation_ = TruncationPolicy::kError;
};

}  // namespace loquat::text
