// WordPiece (Schuster, Nakajima, "Japanese and Korean voice search", ICASSP 2012; Devlin et al., "BERT", NAACL 2019):
// the longest token that a word begins with, then the longest that goes on ("##ing"), and so forth; a word that does
// not come out even is unknown as a whole.

#include "base/utf8.h"
#include "text/tokenizer/byte_trie.h"
#include "text/tokenizer/word_model.h"

namespace loquat::text {
namespace {

class WordPieceModel final : public WordModel {
 public:
  WordPieceModel(const TokenizerSpec& spec, const Vocabulary& vocabulary, WordTables tables)
      : unknown_(vocabulary.unknown()),
        characters_max_(spec.word_characters_max),
        beginnings_(std::move(tables.trie)),
        continuations_(std::move(tables.continuations)) {}

  void Encode(std::string_view word, ModelScratch&, std::vector<TokenId>& out) const override {
    if (word.size() > characters_max_ && base::CountCodePoints(word) > characters_max_) return out.push_back(unknown_);
    const std::size_t first = out.size();
    for (std::size_t at = 0; at < word.size();) {
      const ByteTrie::Match match = (at == 0 ? beginnings_ : continuations_).Longest(word.substr(at));
      if (match.length == 0) {
        out.resize(first);
        return out.push_back(unknown_);
      }
      out.push_back(match.value);
      at += match.length;
    }
  }

 private:
  const TokenId unknown_;
  const std::size_t characters_max_;
  const ByteTrie beginnings_, continuations_;
};

}  // namespace

base::Status BuildWordPieceTables(const TokenizerSpec& spec, const Vocabulary& vocabulary, WordTables& tables) {
  if (vocabulary.unknown() == Vocabulary::kNone) return base::InvalidArgument("WordPiece needs an unknown token");
  std::vector<ByteTrie::Entry> beginnings, continuations;
  for (TokenId id = 0; vocabulary.Has(id); ++id) {
    if (!vocabulary.IsText(id)) continue;
    // A token such as "##" itself begins a word; one that continues may also stand at the beginning as it is stored.
    beginnings.push_back({vocabulary.Stored(id), id});
    if (spec.continuing_prefix.empty()) continuations.push_back({vocabulary.Stored(id), id});
    if (vocabulary.Continues(id)) continuations.push_back({vocabulary.Bytes(id), id});
  }
  tables.trie = ByteTrie::Build(std::move(beginnings));
  tables.continuations = ByteTrie::Build(std::move(continuations));
  return {};
}

std::unique_ptr<const WordModel> MakeWordPieceModel(const TokenizerSpec& spec, const Vocabulary& vocabulary,
                                                    WordTables tables) {
  return std::make_unique<WordPieceModel>(spec, vocabulary, std::move(tables));
}

}  // namespace loquat::text
