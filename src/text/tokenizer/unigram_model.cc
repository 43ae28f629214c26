// The unigram language model (Kudo, "Subword regularization", ACL 2018): the cut of a text into tokens whose scores,
// log probabilities, have the largest sum, by Viterbi's algorithm over all tokens at all positions. A character that is
// no token costs the lowest score and 10 more; user-defined tokens always win.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "text/decode.h"
#include "text/tokenizer/byte_trie.h"
#include "text/tokenizer/word_model.h"

namespace loquat::text {
namespace {

constexpr double kUnknownPenalty = 10;
constexpr double kUserDefinedDiscount = 0.1;

class UnigramModel final : public WordModel {
 public:
  UnigramModel(const TokenizerSpec& spec, const Vocabulary& vocabulary, WordTables tables)
      : vocabulary_(vocabulary),
        scores_(std::move(tables.scores)),
        unknown_{.byte_fallback = spec.byte_fallback, .fuse = spec.fuse_unknown},
        trie_(std::move(tables.trie)),
        unknown_score_(static_cast<float>(tables.lowest_score - kUnknownPenalty)),
        highest_(tables.highest_score) {}

  void Encode(std::string_view word, ModelScratch& scratch, std::vector<TokenId>& out) const override {
    std::vector<ModelScratch::Best>& best = scratch.best;
    best.assign(word.size() + 1, {});
    for (std::size_t at = 0; at < word.size();) {
      const std::size_t length = Decode(word, at).length;
      if (!Extend(word, at, length, best)) Reach(at, at + length, unknown_score_, Vocabulary::kNone, best);
      at += length;
    }
    scratch.reversed.clear();
    std::vector<TokenId>& ends = scratch.reversed;  // Where the tokens end, last first.
    for (std::size_t end = word.size(); end > 0; end = static_cast<std::size_t>(best[end].begin)) {
      ends.push_back(static_cast<TokenId>(end));
    }
    UnknownAppender appender(vocabulary_, unknown_, out);
    for (auto end = ends.rbegin(); end != ends.rend(); ++end) {
      const ModelScratch::Best& last = best[static_cast<std::size_t>(*end)];
      if (last.id != Vocabulary::kNone) {
        appender.Known(last.id);
      } else {
        appender.Unknown(
            word.substr(static_cast<std::size_t>(last.begin), static_cast<std::size_t>(*end - last.begin)));
      }
    }
  }

 private:
  // Path sums are rounded to float after each token, as SentencePiece does: ties fall the same way.
  static void Reach(std::size_t begin, std::size_t end, double score, TokenId id,
                    std::vector<ModelScratch::Best>& best) {
    const double sum = score + static_cast<double>(best[begin].score);
    ModelScratch::Best& target = best[end];
    if (target.begin < 0 || sum > static_cast<double>(target.score)) {
      target = {.score = static_cast<float>(sum), .begin = static_cast<std::int32_t>(begin), .id = id};
    }
  }

  // Goes along every token that begins at `at`. False if none of them is the one character there.
  bool Extend(std::string_view word, std::size_t at, std::size_t character,
              std::vector<ModelScratch::Best>& best) const {
    bool single = false;
    std::uint32_t node = ByteTrie::kRoot;
    for (std::size_t end = at; end < word.size();) {
      node = trie_.Next(node, word[end++]);
      if (node == ByteTrie::kNoNode) break;
      const TokenId id = trie_.Value(node);
      if (id == ByteTrie::kNone) continue;
      const bool user_defined = vocabulary_.Kind(id) == TokenKindInVocabulary::kUserDefined;
      const double score = user_defined ? static_cast<float>(end - at) * highest_ - kUserDefinedDiscount
                                        : static_cast<double>(scores_[static_cast<std::size_t>(id)]);
      Reach(at, end, score, id, best);
      single |= end - at == character;
    }
    return single;
  }

  const Vocabulary& vocabulary_;
  const Table<float> scores_;
  const UnknownRule unknown_;
  const ByteTrie trie_;
  const float unknown_score_;
  const float highest_;
};

}  // namespace

base::Status BuildUnigramTables(const TokenizerSpec& spec, const Vocabulary& vocabulary, WordTables& tables) {
  if (spec.scores.size() != vocabulary.size()) {
    return base::InvalidArgument(
        fmt::format("the tokenizer has {} tokens and {} scores", vocabulary.size(), spec.scores.size()));
  }
  const auto bad = std::ranges::find_if(spec.scores, [](float score) { return !std::isfinite(score); });
  if (bad != spec.scores.end()) {
    return base::InvalidArgument(
        fmt::format("the score of token {} is not a finite number", bad - spec.scores.begin()));
  }
  tables.scores = Table<float>(spec.scores);
  std::vector<ByteTrie::Entry> entries;
  tables.lowest_score = std::numeric_limits<float>::max();
  tables.highest_score = std::numeric_limits<float>::lowest();
  for (TokenId id = 0; vocabulary.Has(id); ++id) {
    const float score = tables.scores[static_cast<std::size_t>(id)];
    if (vocabulary.Kind(id) == TokenKindInVocabulary::kNormal) {
      tables.lowest_score = std::min(tables.lowest_score, score);
      tables.highest_score = std::max(tables.highest_score, score);
    }
    if (vocabulary.IsText(id) && vocabulary.Kind(id) != TokenKindInVocabulary::kUnused) {
      entries.push_back({vocabulary.Stored(id), id});
    }
  }
  tables.trie = ByteTrie::Build(std::move(entries));
  return {};
}

std::unique_ptr<const WordModel> MakeUnigramModel(const TokenizerSpec& spec, const Vocabulary& vocabulary,
                                                  WordTables tables) {
  return std::make_unique<UnigramModel>(spec, vocabulary, std::move(tables));
}

}  // namespace loquat::text
