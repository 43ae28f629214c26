#include "text/tokenizer/text_normalizer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"
#include "text/decode.h"
#include "text/tokenizer/scan_classes.h"
#include "text/tokenizer/unicode_forms.h"

namespace loquat::text {
namespace {

using Kind = NormalizerStep::Kind;

// The steps that the spec's flags stand for.
std::vector<NormalizerStep> StepsOfFlags(const TokenizerSpec& spec) {
  std::vector<NormalizerStep> steps;
  if (spec.kind == TokenizerKind::kWordPiece) {
    steps.push_back({.kind = Kind::kBert});
    return steps;
  }
  if (spec.nfc) steps.push_back({.kind = Kind::kNfc});
  if (spec.nfkc) steps.push_back({.kind = Kind::kNfkc});
  if (spec.lowercase) steps.push_back({.kind = Kind::kLowercase});
  if (spec.kind != TokenizerKind::kByteLevelBpe) steps.push_back({.kind = Kind::kSentencePiece});
  return steps;
}

void AppendStripped(std::string_view text, bool left, bool right, std::string& out) {
  std::size_t begin = 0, end = text.size();
  while (left && begin < end && ScanAt(text, begin).Is(kScanSpace)) begin += ScanAt(text, begin).length;
  if (right) {
    std::size_t last = begin;  // One past the last character that is no space.
    for (std::size_t at = begin; at < end;) {
      const ScannedCharacter c = ScanAt(text, at);
      at += c.length;
      if (!c.Is(kScanSpace)) last = at;
    }
    end = last;
  }
  out.append(text.substr(begin, end - begin));
}

// Stops past `limit`, which the caller then reports.
void AppendReplaced(std::string_view text, std::string_view from, std::string_view to, std::size_t limit,
                    std::string& out) {
  for (std::size_t at = 0; out.size() <= limit;) {
    const std::size_t next = text.find(from, at);
    out.append(text.substr(at, next - at));
    if (next == std::string_view::npos) return;
    out.append(to);
    at = next + from.size();
  }
}

}  // namespace

base::Result<TextNormalizer> TextNormalizer::Create(const TokenizerSpec& spec, const Vocabulary& vocabulary) {
  TextNormalizer normalizer;
  std::vector<NormalizerStep> steps = spec.normalizers ? *spec.normalizers : StepsOfFlags(spec);
  if (steps.size() > kStepsMax) {
    return base::InvalidArgument(
        fmt::format("the normalizer has {} steps; at most {} are allowed", steps.size(), kStepsMax));
  }
  for (NormalizerStep& step : steps) {
    if (step.content.size() > kContentBytesMax || step.pattern.size() > kContentBytesMax) {
      return base::InvalidArgument(
          fmt::format("a normalizer's string is longer than the {} bytes that are allowed", kContentBytesMax));
    }
    const bool replaces = step.kind == Kind::kReplace || step.kind == Kind::kReplacePattern;
    if (replaces && step.pattern.empty()) return base::InvalidArgument("a normalizer replaces the empty string");
    Step made{.what = std::move(step), .pattern = {}};
    if (made.what.kind == Kind::kReplacePattern) {
      LOQUAT_ASSIGN(Pattern pattern, Pattern::Compile(made.what.pattern));
      made.pattern.push_back(std::move(pattern));
    }
    normalizer.steps_.push_back(std::move(made));
  }
  LOQUAT_ASSIGN(normalizer.charsmap_, Charsmap::Read(spec.precompiled_charsmap));
  normalizer.prefix_space_ = spec.add_prefix_space;
  normalizer.prefix_first_only_ = spec.prefix_first_only;
  normalizer.remove_extra_spaces_ = spec.remove_extra_spaces;
  normalizer.lowercase_ = spec.lowercase;
  normalizer.strip_accents_ = spec.strip_accents.value_or(spec.lowercase);
  normalizer.handle_chinese_ = spec.handle_chinese;
  std::vector<ByteTrie::Entry> user_defined;
  for (TokenId id = 0; vocabulary.Has(id); ++id) {
    if (vocabulary.IsText(id) && vocabulary.Kind(id) == TokenKindInVocabulary::kUserDefined) {
      user_defined.push_back({vocabulary.Stored(id), id});
    }
  }
  normalizer.user_defined_ = ByteTrie::Build(std::move(user_defined));
  return normalizer;
}

base::Result<std::string_view> TextNormalizer::Apply(std::string_view text, bool first, NormalizerScratch& scratch,
                                                     PatternScratch& pattern_scratch) const {
  std::string_view current = text;
  const std::size_t limit = std::clamp(text.size() * kGrowthMax, kGrowthFloor, kNormalizedBytesMax);
  std::size_t turn = 0;
  for (const Step& step : steps_) {
    std::string& out = scratch.texts[turn++ % 2];
    out.clear();
    if (step.what.kind == Kind::kSentencePiece) {
      AppendSentencePiece(current, prefix_space_ && (first || !prefix_first_only_), limit, out);
    } else {
      LOQUAT_TRY(ApplyStep(step, current, limit, scratch.matches, pattern_scratch, out));
    }
    if (out.size() > limit) {
      return base::ResourceExhausted(
          fmt::format("normalising made {} bytes of {}; at most {} are allowed", out.size(), text.size(), limit),
          "normalized_text_too_long");
    }
    current = out;
  }
  return current;
}

base::Status TextNormalizer::ApplyStep(const Step& step, std::string_view text, std::size_t limit,
                                       std::vector<Piece>& matches, PatternScratch& pattern_scratch,
                                       std::string& out) const {
  const NormalizerStep& what = step.what;
  switch (what.kind) {
    case Kind::kNfc:
      AppendNfc(text, out);
      break;
    case Kind::kNfd:
      AppendNfd(text, out);
      break;
    case Kind::kNfkc:
      AppendNfkc(text, out);
      break;
    case Kind::kNfkd:
      AppendNfkd(text, out);
      break;
    case Kind::kLowercase:
      AppendLowerCaseByCharacter(text, out);
      break;
    case Kind::kStripAccents:
      AppendWithoutMarks(text, out);
      break;
    case Kind::kStrip:
      AppendStripped(text, what.left, what.right, out);
      break;
    case Kind::kPrepend:
      if (!text.empty()) out.append(what.content).append(text);
      break;
    case Kind::kReplace:
      AppendReplaced(text, what.pattern, what.content, limit, out);
      break;
    case Kind::kReplacePattern: {
      LOQUAT_TRY(step.pattern.front().FindAll(text, pattern_scratch, matches));
      std::size_t at = 0;
      for (const Piece& match : matches) {
        if (out.size() > limit) break;
        out.append(text.substr(at, match.begin - at)).append(what.content);
        at = match.end;
      }
      out.append(text.substr(at));
      break;
    }
    case Kind::kCharsmap:
      AppendCharsmap(text, limit, out);
      break;
    case Kind::kSentencePiece:
      AppendSentencePiece(text, prefix_space_, limit, out);
      break;
    case Kind::kBert:
      AppendBert(text, what.clean_text, out);
      break;
  }
  return {};
}

void TextNormalizer::AppendBert(std::string_view text, bool clean, std::string& out) const {
  std::string cleaned;
  cleaned.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const base::DecodedCodePoint c = Decode(text, at);
    const std::uint8_t bits = ScanClassOf(c.code_point);
    at += c.length;
    if (clean && (c.code_point == base::kReplacementCharacter || (bits & kScanControl) != 0)) {
      // \v, \f and U+0085 are white space as well; being controls, they go.
      continue;
    }
    if (clean && (bits & kScanSpace) != 0) {
      cleaned.push_back(' ');
    } else if (handle_chinese_ && IsChineseCharacter(c.code_point)) {
      cleaned.push_back(' ');
      base::AppendUtf8(c.code_point, cleaned);
      cleaned.push_back(' ');
    } else {
      base::AppendUtf8(c.code_point, cleaned);
    }
  }
  std::string stripped;
  if (strip_accents_) {
    AppendWithoutAccents(cleaned, stripped);
    cleaned.swap(stripped);
  }
  if (lowercase_) return AppendLowerCaseByCharacter(cleaned, out);
  out.append(cleaned);
}

Charsmap::Rule TextNormalizer::SentencePieceUnit(std::string_view text) const {
  if (!user_defined_.empty()) {
    const ByteTrie::Match match = user_defined_.Longest(text);
    if (match.length != 0) return {.length = match.length, .replacement = text.substr(0, match.length)};
  }
  if (const Charsmap::Rule rule = charsmap_.Longest(text); rule.length != 0) return rule;
  const base::DecodedCodePoint c = Decode(text, 0);
  // Each byte that is not UTF-8 by itself.
  if (!c.valid) return {.length = 1, .replacement = "\xEF\xBF\xBD"};
  return {.length = c.length, .replacement = text.substr(0, c.length)};
}

void TextNormalizer::AppendCharsmap(std::string_view text, std::size_t limit, std::string& out) const {
  while (!text.empty() && out.size() <= limit) {
    const Charsmap::Rule unit = SentencePieceUnit(text);
    out.append(unit.replacement);
    text.remove_prefix(unit.length);
  }
}

void TextNormalizer::AppendSentencePiece(std::string_view text, bool prefix, std::size_t limit,
                                         std::string& out) const {
  // Spaces at the beginning go before the prefix comes.
  while (remove_extra_spaces_ && !text.empty()) {
    const Charsmap::Rule unit = SentencePieceUnit(text);
    if (unit.replacement != " ") break;
    text.remove_prefix(unit.length);
  }
  if (text.empty()) return;
  const std::size_t begin = out.size();
  if (prefix) out.append(kSpaceSymbol);
  bool after_space = remove_extra_spaces_;
  while (!text.empty() && out.size() <= limit) {
    const Charsmap::Rule unit = SentencePieceUnit(text);
    std::string_view piece = unit.replacement;
    while (after_space && piece.starts_with(' ')) piece.remove_prefix(1);
    if (!piece.empty()) {
      AppendReplaced(piece, " ", kSpaceSymbol, limit, out);
      after_space = piece.ends_with(' ');
    }
    after_space &= remove_extra_spaces_;
    text.remove_prefix(unit.length);
  }
  while (remove_extra_spaces_ && out.size() > begin && std::string_view(out).ends_with(kSpaceSymbol)) {
    out.resize(out.size() - kSpaceSymbol.size());
  }
}

}  // namespace loquat::text
