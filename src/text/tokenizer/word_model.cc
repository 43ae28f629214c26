#include "text/tokenizer/word_model.h"

#include <algorithm>
#include <cmath>

namespace loquat::text {

base::Result<WordTables> BuildWordTables(const TokenizerSpec& spec, const Vocabulary& vocabulary) {
  WordTables tables;
  switch (spec.kind) {
    case TokenizerKind::kByteLevelBpe:
      LOQUAT_TRY(BuildMergeTables(spec, vocabulary, tables));
      break;
    case TokenizerKind::kSentencePieceBpe:
      LOQUAT_TRY(spec.scores.empty() ? BuildMergeTables(spec, vocabulary, tables)
                                     : BuildScoreTables(spec, vocabulary, tables));
      break;
    case TokenizerKind::kUnigram:
      LOQUAT_TRY(BuildUnigramTables(spec, vocabulary, tables));
      break;
    case TokenizerKind::kWordPiece:
      LOQUAT_TRY(BuildWordPieceTables(spec, vocabulary, tables));
      break;
  }
  return tables;
}

base::Status CheckWordTables(const TokenizerSpec& spec, const Vocabulary& vocabulary, const WordTables& tables) {
  const std::size_t count = vocabulary.size();
  const bool scored = !tables.scores.empty();
  const bool sound = tables.merges.Sound(count) && tables.trie.Sound(count) && tables.continuations.Sound(count) &&
                     (!scored || tables.scores.size() == count) && (scored || spec.kind != TokenizerKind::kUnigram) &&
                     (spec.kind != TokenizerKind::kWordPiece || vocabulary.unknown() != Vocabulary::kNone) &&
                     std::ranges::all_of(tables.scores.view(), [](float score) { return std::isfinite(score); });
  if (sound) return {};
  return base::InvalidArgument("the tables of the tokenizer's model contradict each other");
}

std::unique_ptr<const WordModel> MakeWordModel(const TokenizerSpec& spec, const Vocabulary& vocabulary,
                                               WordTables tables) {
  switch (spec.kind) {
    case TokenizerKind::kByteLevelBpe:
      break;
    case TokenizerKind::kSentencePieceBpe:
      if (!tables.scores.empty()) return MakeScoreModel(spec, vocabulary, std::move(tables));
      break;
    case TokenizerKind::kUnigram:
      return MakeUnigramModel(spec, vocabulary, std::move(tables));
    case TokenizerKind::kWordPiece:
      return MakeWordPieceModel(spec, vocabulary, std::move(tables));
  }
  return MakeMergeModel(spec, vocabulary, std::move(tables));
}

void UnknownAppender::Unknown(std::string_view text) {
  if (rule_.byte_fallback) {
    bool all = true;
    for (const char byte : text) all &= vocabulary_.ByteToken(static_cast<unsigned char>(byte)) != Vocabulary::kNone;
    if (all) {
      for (const char byte : text) Known(vocabulary_.ByteToken(static_cast<unsigned char>(byte)));
      return;
    }
  }
  if (vocabulary_.unknown() == Vocabulary::kNone) return;
  if (!rule_.fuse || !after_unknown_) out_.push_back(vocabulary_.unknown());
  after_unknown_ = true;
}

std::size_t SpacedWordEnd(std::string_view text) {
  std::size_t at = 0;
  while (text.substr(at).starts_with(kSpaceSymbol)) at += kSpaceSymbol.size();
  const std::size_t end = text.find(kSpaceSymbol, at);
  return end == std::string_view::npos ? text.size() : end;
}

bool WordsStandApart(const Vocabulary& vocabulary) {
  for (TokenId id = 0; vocabulary.Has(id); ++id) {
    if (vocabulary.IsText(id) && SpacedWordEnd(vocabulary.Stored(id)) != vocabulary.Stored(id).size()) return false;
  }
  return true;
}

}  // namespace loquat::text
