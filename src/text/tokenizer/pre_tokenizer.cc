#include "text/tokenizer/pre_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "text/tokenizer/scan_classes.h"
#include "text/tokenizer/vocabulary.h"

namespace loquat::text {
namespace {

using Kind = PreTokenizerStep::Kind;
using Behavior = PreTokenizerStep::Behavior;
using Span = PreTokenizerScratch::Span;

bool IsBertPunctuation(std::string_view word, std::size_t at, ScannedCharacter c) {
  const char byte = word[at];
  const bool ascii = (byte >= '!' && byte <= '/') || (byte >= ':' && byte <= '@') || (byte >= '[' && byte <= '`') ||
                     (byte >= '{' && byte <= '~');
  return ascii || c.Is(kScanPunctuation);
}

// Appends runs of characters of one class of `classify`, where class 0 is no match; `alone`: each match by itself.
template <typename Classify>
void ScanSpans(std::string_view word, bool alone, Classify classify, std::vector<Span>& spans) {
  int last = -1;
  for (std::size_t at = 0; at < word.size();) {
    const ScannedCharacter c = ScanAt(word, at);
    const int here = classify(at, c);
    const auto begin = static_cast<std::uint32_t>(at), end = static_cast<std::uint32_t>(at + c.length);
    if (here == last && !(alone && here != 0)) {
      spans.back().piece.end = end;
    } else {
      spans.push_back({{begin, end}, here != 0});
    }
    last = here;
    at += c.length;
  }
}

// Turns matches into spans that cover the word.
void Cover(std::string_view word, const std::vector<Piece>& matches, std::vector<Span>& spans) {
  std::uint32_t at = 0;
  for (const Piece& match : matches) {
    if (at < match.begin) spans.push_back({{at, match.begin}, false});
    spans.push_back({match, true});
    at = match.end;
  }
  if (at < word.size()) spans.push_back({{at, static_cast<std::uint32_t>(word.size())}, false});
}

// Appends the pieces that the behaviour makes of the spans, shifted by `offset`.
void AppendPieces(const std::vector<Span>& spans, Behavior behavior, bool invert, std::uint32_t offset,
                  std::vector<Piece>& out) {
  const std::size_t first = out.size();
  bool last_match = false;
  const auto push = [&](const Span& span) { out.push_back({offset + span.piece.begin, offset + span.piece.end}); };
  for (const Span& span : spans) {
    const bool match = span.match != invert;
    const bool any_before = out.size() > first;
    switch (behavior) {
      case Behavior::kIsolated:
        push(span);
        break;
      case Behavior::kRemoved:
        if (!match) push(span);
        break;
      case Behavior::kContiguous:
        if (any_before && match == last_match) {
          out.back().end = offset + span.piece.end;
        } else {
          push(span);
        }
        break;
      case Behavior::kMergedWithPrevious:
        if (match && any_before && !last_match) {
          out.back().end = offset + span.piece.end;
        } else {
          push(span);
        }
        break;
      case Behavior::kMergedWithNext:
        if (!match && any_before && last_match) {
          out.back().end = offset + span.piece.end;
        } else {
          push(span);
        }
        break;
    }
    last_match = match;
  }
}

void FindLiteral(std::string_view word, std::string_view pattern, std::vector<Piece>& matches) {
  matches.clear();
  for (std::size_t at = word.find(pattern); at != std::string_view::npos;
       at = word.find(pattern, at + pattern.size())) {
    matches.push_back({static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(at + pattern.size())});
  }
}

// Copies each piece with its spaces as "▁", one put before where `prefix` says so.
void RewriteSpaces(std::string_view text, const std::vector<Piece>& pieces, PreTokenizerStep::Prefix prefix, bool first,
                   std::string& out, std::vector<Piece>& moved) {
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const auto begin = static_cast<std::uint32_t>(out.size());
    const std::string_view piece = pieces[i].Of(text);
    const bool wanted = prefix == PreTokenizerStep::Prefix::kAlways ||
                        (prefix == PreTokenizerStep::Prefix::kFirst && first && i == 0 && pieces[i].begin == 0);
    if (wanted && !piece.starts_with(' ') && !piece.starts_with(kSpaceSymbol)) out.append(kSpaceSymbol);
    for (const char c : piece) {
      if (c == ' ') {
        out.append(kSpaceSymbol);
      } else {
        out.push_back(c);
      }
    }
    moved.push_back({begin, static_cast<std::uint32_t>(out.size())});
  }
}

void PrefixSpaces(std::string_view text, const std::vector<Piece>& pieces, std::string& out,
                  std::vector<Piece>& moved) {
  for (const Piece& piece : pieces) {
    const auto begin = static_cast<std::uint32_t>(out.size());
    if (!piece.Of(text).starts_with(' ')) out.push_back(' ');
    out.append(piece.Of(text));
    moved.push_back({begin, static_cast<std::uint32_t>(out.size())});
  }
}

// The steps that the spec's names and flags stand for.
base::Result<std::vector<PreTokenizerStep>> StepsOfFlags(const TokenizerSpec& spec) {
  std::vector<PreTokenizerStep> steps;
  if (spec.kind == TokenizerKind::kWordPiece) steps.push_back({.kind = Kind::kBert});
  if (spec.kind != TokenizerKind::kByteLevelBpe) return steps;
  if (spec.add_prefix_space) steps.push_back({.kind = Kind::kPrefixSpace});
  const std::string_view own[] = {spec.pre_tokenizer_pattern};
  const auto patterns = own->empty() ? PatternsOfPreTokenizer(spec.pre_tokenizer) : std::span(own);
  if (patterns.empty()) {
    return base::InvalidArgument(fmt::format(
        "the pre-tokenizer '{}' is not known: known are gpt-2, llama-bpe, qwen2, chatglm-bpe, gpt-4o, tekken and more",
        spec.pre_tokenizer));
  }
  for (const std::string_view pattern : patterns) {
    steps.push_back({.kind = Kind::kSplit, .pattern = std::string(pattern)});
  }
  return steps;
}

}  // namespace

base::Result<PreTokenizer::Step> PreTokenizer::MakeStep(PreTokenizerStep what) {
  Step step{.what = std::move(what), .scanner = {}, .pattern = {}};
  if (step.what.kind != Kind::kSplit) return step;
  if (step.what.pattern.empty()) return base::InvalidArgument("a pre-tokenizer splits by an empty pattern");
  if (step.what.literal) return step;
  // The scanners match everything, so that they take any behaviour but those that tell matches from the rest.
  if (step.what.behavior == Behavior::kIsolated) step.scanner = ScanRuleOfPattern(step.what.pattern);
  if (step.scanner) return step;
  LOQUAT_ASSIGN(Pattern pattern, Pattern::Compile(step.what.pattern));
  step.pattern.push_back(std::move(pattern));
  return step;
}

base::Result<PreTokenizer> PreTokenizer::Create(const TokenizerSpec& spec) {
  std::vector<PreTokenizerStep> steps;
  if (spec.pre_tokenizers) {
    steps = *spec.pre_tokenizers;
  } else {
    LOQUAT_ASSIGN(steps, StepsOfFlags(spec));
  }
  if (steps.size() > kStepsMax) {
    return base::InvalidArgument(
        fmt::format("the pre-tokenizer has {} steps; at most {} are allowed", steps.size(), kStepsMax));
  }
  PreTokenizer made;
  for (PreTokenizerStep& what : steps) {
    LOQUAT_ASSIGN(Step step, MakeStep(std::move(what)));
    made.steps_.push_back(std::move(step));
  }
  if (made.steps_.size() == 1) made.scanner_alone_ = made.steps_.front().scanner;
  return made;
}

base::Status PreTokenizer::FindSpans(const Step& step, std::string_view word, PreTokenizerScratch& scratch,
                                     PatternScratch& pattern_scratch) const {
  std::vector<Span>& spans = scratch.spans;
  spans.clear();
  switch (step.what.kind) {
    case Kind::kSplit:
      if (step.scanner) {
        for (std::size_t at = 0; at < word.size();) {
          const std::size_t end = WordEnd(*step.scanner, word, at);
          spans.push_back({{static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(end)}, true});
          at = end;
        }
        break;
      }
      if (step.what.literal) {
        FindLiteral(word, step.what.pattern, scratch.matches);
      } else {
        LOQUAT_TRY(step.pattern.front().FindAll(word, pattern_scratch, scratch.matches));
      }
      Cover(word, scratch.matches, spans);
      break;
    case Kind::kMetaspace:
      FindLiteral(word, kSpaceSymbol, scratch.matches);
      Cover(word, scratch.matches, spans);
      break;
    case Kind::kWhitespace:  // White space is the "match" that is removed.
      ScanSpans(
          word, false, [](std::size_t, ScannedCharacter c) { return c.Is(kScanWord)    ? 0
                                                                    : c.Is(kScanSpace) ? 1
                                                                                       : 2; },
          spans);
      for (Span& span : spans) span.match = ScanAt(word, span.piece.begin).Is(kScanSpace);
      break;
    case Kind::kWhitespaceSplit:
      ScanSpans(
          word, false, [](std::size_t, ScannedCharacter c) { return c.Is(kScanSpace) ? 1 : 0; }, spans);
      break;
    case Kind::kPunctuation:
      ScanSpans(
          word, true, [&](std::size_t at, ScannedCharacter c) { return IsBertPunctuation(word, at, c) ? 1 : 0; },
          spans);
      break;
    case Kind::kDigits:
      ScanSpans(
          word, step.what.individual_digits, [](std::size_t, ScannedCharacter c) { return c.Is(kScanNumber) ? 1 : 0; },
          spans);
      break;
    case Kind::kBert:
      ScanSpans(
          word, false, [](std::size_t, ScannedCharacter c) { return c.Is(kScanSpace) ? 1 : 0; }, spans);
      break;
    case Kind::kPrefixSpace:
      break;
  }
  return {};
}

base::Result<PreTokenizer::Words> PreTokenizer::Cut(std::string_view text, bool first, PreTokenizerScratch& scratch,
                                                    PatternScratch& pattern_scratch) const {
  std::size_t turn = 0, text_turn = 0;
  scratch.pieces[0].assign(text.empty() ? 0 : 1, {0, static_cast<std::uint32_t>(text.size())});
  for (const Step& step : steps_) {
    const PreTokenizerStep& what = step.what;
    if (what.kind == Kind::kMetaspace || what.kind == Kind::kPrefixSpace) {
      std::string& rewritten = scratch.texts[text_turn++ % 2];
      rewritten.clear();
      std::vector<Piece>& moved = scratch.pieces[(turn + 1) % 2];
      moved.clear();
      if (what.kind == Kind::kMetaspace) {
        RewriteSpaces(text, scratch.pieces[turn % 2], what.prefix, first, rewritten, moved);
      } else {
        PrefixSpaces(text, scratch.pieces[turn % 2], rewritten, moved);
      }
      text = rewritten;
      ++turn;
      if (what.kind == Kind::kPrefixSpace || !what.split) continue;
    }
    std::vector<Piece>& out = scratch.pieces[(turn + 1) % 2];
    out.clear();
    Behavior behavior = what.behavior;
    if (what.kind == Kind::kMetaspace) behavior = Behavior::kMergedWithNext;
    const bool spaces = what.kind == Kind::kWhitespace || what.kind == Kind::kWhitespaceSplit;
    if (spaces || what.kind == Kind::kBert) behavior = Behavior::kRemoved;
    if (what.kind == Kind::kDigits) behavior = what.individual_digits ? Behavior::kIsolated : Behavior::kContiguous;
    for (const Piece& piece : scratch.pieces[turn % 2]) {
      LOQUAT_TRY(FindSpans(step, piece.Of(text), scratch, pattern_scratch));
      AppendPieces(scratch.spans, behavior, what.invert, piece.begin, out);
    }
    ++turn;
    if (what.kind != Kind::kBert) continue;
    std::vector<Piece>& marks = scratch.pieces[(turn + 1) % 2];
    marks.clear();
    for (const Piece& piece : out) {
      const std::string_view word = piece.Of(text);
      scratch.spans.clear();
      ScanSpans(
          word, true, [&](std::size_t at, ScannedCharacter c) { return IsBertPunctuation(word, at, c) ? 1 : 0; },
          scratch.spans);
      AppendPieces(scratch.spans, Behavior::kIsolated, false, piece.begin, marks);
    }
    ++turn;
  }
  return Words{.text = text, .pieces = &scratch.pieces[turn % 2]};
}

}  // namespace loquat::text
