// Everything that defines a tokenizer, as plain data: read from tokenizer.json here, from GGUF metadata by
// model/formats. Values; checked by Tokenizer::Create, which trusts nothing in it.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace loquat::text {

using TokenId = std::int32_t;

enum class TokenizerKind : std::uint8_t {
  kByteLevelBpe,      // GPT-2, Llama 3, Qwen2, GLM-4.
  kSentencePieceBpe,  // Llama 2, Mistral, ChatGLM3 (scores rank the merges).
  kUnigram,           // T5, XLM-R.
  kWordPiece,         // BERT.
};

enum class TokenKindInVocabulary : std::uint8_t { kNormal, kUnknown, kControl, kUserDefined, kUnused, kByte };

struct SpecialToken {
  std::string content;
  TokenId id = 0;
  bool special = true;      // Left out when decoding without special tokens.
  bool strip_left = false;  // Takes the white space before it.
  bool strip_right = false;
  bool single_word = false;
  bool normalized = false;  // Matched after normalisation.
};

// One step of normalisation. A file that says them itself gives a list; the flags of TokenizerSpec stand for the usual
// ones.
struct NormalizerStep {
  enum class Kind : std::uint8_t {
    kNfc,
    kNfd,
    kNfkc,
    kNfkd,
    kLowercase,       // Each character by itself.
    kStripAccents,    // Drops marks (M); what carries them must be decomposed before.
    kStrip,           // White space at the ends named by `left` and `right`.
    kPrepend,         // `content`, unless the text is empty.
    kReplace,         // Each `pattern`, a plain string, by `content`.
    kReplacePattern,  // The same with a regular expression.
    kCharsmap,        // The rules of TokenizerSpec::precompiled_charsmap.
    kSentencePiece,   // charsmap, extra spaces, dummy prefix, spaces as "▁": by the flags of TokenizerSpec.
    kBert,            // `clean_text`, and the flags of TokenizerSpec.
  };
  Kind kind = Kind::kNfc;
  std::string pattern, content;
  bool left = true, right = true;
  bool clean_text = true;
};

// One step of cutting the text into words before the model; Hugging Face's names.
struct PreTokenizerStep {
  enum class Kind : std::uint8_t {
    kSplit,            // By `pattern`, a regular expression or (`literal`) a plain string.
    kPrefixSpace,      // Puts a space before a text that does not begin with one.
    kMetaspace,        // Spaces become "▁".
    kWhitespace,       // Runs of word characters, and runs of what is neither that nor white space.
    kWhitespaceSplit,  // What stands between white space.
    kPunctuation,
    kDigits,  // Runs of numbers, or each alone (`individual_digits`).
    kBert,    // Between white space, each punctuation mark alone.
  };
  enum class Behavior : std::uint8_t { kIsolated, kRemoved, kMergedWithPrevious, kMergedWithNext, kContiguous };
  enum class Prefix : std::uint8_t { kNever, kFirst, kAlways };  // kFirst: at the beginning of the text alone.
  Kind kind = Kind::kSplit;
  std::string pattern;
  bool literal = false;
  bool invert = false;
  Behavior behavior = Behavior::kIsolated;
  Prefix prefix = Prefix::kAlways;  // kMetaspace: a "▁" before a text that does not begin with one.
  bool split = true;                // kMetaspace: cuts before each "▁".
  bool individual_digits = false;
};

// One item of what EncodeOptions::add_special makes of a text or a pair.
struct TemplatePiece {
  enum class Kind : std::uint8_t { kFirst, kSecond, kToken };
  Kind kind = Kind::kFirst;
  TokenId id = 0;  // kToken.
  std::uint8_t type = 0;
};

struct TokenizerSpec {
  TokenizerKind kind = TokenizerKind::kByteLevelBpe;
  std::vector<std::string> tokens;           // By id, as stored: byte-level text, "▁the", "##ing", "<0x0A>".
  std::vector<float> scores;                 // By id; kSentencePieceBpe and kUnigram.
  std::vector<TokenKindInVocabulary> kinds;  // By id; empty: all normal.
  // Best first. kByteLevelBpe; kSentencePieceBpe may have them in place of scores.
  std::vector<std::pair<std::string, std::string>> merges;
  std::vector<SpecialToken> specials;  // Found in text before anything else, longest first.

  // Pre-tokenizer of byte-level BPE: a known name ("gpt-2", "llama-bpe", "qwen2", "chatglm-bpe"; empty: "gpt-2") or a
  // pattern; the pattern wins, and `pre_tokenizers` wins over both.
  std::string pre_tokenizer;
  std::string pre_tokenizer_pattern;
  std::optional<std::vector<PreTokenizerStep>> pre_tokenizers;
  bool ignore_merges = false;  // A word that is a token needs no merges (Llama 3).

  // Normalisation before the model. `normalizers` wins over nfc and nfkc, and over the dummy prefix and extra spaces of
  // kSentencePieceBpe and kUnigram.
  std::optional<std::vector<NormalizerStep>> normalizers;
  bool add_prefix_space = false;   // SentencePiece's dummy prefix; GPT-2's add_prefix_space.
  bool prefix_first_only = false;  // Only at the beginning of the text, not after special tokens.
  bool remove_extra_spaces = false;
  bool nfc = false, nfkc = false;
  bool lowercase = false;             // WordPiece and some others.
  std::optional<bool> strip_accents;  // WordPiece; empty: as lowercase.
  bool handle_chinese = true;         // WordPiece: spaces around each Chinese character.
  std::string precompiled_charsmap;   // SentencePiece's normalisation rules (its own trie format); may be empty.
  std::string continuing_prefix = "##";
  std::uint32_t word_characters_max = 100;  // WordPiece: longer words are unknown.
  bool byte_fallback = false;
  bool fuse_unknown = true;  // A run of unknown characters is one unknown token.

  std::optional<TokenId> bos, eos, unknown, pad, cls, sep, mask;
  bool add_bos = false, add_eos = false;  // With EncodeOptions::add_special.
  // What add_special makes of a text and of a pair; empty: [bos] text [eos] by the two flags, cls text sep for
  // kWordPiece.
  std::vector<TemplatePiece> single_template, pair_template;

  // Decoding drops one space at the beginning; empty: if a prefix space was added (not kByteLevelBpe).
  std::optional<bool> strip_decoded_space;
  bool clean_up_decoded = false;  // kWordPiece: no space before . , ! ? and contractions.
  std::string chat_template;      // Jinja; may be empty.
};

}  // namespace loquat::text
