#include "understanding/turn_end.h"

#include <algorithm>
#include <array>

#include "understanding/deterministic_math.h"

namespace loquat::understanding {
namespace {

using domain::TextEnding;

constexpr std::string_view kSpaces[] = {" ", "\t", "\n", "\r", "\xE3\x80\x80"};  // The last is U+3000.
constexpr std::string_view kEllipses[] = {"...", "…", "。。"};
constexpr std::string_view kFinalMarks[] = {".", "?", "!", "。", "？", "！", "．", "｡"};
constexpr std::string_view kOpenMarks[] = {",",  ":", ";",  "-",  "(",  "[", "{",  "，", "、", "：",
                                           "；", "—", "（", "【", "《", "“", "「", "『", "/"};
// Marks that may follow a final one.
constexpr std::string_view kClosers[] = {"\"", "'", ")", "”", "’", "）", "」", "』"};

// Words that want another one behind them: articles, conjunctions, possessives, bare prepositions.
constexpr std::array<std::string_view, 34> kOpenWords = {
    "a",     "an",  "the", "and",    "or",    "but",     "because", "if",   "my",     "your", "our", "their",
    "his",   "its", "to",  "from",   "with",  "of",      "than",    "into", "very",   "uh",   "um",  "er",
    "every", "at",  "i'm", "that's", "until", "between", "versus",  "plus", "called", "named"};
constexpr std::array<std::string_view, 18> kOpenChinese = {"和",   "跟",   "或者", "还是", "但是", "因为",
                                                           "如果", "从",   "把",   "给",   "对",   "向",
                                                           "以及", "然后", "而且", "那个", "嗯",   "呃"};

// Log odds by ending, where training says nothing.
constexpr float kPlainLogit = 0;
// What marks add to the log odds.
constexpr float kFinalMarkLogit = 4, kOpenMarkLogit = -4, kEllipsisLogit = -3, kUnfinishedLogit = -3;
constexpr float kOpenSlotLogit = -0.5F;  // Only where training says nothing: it knows better.

bool DropSuffix(std::string_view& text, std::span<const std::string_view> suffixes) {
  for (const std::string_view suffix : suffixes) {
    if (!text.ends_with(suffix)) continue;
    text.remove_suffix(suffix.size());
    return true;
  }
  return false;
}

bool EndsWithAny(std::string_view text, std::span<const std::string_view> suffixes) {
  return std::ranges::any_of(suffixes, [&](std::string_view suffix) { return text.ends_with(suffix); });
}

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

bool IsOpenWord(std::string_view text) {
  std::size_t begin = text.size();
  while (begin > 0 && text[begin - 1] != ' ' && text[begin - 1] != '\t' && text[begin - 1] != '\n') --begin;
  const std::string_view word = text.substr(begin);
  const auto same = [&](std::string_view open) {
    return std::ranges::equal(open, word, {}, {}, [](char c) { return Lower(c); });
  };
  return std::ranges::any_of(kOpenWords, same) || EndsWithAny(text, kOpenChinese);
}

float Probability(float logit) {
  return 1.0F / (1.0F + DeterministicExp(-logit));
}

float LogOdds(float probability) {
  return DeterministicLog(probability) - DeterministicLog(1.0F - probability);
}

float TextLogit(const TurnEvidence& evidence) {
  float logit = evidence.learned ? evidence.whole_logit : kPlainLogit;
  if (!evidence.learned && evidence.slot_at_end) logit += kOpenSlotLogit;
  switch (evidence.ending) {
    case TextEnding::kFinalMark:
      return std::max(logit, 0.0F) + kFinalMarkLogit;
    case TextEnding::kOpenMark:
      return std::min(logit, 0.0F) + kOpenMarkLogit;
    case TextEnding::kEllipsis:
      return std::min(logit, 0.0F) + kEllipsisLogit;
    case TextEnding::kUnfinished:
      return evidence.learned ? logit : kUnfinishedLogit;
    case TextEnding::kPlain:
    case TextEnding::kEmpty:
      break;
  }
  return logit;
}

}  // namespace

domain::TextEnding EndingOf(std::string_view text) {
  while (DropSuffix(text, kSpaces)) {
  }
  if (text.empty()) return TextEnding::kEmpty;
  std::string_view bare = text;
  while (DropSuffix(bare, kClosers)) {
  }
  if (EndsWithAny(bare, kEllipses)) return TextEnding::kEllipsis;
  if (EndsWithAny(bare, kFinalMarks)) return TextEnding::kFinalMark;
  if (EndsWithAny(text, kOpenMarks)) return TextEnding::kOpenMark;
  return IsOpenWord(text) ? TextEnding::kUnfinished : TextEnding::kPlain;
}

TurnEvidence EvidenceOf(std::string_view text, std::span<const domain::Slot> slots) {
  TurnEvidence evidence{.ending = EndingOf(text)};
  while (DropSuffix(text, kSpaces)) {
  }
  evidence.slot_at_end = !slots.empty() && slots.back().span.byte_end >= text.size();
  return evidence;
}

domain::TurnEnd JudgeTurnEnd(const TurnEvidence& evidence, const TurnEndOptions& options) {
  if (evidence.ending == TextEnding::kEmpty) return {.wait_ms = options.pause_ms_max};
  const float logit = TextLogit(evidence);
  const float resume = static_cast<float>(options.resume_ms);
  // P(over | silent so long) = p / (p + (1 - p) e^(-pause / resume)): the pause adds pause / resume to the log odds.
  const float now = logit + static_cast<float>(evidence.pause_ms) / resume;
  const float needed = LogOdds(options.probability_min) - logit;
  const float wanted = std::clamp(needed * resume, static_cast<float>(options.pause_ms_min),
                                  static_cast<float>(std::max(options.pause_ms_min, options.pause_ms_max)));
  domain::TurnEnd end{.probability = Probability(now), .text_probability = Probability(logit)};
  const auto wait =
      static_cast<std::uint32_t>(wanted) + (wanted > static_cast<float>(static_cast<std::uint32_t>(wanted)));
  end.likely = evidence.pause_ms >= wait;
  end.wait_ms = end.likely ? 0 : wait - evidence.pause_ms;
  return end;
}

void Declare(config::Section<TurnEndOptions>& section) {
  section.Key("pause_ms_min", &TurnEndOptions::pause_ms_min)
      .Range(0, 60'000)
      .Help("Milliseconds of silence before any turn ends; enough after a complete sentence.");
  section.Key("pause_ms_max", &TurnEndOptions::pause_ms_max)
      .Range(1, 600'000)
      .Help("Milliseconds of silence that end any turn with text in it.");
  section.Key("resume_ms", &TurnEndOptions::resume_ms)
      .Range(1, 60'000)
      .Help("Milliseconds after which a speaker who is not done goes on, in the mean.");
  section.Key("probability_min", &TurnEndOptions::probability_min)
      .Range(0.01, 0.999)
      .Help("A turn is over from this probability on.");
  section.Check([](const TurnEndOptions& options) -> base::Status {
    if (options.pause_ms_min <= options.pause_ms_max) return {};
    return base::InvalidArgument("pause_ms_min is above pause_ms_max: make it shorter");
  });
}

}  // namespace loquat::understanding
