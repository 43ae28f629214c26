// Tokenizer::Create: what is built from a spec, and what of it is checked.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "text/tokenizer/tokenizer.h"

namespace loquat::text {
namespace {

using PieceKind = TemplatePiece::Kind;

TemplatePiece Token(TokenId id, std::uint8_t type) {
  return {.kind = PieceKind::kToken, .id = id, .type = type};
}

void AppendIf(bool wanted, const std::optional<TokenId>& id, std::uint8_t type, std::vector<TemplatePiece>& pieces) {
  if (wanted && id) pieces.push_back(Token(*id, type));
}

// [CLS] first [SEP], then second [SEP] as type 1.
void AddBertTemplates(const TokenizerSpec& spec, std::vector<TemplatePiece>& single, std::vector<TemplatePiece>& pair) {
  AppendIf(true, spec.cls, 0, single);
  single.push_back({.kind = PieceKind::kFirst});
  AppendIf(true, spec.sep, 0, single);
  pair = single;
  pair.push_back({.kind = PieceKind::kSecond, .type = 1});
  AppendIf(true, spec.sep, 1, pair);
}

// [bos] first [eos], then (with a separator: [sep]) second [eos].
void AddPlainTemplates(const TokenizerSpec& spec, std::vector<TemplatePiece>& single,
                       std::vector<TemplatePiece>& pair) {
  AppendIf(spec.add_bos, spec.bos, 0, single);
  single.push_back({.kind = PieceKind::kFirst});
  AppendIf(spec.add_eos, spec.eos, 0, single);
  pair = single;
  AppendIf(spec.add_eos, spec.sep, 0, pair);
  pair.push_back({.kind = PieceKind::kSecond});
  AppendIf(spec.add_eos, spec.eos, 0, pair);
}

base::Status CheckTemplate(const std::vector<TemplatePiece>& pieces, bool pair, const Vocabulary& vocabulary) {
  if (pieces.size() > Tokenizer::kTemplatePiecesMax) {
    return base::InvalidArgument(fmt::format("the template of special tokens has {} pieces; at most {} are allowed",
                                             pieces.size(), Tokenizer::kTemplatePiecesMax));
  }
  int first = 0, second = 0;
  for (const TemplatePiece& piece : pieces) {
    first += piece.kind == PieceKind::kFirst ? 1 : 0;
    second += piece.kind == PieceKind::kSecond ? 1 : 0;
    if (piece.kind == PieceKind::kToken && !vocabulary.Has(piece.id)) {
      return base::InvalidArgument(
          fmt::format("the template of special tokens names the token {}, which the tokenizer lacks", piece.id));
    }
  }
  if (first != 1 || second != (pair ? 1 : 0)) {
    return base::InvalidArgument("the template of special tokens must name each text once");
  }
  return {};
}

}  // namespace

base::Status Tokenizer::SetTemplates(const TokenizerSpec& spec) {
  if (spec.kind == TokenizerKind::kWordPiece) {
    AddBertTemplates(spec, single_, pair_);
  } else {
    AddPlainTemplates(spec, single_, pair_);
  }
  if (!spec.single_template.empty()) single_ = spec.single_template;
  if (!spec.pair_template.empty()) pair_ = spec.pair_template;
  LOQUAT_TRY(CheckTemplate(single_, false, vocabulary_));
  return CheckTemplate(pair_, true, vocabulary_);
}

base::Status Tokenizer::SetSpecials(const TokenizerSpec& spec) {
  if (spec.specials.size() > kSpecialsMax) {
    return base::InvalidArgument(
        fmt::format("the tokenizer has {} special tokens; at most {} are allowed", spec.specials.size(), kSpecialsMax));
  }
  std::vector<SpecialToken> plain, normalized;
  std::vector<std::string> plain_contents, normalized_contents;
  EncodeWorkspace workspace;
  for (const SpecialToken& token : spec.specials) {
    if (token.content.size() > kSpecialBytesMax) {
      return base::InvalidArgument(fmt::format("the special token {} has {} bytes; at most {} are allowed", token.id,
                                               token.content.size(), kSpecialBytesMax));
    }
    if (!token.normalized || normalizer_.empty()) {
      plain.push_back(token);
      plain_contents.push_back(token.content);
      continue;
    }
    // Not the beginning of a text, so that a prefix for that alone is not part of what is searched for.
    LOQUAT_ASSIGN(const std::string_view content,
                  normalizer_.Apply(token.content, false, workspace.normalizer_, workspace.pattern_));
    normalized_contents.emplace_back(content);
    normalized.push_back(token);
  }
  specials_ = SpecialMatcher(std::move(plain), plain_contents);
  normalized_specials_ = SpecialMatcher(std::move(normalized), normalized_contents);
  return {};
}

base::Result<std::shared_ptr<const Tokenizer>> Tokenizer::Create(TokenizerSpec spec) {
  LOQUAT_ASSIGN(Vocabulary vocabulary, Vocabulary::Build(spec));
  LOQUAT_ASSIGN(WordTables tables, BuildWordTables(spec, vocabulary));
  return Assemble(std::move(spec), std::move(vocabulary), std::move(tables), nullptr);
}

base::Result<std::shared_ptr<const Tokenizer>> Tokenizer::Assemble(TokenizerSpec spec, Vocabulary vocabulary,
                                                                   WordTables tables,
                                                                   std::shared_ptr<const void> owner) {
  const std::shared_ptr<Tokenizer> made(new Tokenizer());
  made->owner_ = std::move(owner);
  made->kind_ = spec.kind;
  made->repairs_text_ = spec.kind != TokenizerKind::kByteLevelBpe && spec.normalizers.has_value();
  made->vocabulary_ = std::move(vocabulary);
  LOQUAT_ASSIGN(made->normalizer_, TextNormalizer::Create(spec, made->vocabulary_));
  LOQUAT_ASSIGN(made->pre_tokenizer_, PreTokenizer::Create(spec));
  made->model_ = MakeWordModel(spec, made->vocabulary_, std::move(tables));
  LOQUAT_TRY(made->SetTemplates(spec));
  LOQUAT_TRY(made->SetSpecials(spec));
  made->bos_ = spec.bos;
  made->eos_ = spec.eos;
  made->pad_ = spec.pad;
  made->unknown_ = spec.unknown;
  made->cls_ = spec.cls;
  made->sep_ = spec.sep;
  made->mask_ = spec.mask;
  made->chat_template_ = std::move(spec.chat_template);
  const bool prefixed = spec.add_prefix_space && spec.kind != TokenizerKind::kByteLevelBpe;
  made->strip_decoded_space_ = spec.strip_decoded_space.value_or(prefixed);
  made->clean_up_decoded_ = spec.clean_up_decoded;
  return std::shared_ptr<const Tokenizer>(made);
}

}  // namespace loquat::text
