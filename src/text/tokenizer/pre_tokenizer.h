// The steps that cut normalised text into words before the model. Immutable after Create; safe from any thread, each
// with a scratch of its own.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/tokenizer/pattern.h"
#include "text/tokenizer/tokenizer_spec.h"
#include "text/tokenizer/word_scanner.h"

namespace loquat::text {

struct PreTokenizerScratch {
  std::string texts[2];
  std::vector<Piece> pieces[2];
  struct Span {
    Piece piece;
    bool match = false;
  };
  std::vector<Span> spans;
  std::vector<Piece> matches;
};

class PreTokenizer {
 public:
  static constexpr std::size_t kStepsMax = 32;

  // kInvalidArgument: a pattern that does not compile, a name that none of the known pre-tokenizers has.
  static base::Result<PreTokenizer> Create(const TokenizerSpec& spec);

  // All words are those of one hand-made scanner over the text as it is.
  std::optional<ScanRule> scanner_alone() const { return scanner_alone_; }

  struct Words {
    std::string_view text;
    const std::vector<Piece>* pieces = nullptr;  // In order; what is between them is dropped.
  };
  // Views of `text` and the scratch.
  base::Result<Words> Cut(std::string_view text, bool first, PreTokenizerScratch& scratch,
                          PatternScratch& pattern_scratch) const;

 private:
  struct Step {
    PreTokenizerStep what;
    std::optional<ScanRule> scanner;
    std::vector<Pattern> pattern;  // kSplit by a regular expression that is no scanner's: one.
  };
  base::Status FindSpans(const Step& step, std::string_view word, PreTokenizerScratch& scratch,
                         PatternScratch& pattern_scratch) const;
  static base::Result<Step> MakeStep(PreTokenizerStep what);

  std::vector<Step> steps_;
  std::optional<ScanRule> scanner_alone_;
};

// The patterns that a name in GGUF files stands for ("gpt-2", "llama-bpe", "qwen2", "chatglm-bpe", "gpt-4o", "tekken"
// and their like; none: "gpt-2"), each cutting within the pieces of the one before; empty for an unknown name.
std::span<const std::string_view> PatternsOfPreTokenizer(std::string_view name);

}  // namespace loquat::text
