#include "text/tokenizer/word_model.h"

namespace loquat::text {

base::Result<std::unique_ptr<const WordModel>> MakeWordModel(const TokenizerSpec& spec, const Vocabulary& vocabulary) {
  switch (spec.kind) {
    case TokenizerKind::kByteLevelBpe:
      return MakeMergeModel(spec, vocabulary);
    case TokenizerKind::kSentencePieceBpe:
      return spec.scores.empty() ? MakeMergeModel(spec, vocabulary) : MakeScoreModel(spec, vocabulary);
    case TokenizerKind::kUnigram:
      return MakeUnigramModel(spec, vocabulary);
    case TokenizerKind::kWordPiece:
      return MakeWordPieceModel(spec, vocabulary);
  }
  return base::InvalidArgument("the tokenizer's kind is none that is known");
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
