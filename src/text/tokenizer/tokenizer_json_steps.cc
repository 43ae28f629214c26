// Normalizer, pre-tokenizer, post-processor and decoder of tokenizer.json.

#include <fmt/format.h>

#include "base/base64.h"
#include "text/tokenizer/charsmap.h"
#include "text/tokenizer/tokenizer_json_parts.h"
#include "text/tokenizer/vocabulary.h"
#include "text/tokenizer/word_scanner.h"

namespace loquat::text::json_parts {
namespace {

using base::JsonField;
using base::JsonFields;
using Behavior = PreTokenizerStep::Behavior;
using Prefix = PreTokenizerStep::Prefix;

constexpr std::size_t kStepsMax = 32;

std::string Type(JsonFields& fields) {
  return std::string(fields.Required("type").String({.max_bytes = 256}));
}

void FaultOfType(const JsonField& field, std::string_view what, std::string_view type) {
  field.Fault(fmt::format("the {} '{}' is not supported", what, type));
}

struct PatternText {
  std::string text;
  bool literal = false;
};

// {"String": …} or {"Regex": …}.
PatternText ReadPattern(const JsonField& field) {
  JsonFields fields = field.Fields();
  const JsonField literal = fields.Optional("String"), regex = fields.Optional("Regex");
  PatternText pattern;
  pattern.literal = literal.present();
  pattern.text = (pattern.literal ? literal : regex).String({.max_bytes = kPatternBytesMax});
  if (literal.present() == regex.present()) field.Fault("must have one of String and Regex");
  fields.Done();
  return pattern;
}

void ReadBertNormalizer(JsonFields& fields, TokenizerSpec& spec, NormalizerStep& step) {
  step.kind = NormalizerStep::Kind::kBert;
  step.clean_text = fields.Optional("clean_text").Bool(true);
  spec.handle_chinese = fields.Optional("handle_chinese_chars").Bool(true);
  const JsonField accents = fields.Optional("strip_accents");
  if (accents.present()) spec.strip_accents = accents.Bool();
  spec.lowercase = fields.Optional("lowercase").Bool(true);
}

void ReadCharsmap(JsonFields& fields, TokenizerSpec& spec, NormalizerStep& step) {
  step.kind = NormalizerStep::Kind::kCharsmap;
  const JsonField rules = fields.Required("precompiled_charsmap");
  const std::string_view encoded = rules.String({.max_bytes = Charsmap::kBytesMax * 3 / 2});
  auto decoded = base::DecodeBase64(encoded);
  if (!decoded) return rules.Fault("is not base64");
  if (!spec.precompiled_charsmap.empty()) return rules.Fault("is the second set of rules; one is supported");
  spec.precompiled_charsmap = std::move(*decoded);
}

void ReadOneNormalizer(const JsonField& field, JsonFields& fields, std::string_view type, TokenizerSpec& spec,
                       std::vector<NormalizerStep>& steps) {
  using Kind = NormalizerStep::Kind;
  NormalizerStep step;
  if (type == "NFC" || type == "NFD" || type == "NFKC" || type == "NFKD") {
    step.kind = type == "NFC" ? Kind::kNfc : type == "NFD" ? Kind::kNfd : type == "NFKC" ? Kind::kNfkc : Kind::kNfkd;
  } else if (type == "Lowercase") {
    step.kind = Kind::kLowercase;
  } else if (type == "StripAccents") {
    step.kind = Kind::kStripAccents;
  } else if (type == "Strip") {
    step.kind = Kind::kStrip;
    step.left = fields.Optional("strip_left").Bool(true);
    step.right = fields.Optional("strip_right").Bool(true);
  } else if (type == "Prepend") {
    step.kind = Kind::kPrepend;
    step.content = fields.Required("prepend").String({.max_bytes = kPatternBytesMax});
  } else if (type == "Replace") {
    PatternText pattern = ReadPattern(fields.Required("pattern"));
    step.kind = pattern.literal ? Kind::kReplace : Kind::kReplacePattern;
    step.pattern = std::move(pattern.text);
    step.content = fields.Required("content").String({.max_bytes = kPatternBytesMax});
  } else if (type == "Precompiled") {
    ReadCharsmap(fields, spec, step);
  } else if (type == "BertNormalizer") {
    ReadBertNormalizer(fields, spec, step);
  } else {
    return FaultOfType(field, "normalizer", type);
  }
  fields.Done();
  steps.push_back(std::move(step));
}

// {"behavior": …, "invert": …}
void ReadBehavior(JsonFields& fields, PreTokenizerStep& step) {
  step.behavior = fields.Optional("behavior")
                      .Enum<Behavior>({{"Isolated", Behavior::kIsolated},
                                       {"Removed", Behavior::kRemoved},
                                       {"MergedWithPrevious", Behavior::kMergedWithPrevious},
                                       {"MergedWithNext", Behavior::kMergedWithNext},
                                       {"Contiguous", Behavior::kContiguous}},
                                      Behavior::kIsolated);
}

// "prepend_scheme", or the older "add_prefix_space".
Prefix ReadPrefix(JsonFields& fields) {
  const bool add = fields.Optional("add_prefix_space").Bool(true);
  const Prefix otherwise = add ? Prefix::kAlways : Prefix::kNever;
  return fields.Optional("prepend_scheme")
      .Enum<Prefix>({{"always", Prefix::kAlways}, {"first", Prefix::kFirst}, {"never", Prefix::kNever}}, otherwise);
}

void CheckReplacement(JsonFields& fields) {
  const JsonField replacement = fields.Optional("replacement");
  if (replacement.String({.max_bytes = 16}, kSpaceSymbol) != kSpaceSymbol) {
    replacement.Fault("a Metaspace whose replacement is not ▁ is not supported");
  }
  fields.Optional("str_rep").String({.max_bytes = 16});
}

// True for ByteLevel.
bool ReadOnePreTokenizer(const JsonField& field, JsonFields& fields, std::string_view type,
                         std::vector<PreTokenizerStep>& steps) {
  using Kind = PreTokenizerStep::Kind;
  PreTokenizerStep step;
  if (type == "ByteLevel") {
    fields.Optional("trim_offsets").Bool();
    if (fields.Optional("add_prefix_space").Bool(true)) steps.push_back({.kind = Kind::kPrefixSpace});
    const bool use_regex = fields.Optional("use_regex").Bool(true);
    if (use_regex) steps.push_back({.kind = Kind::kSplit, .pattern = std::string(kGpt2Pattern)});
    fields.Done();
    return true;
  }
  if (type == "Split") {
    PatternText pattern = ReadPattern(fields.Required("pattern"));
    step.pattern = std::move(pattern.text);
    step.literal = pattern.literal;
    step.invert = fields.Optional("invert").Bool();
    ReadBehavior(fields, step);
  } else if (type == "Metaspace") {
    step.kind = Kind::kMetaspace;
    CheckReplacement(fields);
    step.prefix = ReadPrefix(fields);
    step.split = fields.Optional("split").Bool(true);
  } else if (type == "Whitespace") {
    step.kind = Kind::kWhitespace;
  } else if (type == "WhitespaceSplit") {
    step.kind = Kind::kWhitespaceSplit;
  } else if (type == "Punctuation") {
    step.kind = Kind::kPunctuation;
    ReadBehavior(fields, step);
  } else if (type == "Digits") {
    step.kind = Kind::kDigits;
    step.individual_digits = fields.Optional("individual_digits").Bool();
  } else if (type == "BertPreTokenizer") {
    step.kind = Kind::kBert;
  } else {
    FaultOfType(field, "pre-tokenizer", type);
    return false;
  }
  fields.Done();
  steps.push_back(std::move(step));
  return false;
}

// ["[SEP]", 102]
std::optional<TokenId> ReadTokenPair(const JsonField& field) {
  std::optional<TokenId> id;
  std::size_t at = 0;
  field.Each({.min_items = 2, .max_items = 2}, [&](const JsonField& item) {
    if (at++ == 0) {
      item.String({});
    } else {
      id = static_cast<TokenId>(item.Int({.min = 0, .max = Vocabulary::kTokensMax}));
    }
  });
  return id;
}

// Appends the ids that special_tokens has for a name.
void ReadNamedToken(const JsonField& name, const base::JsonObject& special_tokens, std::uint8_t type,
                    std::vector<TemplatePiece>& out) {
  const auto named = special_tokens.Find(name.String({.max_bytes = 1024})).AsObject();
  if (!named.has_value()) return name.Fault("is not among special_tokens");
  const auto ids = named->Find("ids").AsArray();
  if (!ids.has_value() || ids->size() > kStepsMax) return name.Fault("special_tokens has no list of ids for it");
  for (const base::JsonValue value : *ids) {
    const auto id = value.AsInt();
    if (!id.has_value() || *id < 0 || *id > static_cast<std::int64_t>(Vocabulary::kTokensMax)) {
      return name.Fault("special_tokens has an id for it that is none");
    }
    out.push_back({.kind = TemplatePiece::Kind::kToken, .id = static_cast<TokenId>(*id), .type = type});
  }
}

void ReadTemplate(const JsonField& field, const base::JsonObject& special_tokens, std::vector<TemplatePiece>& out) {
  field.Each({.max_items = kStepsMax}, [&](const JsonField& item) {
    JsonFields fields = item.Fields();
    const JsonField sequence = fields.Optional("Sequence"), token = fields.Optional("SpecialToken");
    fields.Done();
    if (sequence.present() == token.present()) return item.Fault("must have one of Sequence and SpecialToken");
    JsonFields named = (sequence.present() ? sequence : token).Fields();
    const JsonField id = named.Required("id");
    const auto type = static_cast<std::uint8_t>(named.Optional("type_id").Int({.min = 0, .max = 255}));
    named.Done();
    if (token.present()) return ReadNamedToken(id, special_tokens, type, out);
    const auto kind = id.Enum<TemplatePiece::Kind>(
        {{"A", TemplatePiece::Kind::kFirst}, {"B", TemplatePiece::Kind::kSecond}}, TemplatePiece::Kind::kFirst);
    out.push_back({.kind = kind, .id = 0, .type = type});
  });
}

TemplatePiece TokenPiece(const std::optional<TokenId>& id, std::uint8_t type) {
  return {.kind = TemplatePiece::Kind::kToken, .id = id.value_or(-1), .type = type};
}

// Bert: cls A sep, B sep as type 1. Roberta: cls A sep, sep B sep, all type 0.
void SetPairTemplates(bool roberta, const std::optional<TokenId>& cls, const std::optional<TokenId>& sep,
                      TokenizerSpec& spec) {
  const std::uint8_t second = roberta ? 0 : 1;
  spec.single_template = {TokenPiece(cls, 0), {.kind = TemplatePiece::Kind::kFirst}, TokenPiece(sep, 0)};
  spec.pair_template = spec.single_template;
  if (roberta) spec.pair_template.push_back(TokenPiece(sep, 0));
  spec.pair_template.push_back({.kind = TemplatePiece::Kind::kSecond, .id = 0, .type = second});
  spec.pair_template.push_back(TokenPiece(sep, second));
  spec.cls = cls;
  spec.sep = sep;
}

bool IsText(std::string_view text, std::string_view wanted, const JsonField& field) {
  if (text == wanted) return true;
  field.Fault(fmt::format("must be '{}': another decoder is not supported", wanted));
  return false;
}

// A Sequence's member, or the decoder itself. Metaspace and Strip say whether a leading space goes.
void ReadOneDecoder(const JsonField& field, TokenizerSpec& spec) {
  JsonFields fields = field.Fields();
  const std::string type = Type(fields);
  const bool sentence_piece = spec.kind == TokenizerKind::kSentencePieceBpe || spec.kind == TokenizerKind::kUnigram;
  if (type == "Sequence") {
    fields.Required("decoders").Each({.max_items = kStepsMax}, [&](const JsonField& item) {
      ReadOneDecoder(item, spec);
    });
  } else if (type == "ByteLevel" && spec.kind == TokenizerKind::kByteLevelBpe) {
    for (const std::string_view key : {"add_prefix_space", "trim_offsets", "use_regex"}) fields.Optional(key).Bool();
  } else if (type == "WordPiece" && spec.kind == TokenizerKind::kWordPiece) {
    const JsonField prefix = fields.Optional("prefix");
    IsText(prefix.String({.max_bytes = 64}, "##"), spec.continuing_prefix, prefix);
    spec.clean_up_decoded = fields.Optional("cleanup").Bool(true);
  } else if (type == "Metaspace" && sentence_piece) {
    CheckReplacement(fields);
    spec.strip_decoded_space = ReadPrefix(fields) != Prefix::kNever;
    fields.Optional("split").Bool();
  } else if (type == "Replace" && sentence_piece) {
    const JsonField pattern = fields.Required("pattern"), content = fields.Required("content");
    IsText(ReadPattern(pattern).text, kSpaceSymbol, pattern);
    IsText(content.String({.max_bytes = 64}), " ", content);
  } else if (type == "Strip" && sentence_piece) {
    const JsonField content = fields.Required("content");
    IsText(content.String({.max_bytes = 64}), " ", content);
    spec.strip_decoded_space = fields.Required("start").Int({.min = 0, .max = 1}) == 1;
    fields.Required("stop").Int({.min = 0, .max = 0});
  } else if ((type == "ByteFallback" || type == "Fuse") && sentence_piece) {
    // Bytes are always joined.
  } else {
    return FaultOfType(field, "decoder", type);
  }
  fields.Done();
}

}  // namespace

void ReadNormalizer(const JsonField& field, TokenizerSpec& spec, std::vector<NormalizerStep>& steps) {
  if (!field.present()) return;
  JsonFields fields = field.Fields();
  const std::string type = Type(fields);
  if (type != "Sequence") return ReadOneNormalizer(field, fields, type, spec, steps);
  fields.Required("normalizers").Each({.max_items = kStepsMax}, [&](const JsonField& item) {
    ReadNormalizer(item, spec, steps);
  });
  fields.Done();
}

bool ReadPreTokenizer(const JsonField& field, std::vector<PreTokenizerStep>& steps) {
  if (!field.present()) return false;
  JsonFields fields = field.Fields();
  const std::string type = Type(fields);
  if (type != "Sequence") return ReadOnePreTokenizer(field, fields, type, steps);
  bool byte_level = false;
  fields.Required("pretokenizers").Each({.max_items = kStepsMax}, [&](const JsonField& item) {
    if (byte_level) item.Fault("a pre-tokenizer after ByteLevel is not supported");
    byte_level = ReadPreTokenizer(item, steps);
  });
  fields.Done();
  return byte_level;
}

void ReadPostProcessor(const JsonField& field, TokenizerSpec& spec) {
  if (!field.present()) return;
  JsonFields fields = field.Fields();
  const std::string type = Type(fields);
  if (type == "Sequence") {
    fields.Required("processors").Each({.max_items = kStepsMax}, [&](const JsonField& item) {
      ReadPostProcessor(item, spec);
    });
  } else if (type == "ByteLevel") {  // About offsets alone.
    for (const std::string_view key : {"add_prefix_space", "trim_offsets", "use_regex"}) fields.Optional(key).Bool();
  } else if (type == "BertProcessing" || type == "RobertaProcessing") {
    const bool roberta = type == "RobertaProcessing";
    const auto sep = ReadTokenPair(fields.Required("sep")), cls = ReadTokenPair(fields.Required("cls"));
    if (roberta) {
      for (const std::string_view key : {"add_prefix_space", "trim_offsets"}) fields.Optional(key).Bool();
    }
    SetPairTemplates(roberta, cls, sep, spec);
  } else if (type == "TemplateProcessing") {
    const JsonField single = fields.Required("single"), pair = fields.Required("pair");
    const auto special_tokens = fields.Optional("special_tokens").value().AsObject();
    const base::JsonObject named = special_tokens.has_value() ? *special_tokens : base::JsonObject();
    spec.single_template.clear();
    spec.pair_template.clear();
    ReadTemplate(single, named, spec.single_template);
    ReadTemplate(pair, named, spec.pair_template);
  } else {
    return FaultOfType(field, "post-processor", type);
  }
  fields.Done();
}

void ReadDecoder(const JsonField& field, TokenizerSpec& spec) {
  spec.strip_decoded_space = false;
  if (field.present()) ReadOneDecoder(field, spec);
}

}  // namespace loquat::text::json_parts
