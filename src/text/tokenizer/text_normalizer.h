// The steps of normalisation before the model: Unicode forms, BERT's clean-up, SentencePiece's rules, replacements.
// Immutable after Create; safe from any thread, each with a scratch of its own.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/tokenizer/byte_trie.h"
#include "text/tokenizer/charsmap.h"
#include "text/tokenizer/pattern.h"
#include "text/tokenizer/tokenizer_spec.h"
#include "text/tokenizer/vocabulary.h"

namespace loquat::text {

struct NormalizerScratch {
  std::string texts[2];  // What one step reads and the other writes.
  std::vector<Piece> matches;
};

class TextNormalizer {
 public:
  static constexpr std::size_t kStepsMax = 32;
  static constexpr std::size_t kContentBytesMax = 1024;
  // A text may not become longer than this many times its bytes (at least kGrowthFloor).
  static constexpr std::size_t kGrowthMax = 64, kGrowthFloor = std::size_t{1} << 16;
  static constexpr std::size_t kNormalizedBytesMax = std::size_t{1} << 27;  // And never longer than this.

  static base::Result<TextNormalizer> Create(const TokenizerSpec& spec, const Vocabulary& vocabulary);

  // The normalised text: `text` itself if there are no steps, else bytes of the scratch.
  // `first`: the beginning of the whole input, not what follows a special token.
  base::Result<std::string_view> Apply(std::string_view text, bool first, NormalizerScratch& scratch,
                                       PatternScratch& pattern_scratch) const;

  bool empty() const { return steps_.empty(); }

 private:
  struct Step {
    NormalizerStep what;
    std::vector<Pattern> pattern;  // kReplacePattern: one.
  };
  base::Status ApplyStep(const Step& step, std::string_view text, std::size_t limit, std::vector<Piece>& matches,
                         PatternScratch& pattern_scratch, std::string& out) const;
  void AppendBert(std::string_view text, bool clean, std::string& out) const;
  // These stop soon after `out` is longer than `limit`.
  void AppendSentencePiece(std::string_view text, bool prefix, std::size_t limit, std::string& out) const;
  void AppendCharsmap(std::string_view text, std::size_t limit, std::string& out) const;
  // What SentencePiece puts in place of the character, rule or user-defined token that `text` begins with.
  Charsmap::Rule SentencePieceUnit(std::string_view text) const;

  std::vector<Step> steps_;
  Charsmap charsmap_;
  ByteTrie user_defined_;  // Tokens that SentencePiece's rules never rewrite.
  bool prefix_space_ = false, prefix_first_only_ = false, remove_extra_spaces_ = false;
  bool lowercase_ = false, strip_accents_ = false, handle_chinese_ = false;
};

}  // namespace loquat::text
