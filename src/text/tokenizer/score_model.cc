// SentencePiece's byte pair encoding: of all neighbours that together are a token, the pair whose token has the highest
// score merges first (Kudo, Richardson, "SentencePiece", EMNLP 2018). Unused tokens help to merge and come apart at the
// end.

#include <fmt/format.h>

#include <algorithm>

#include "text/decode.h"
#include "text/tokenizer/byte_trie.h"
#include "text/tokenizer/word_model.h"

namespace loquat::text {
namespace {

class ScoreModel final : public WordModel {
 public:
  ScoreModel(const TokenizerSpec& spec, const Vocabulary& vocabulary, WordTables tables)
      : vocabulary_(vocabulary),
        scores_(std::move(tables.scores)),
        words_stand_apart_(tables.words_stand_apart),
        unknown_{.byte_fallback = spec.byte_fallback, .fuse = spec.fuse_unknown},
        user_defined_(std::move(tables.trie)) {}

  void Encode(std::string_view word, ModelScratch& scratch, std::vector<TokenId>& out) const override {
    UnknownAppender appender(vocabulary_, unknown_, out);
    while (!word.empty()) {
      const std::size_t end = words_stand_apart_ ? SpacedWordEnd(word) : word.size();
      EncodeApart(word.substr(0, end), scratch, appender);
      word.remove_prefix(end);
    }
  }

 private:
  using Symbol = ModelScratch::Symbol;
  using Agenda = ModelScratch::Agenda;

  static bool Later(const Agenda& a, const Agenda& b) {
    return a.score < b.score || (a.score == b.score && a.left > b.left);
  }
  bool IsUnused(TokenId id) const { return vocabulary_.Kind(id) == TokenKindInVocabulary::kUnused; }

  void Cut(std::string_view word, std::vector<Symbol>& symbols) const {
    symbols.clear();
    for (std::size_t at = 0; at < word.size();) {
      const std::size_t frozen = user_defined_.empty() ? 0 : user_defined_.Longest(word.substr(at)).length;
      const std::size_t size = frozen != 0 ? frozen : Decode(word, at).length;
      const auto index = static_cast<std::int32_t>(symbols.size());
      symbols.push_back({.previous = index - 1,
                         .next = at + size < word.size() ? index + 1 : -1,
                         .begin = static_cast<std::uint32_t>(at),
                         .size = static_cast<std::uint32_t>(size),
                         .frozen = frozen != 0});
      at += size;
    }
  }

  // Puts the merge of `left` with what follows it on the agenda, if that is a token.
  bool Propose(std::string_view word, std::int32_t left, ModelScratch& scratch, Agenda& proposal) const {
    if (left < 0) return false;
    const Symbol& a = scratch.symbols[static_cast<std::size_t>(left)];
    if (a.next < 0) return false;
    const Symbol& b = scratch.symbols[static_cast<std::size_t>(a.next)];
    if (a.frozen || b.frozen) return false;
    const std::string_view piece = word.substr(a.begin, a.size + b.size);
    const TokenId id = vocabulary_.FindText(piece);
    if (id == Vocabulary::kNone) return false;
    proposal = {.score = scores_[static_cast<std::size_t>(id)], .left = left, .right = a.next, .size = a.size + b.size};
    if (IsUnused(id)) {
      scratch.unmerged.insert_or_assign(piece, std::pair(word.substr(a.begin, a.size), word.substr(b.begin, b.size)));
    }
    return true;
  }

  void EncodeApart(std::string_view word, ModelScratch& scratch, UnknownAppender& appender) const {
    Cut(word, scratch.symbols);
    std::vector<Agenda>& agenda = scratch.agenda;
    agenda.clear();
    scratch.unmerged.clear();
    Agenda proposal;
    for (std::size_t i = 0; i + 1 < scratch.symbols.size(); ++i) {
      if (Propose(word, static_cast<std::int32_t>(i), scratch, proposal)) agenda.push_back(proposal);
    }
    std::make_heap(agenda.begin(), agenda.end(), Later);
    const auto push = [&](std::int32_t left) {
      if (!Propose(word, left, scratch, proposal)) return;
      agenda.push_back(proposal);
      std::push_heap(agenda.begin(), agenda.end(), Later);
    };
    while (!agenda.empty()) {
      std::pop_heap(agenda.begin(), agenda.end(), Later);
      const Agenda top = agenda.back();
      agenda.pop_back();
      Symbol& left = scratch.symbols[static_cast<std::size_t>(top.left)];
      Symbol& right = scratch.symbols[static_cast<std::size_t>(top.right)];
      // Either side may have merged otherwise since.
      if (left.size == 0 || right.size == 0 || left.size + right.size != top.size) continue;
      left.size = top.size;
      left.next = right.next;
      if (right.next >= 0) scratch.symbols[static_cast<std::size_t>(right.next)].previous = top.left;
      right.size = 0;
      push(left.previous);
      push(top.left);
    }
    for (std::int32_t at = 0; at >= 0; at = scratch.symbols[static_cast<std::size_t>(at)].next) {
      const Symbol& symbol = scratch.symbols[static_cast<std::size_t>(at)];
      Append(word.substr(symbol.begin, symbol.size), scratch, appender);
    }
  }

  // Recursion is bounded by the longest token: each half is shorter.
  void Append(std::string_view piece, const ModelScratch& scratch, UnknownAppender& appender) const {
    const TokenId id = vocabulary_.FindText(piece);
    if (id == Vocabulary::kNone) return appender.Unknown(piece);
    if (IsUnused(id)) {
      if (const auto it = scratch.unmerged.find(piece); it != scratch.unmerged.end()) {
        Append(it->second.first, scratch, appender);
        return Append(it->second.second, scratch, appender);
      }
    }
    appender.Known(id);
  }

  const Vocabulary& vocabulary_;
  const Table<float> scores_;
  const bool words_stand_apart_;
  const UnknownRule unknown_;
  const ByteTrie user_defined_;
};

}  // namespace

base::Status BuildScoreTables(const TokenizerSpec& spec, const Vocabulary& vocabulary, WordTables& tables) {
  if (spec.scores.size() != vocabulary.size()) {
    return base::InvalidArgument(
        fmt::format("the tokenizer has {} tokens and {} scores", vocabulary.size(), spec.scores.size()));
  }
  tables.scores = Table<float>(spec.scores);
  tables.words_stand_apart = WordsStandApart(vocabulary);
  std::vector<ByteTrie::Entry> user_defined;
  for (TokenId id = 0; vocabulary.Has(id); ++id) {
    if (vocabulary.IsText(id) && vocabulary.Kind(id) == TokenKindInVocabulary::kUserDefined) {
      user_defined.push_back({vocabulary.Stored(id), id});
    }
  }
  tables.trie = ByteTrie::Build(std::move(user_defined));
  return {};
}

std::unique_ptr<const WordModel> MakeScoreModel(const TokenizerSpec& spec, const Vocabulary& vocabulary,
                                                WordTables tables) {
  return std::make_unique<ScoreModel>(spec, vocabulary, std::move(tables));
}

}  // namespace loquat::text
