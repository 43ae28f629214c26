// Text to token ids, as the model was trained: special tokens are found first, the text between them is normalised, cut
// into words, and each word into tokens; then the template adds what a text begins and ends with.
// Immutable: one Tokenizer serves many threads, each with an EncodeWorkspace of its own.
//
//   LOQUAT_ASSIGN(const auto tokenizer, Tokenizer::Create(std::move(spec)));
//   EncodeWorkspace workspace;  // Kept: once warm, encoding usual text allocates nothing but the output's growth.
//   std::vector<TokenId> ids;
//   LOQUAT_TRY(tokenizer->Encode("Hello", {}, workspace, ids));
//
// Text is bytes: ill-formed UTF-8 is no error. Byte-level tokenizers without a normalizer keep it exactly; others read
// U+FFFD in its place. The way back is detokenizer.h.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/tokenizer/pre_tokenizer.h"
#include "text/tokenizer/special_matcher.h"
#include "text/tokenizer/text_normalizer.h"
#include "text/tokenizer/tokenizer_spec.h"
#include "text/tokenizer/vocabulary.h"
#include "text/tokenizer/word_model.h"
#include "text/truncation.h"

namespace loquat::text {

struct EncodeOptions {
  bool add_special = true;    // What the template adds: [bos], [CLS] and so on.
  bool parse_special = true;  // Special tokens written in the text are tokens; without it they are plain text.
};

// Reusable memory of encoding. One thread at a time.
class EncodeWorkspace {
 private:
  friend class Tokenizer;
  NormalizerScratch normalizer_;
  PreTokenizerScratch pre_tokenizer_;
  PatternScratch pattern_;
  ModelScratch model_;
  std::vector<SpecialMatcher::Part> parts_, inner_parts_;
  std::vector<TokenId> first_, second_;
  std::string repaired_;
};

// What a limit cut away.
struct TruncationReport {
  std::uint32_t tokens_before = 0, tokens_after = 0;  // With those that the template adds.
  Cut first, second;                                  // In tokens of the text itself; `second` is that of a pair.
  bool truncated() const { return tokens_before != tokens_after; }
};

struct EncodedPair {
  std::vector<TokenId> ids;
  std::vector<std::uint8_t> types;  // As long as ids: 0 for the first text, 1 for the second (BERT's segments).
};

class Tokenizer {
 public:
  static constexpr std::size_t kTextBytesMax = std::size_t{1} << 26;
  static constexpr std::size_t kSpecialsMax = std::size_t{1} << 16;
  static constexpr std::size_t kSpecialBytesMax = 1024;
  static constexpr std::size_t kTemplatePiecesMax = 64;

  // kInvalidArgument says what in the spec is wrong.
  static base::Result<std::shared_ptr<const Tokenizer>> Create(TokenizerSpec spec);
  // Of tables that are built already, and a spec whose lists of tokens, scores, kinds and merges are not looked at.
  // `owner` keeps what the tables are views of. REQUIRES: vocabulary and tables belong together (CheckWordTables).
  static base::Result<std::shared_ptr<const Tokenizer>> Assemble(TokenizerSpec spec, Vocabulary vocabulary,
                                                                 WordTables tables, std::shared_ptr<const void> owner);
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;
  ~Tokenizer();

  // Appends the ids of `text`. kResourceExhausted: past kTextBytesMax, or a limit of the model file's own patterns.
  base::Status Encode(std::string_view text, const EncodeOptions& options, EncodeWorkspace& workspace,
                      std::vector<TokenId>& out) const;
  base::Result<std::vector<TokenId>> Encode(std::string_view text, const EncodeOptions& options = {}) const;

  // The same within `limit` tokens: the policy cuts the text's own tokens, never the template's. kResourceExhausted if
  // the policy is kError and there are more, or if the template alone is longer than the limit.
  base::Result<TruncationReport> EncodeTruncated(std::string_view text, const EncodeOptions& options,
                                                 std::uint32_t limit, TruncationPolicy policy,
                                                 EncodeWorkspace& workspace, std::vector<TokenId>& out) const;

  // Two texts, for BERT and rerankers, replacing what `out` holds. Where a limit cuts, the longer text gives first.
  base::Result<TruncationReport> EncodePair(std::string_view first, std::string_view second,
                                            const EncodeOptions& options, std::uint32_t limit, TruncationPolicy policy,
                                            EncodeWorkspace& workspace, EncodedPair& out) const;

  TokenizerKind kind() const { return kind_; }
  std::size_t size() const { return vocabulary_.size(); }
  bool Has(TokenId id) const { return vocabulary_.Has(id); }

  // As stored ("Ġthe", "▁the", "##ing"), and the bytes it decodes to within a text. Empty for an id that is none.
  std::string_view TokenText(TokenId id) const { return Has(id) ? vocabulary_.Stored(id) : std::string_view(); }
  std::string_view TokenBytes(TokenId id) const { return Has(id) ? vocabulary_.Bytes(id) : std::string_view(); }
  bool IsSpecial(TokenId id) const { return Has(id) && vocabulary_.IsSpecial(id); }
  TokenKindInVocabulary TokenKind(TokenId id) const {
    return Has(id) ? vocabulary_.Kind(id) : TokenKindInVocabulary::kUnused;
  }
  // The token stored as `text`.
  std::optional<TokenId> IdOf(std::string_view text) const;

  std::optional<TokenId> bos() const { return bos_; }
  std::optional<TokenId> eos() const { return eos_; }
  std::optional<TokenId> pad() const { return pad_; }
  std::optional<TokenId> unknown() const { return unknown_; }
  std::optional<TokenId> cls() const { return cls_; }
  std::optional<TokenId> sep() const { return sep_; }
  std::optional<TokenId> mask() const { return mask_; }
  const std::string& chat_template() const { return chat_template_; }

  // How many tokens the template adds to a text.
  std::size_t added_tokens() const { return single_.size() - 1; }

 private:
  friend class Detokenizer;
  Tokenizer() = default;

  base::Status SetTemplates(const TokenizerSpec& spec);
  base::Status SetSpecials(const TokenizerSpec& spec);
  base::Status EncodeText(std::string_view text, bool parse_special, EncodeWorkspace& workspace,
                          std::vector<TokenId>& out) const;
  base::Status EncodeSection(std::string_view text, bool first, bool parse_special, EncodeWorkspace& workspace,
                             std::vector<TokenId>& out) const;
  base::Status EncodeWords(std::string_view text, bool first, EncodeWorkspace& workspace,
                           std::vector<TokenId>& out) const;

  std::shared_ptr<const void> owner_;  // Of what the tables are views of; outlives them.
  TokenizerKind kind_ = TokenizerKind::kByteLevelBpe;
  Vocabulary vocabulary_;
  TextNormalizer normalizer_;
  PreTokenizer pre_tokenizer_;
  std::unique_ptr<const WordModel> model_;
  SpecialMatcher specials_;             // Found in the text as it is.
  SpecialMatcher normalized_specials_;  // Found after normalisation.
  std::vector<TemplatePiece> single_, pair_;
  std::optional<TokenId> bos_, eos_, pad_, unknown_, cls_, sep_, mask_;
  std::string chat_template_;
  bool strip_decoded_space_ = false, clean_up_decoded_ = false;
  bool repairs_text_ = false;  // Neither the model nor a step of normalisation deals with ill-formed UTF-8.
};

}  // namespace loquat::text
