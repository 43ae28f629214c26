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
#include "text/tokenizer/byte_trie.h"
#include "text/tokenizer/merge_table.h"
#include "text/tokenizer/table.h"
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

// What a model looks up besides the vocabulary; which of them are empty is its kind's matter. Built from the lists of a
// spec, or read from a binary form, of which the tables then are views.
struct WordTables {
  MergeTable merges;       // kByteLevelBpe, and kSentencePieceBpe without scores.
  Table<float> scores;     // By id; kSentencePieceBpe, kUnigram.
  ByteTrie trie;           // User-defined tokens (kSentencePieceBpe), all (kUnigram), beginnings (kWordPiece).
  ByteTrie continuations;  // kWordPiece.
  float lowest_score = 0, highest_score = 0;  // Of normal tokens; kUnigram.
  bool words_stand_apart = false;             // See WordsStandApart; kSentencePieceBpe.

  static constexpr std::size_t kMergesMax = std::size_t{1} << 23;

  template <typename Flat, typename Tables>
  static void Fields(Flat& flat, Tables& tables) {
    MergeTable::Fields(flat, tables.merges, kMergesMax);
    TableField(flat, tables.scores, Vocabulary::kTokensMax);
    ByteTrie::Fields(flat, tables.trie);
    ByteTrie::Fields(flat, tables.continuations);
    flat.Number(tables.lowest_score);
    flat.Number(tables.highest_score);
    flat.Flag(tables.words_stand_apart);
  }
};

// kInvalidArgument: scores or merges that do not fit the vocabulary, which was built from the same spec.
base::Result<WordTables> BuildWordTables(const TokenizerSpec& spec, const Vocabulary& vocabulary);
// That the tables are such as BuildWordTables may give: asked of what was read.
base::Status CheckWordTables(const TokenizerSpec& spec, const Vocabulary& vocabulary, const WordTables& tables);
// The model of the spec's kind over such tables. The spec's own lists are not looked at.
std::unique_ptr<const WordModel> MakeWordModel(const TokenizerSpec& spec, const Vocabulary& vocabulary,
                                               WordTables tables);

// The parts of these, one a file.
base::Status BuildMergeTables(const TokenizerSpec& spec, const Vocabulary& vocabulary, WordTables& tables);
base::Status BuildScoreTables(const TokenizerSpec& spec, const Vocabulary& vocabulary, WordTables& tables);
base::Status BuildUnigramTables(const TokenizerSpec& spec, const Vocabulary& vocabulary, WordTables& tables);
base::Status BuildWordPieceTables(const TokenizerSpec& spec, const Vocabulary& vocabulary, WordTables& tables);
std::unique_ptr<const WordModel> MakeMergeModel(const TokenizerSpec& spec, const Vocabulary& vocabulary,
                                                WordTables tables);
std::unique_ptr<const WordModel> MakeScoreModel(const TokenizerSpec& spec, const Vocabulary& vocabulary,
                                                WordTables tables);
std::unique_ptr<const WordModel> MakeUnigramModel(const TokenizerSpec& spec, const Vocabulary& vocabulary,
                                                  WordTables tables);
std::unique_ptr<const WordModel> MakeWordPieceModel(const TokenizerSpec& spec, const Vocabulary& vocabulary,
                                                    WordTables tables);

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
