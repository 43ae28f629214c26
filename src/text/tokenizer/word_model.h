// What turns one word (a piece of normalised text) into tokens: byte pair encoding, unigram, WordPiece.
// Immutable once made; safe from any thread, each with a scratch of its own. The vocabulary outlives the model.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "text/tokenizer/merge_table.h"
#include "text/tokenizer/tokenizer_spec.h"
#include "text/tokenizer/vocabulary.h"

namespace loquat::text {

// Reusable memory. One thread at a time.
struct ModelScratch {
  MergeScratch merge;

  struct Symbol {
    std::int32_t previous = -1, next = -1;
    std::uint32_t begin = 0, size = 0;  // Size 0: merged into the one before it.
    bool frozen = false;                // A user-defined piece, which merges with nothing.
  };
  struct Agenda {
    float score = 0;
    std::int32_t left = 0, right = 0;
    std::uint32_t size = 0;
  };
  std::vector<Symbol> symbols;
  std::vector<Agenda> agenda;
  std::unordered_map<std::string_view, std::pair<std::string_view, std::string_view>> unmerged;  // Unused pieces.

  struct Best {
    float score = 0;
    std::int32_t begin = -1;  // -1: not reached yet.
    TokenId id = -1;
  };
  std::vector<Best> best;  // [end of the path, in bytes]
  std::vector<TokenId> reversed;
};

class WordModel {
 public:
  virtual ~WordModel() = default;

  // Appends the tokens of a word. REQUIRES: word.size() < 2^30.
  virtual void Encode(std::string_view word, ModelScratch& scratch, std::vector<TokenId>& out) const = 0;
};

// The model of the spec's kind over a vocabulary that was built from it. kInvalidArgument: scores or merges that do not
// fit the vocabulary.
base::Result<std::unique_ptr<const WordModel>> MakeWordModel(const TokenizerSpec& spec, const Vocabulary& vocabulary);

// The parts of it, one a file.
base::Result<std::unique_ptr<const WordModel>> MakeMergeModel(const TokenizerSpec& spec, const Vocabulary& vocabulary);
base::Result<std::unique_ptr<const WordModel>> MakeScoreModel(const TokenizerSpec& spec, const Vocabulary& vocabulary);
base::Result<std::unique_ptr<const WordModel>> MakeUnigramModel(const TokenizerSpec& spec,
                                                                const Vocabulary& vocabulary);
base::Result<std::unique_ptr<const WordModel>> MakeWordPieceModel(const TokenizerSpec& spec,
                                                                  const Vocabulary& vocabulary);

// Appends what stands for text that is no token: its bytes where the vocabulary falls back to bytes, else the unknown
// token, once for a run of them if `fuse` and the last token stands for text just before; nothing without either.
struct UnknownRule {
  bool byte_fallback = false;
  bool fuse = true;
};
class UnknownAppender {
 public:
  UnknownAppender(const Vocabulary& vocabulary, UnknownRule rule, std::vector<TokenId>& out)
      : vocabulary_(vocabulary), rule_(rule), out_(out) {}

  void Known(TokenId id) {
    out_.push_back(id);
    after_unknown_ = false;
  }
  void Unknown(std::string_view text);

 private:
  const Vocabulary& vocabulary_;
  UnknownRule rule_;
  std::vector<TokenId>& out_;
  bool after_unknown_ = false;
};

// Whether no token goes on past the beginning of a word ("a▁b"): words then are encoded apart, each with little memory.
bool WordsStandApart(const Vocabulary& vocabulary);
// Where the first word of `text` ends: before the first "▁" that follows something else.
std::size_t SpacedWordEnd(std::string_view text);

}  // namespace loquat::text
