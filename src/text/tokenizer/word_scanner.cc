#include "text/tokenizer/word_scanner.h"

#include "text/tokenizer/scan_classes.h"

namespace loquat::text {
namespace {

constexpr std::uint8_t kNotSymbol = kScanSpace | kScanLetter | kScanNumber;

std::size_t RunEnd(std::string_view text, std::size_t at, std::uint8_t any_of) {
  for (;;) {
    const ScannedCharacter c = ScanAt(text, at);
    if (!c.Is(any_of)) return at;
    at += c.length;
  }
}

// [^\s\p{L}\p{N}]*
std::size_t SymbolsEnd(std::string_view text, std::size_t at) {
  for (;;) {
    const ScannedCharacter c = ScanAt(text, at);
    if (c.length == 0 || c.Is(kNotSymbol)) return at;
    at += c.length;
  }
}

char At(std::string_view text, std::size_t at) {
  return at < text.size() ? text[at] : '\0';
}

// 's|'t|'re|'ve|'m|'ll|'d after the apostrophe at `at`; `at` itself if there is none of them.
std::size_t ContractionEnd(std::string_view text, std::size_t at, bool any_case) {
  const auto fold = [any_case](char c) { return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; };
  const char first = fold(At(text, at + 1)), second = fold(At(text, at + 2));
  switch (first) {
    case 's':
    case 't':
    case 'm':
    case 'd':
      return at + 2;
    case 'r':
    case 'v':
      return second == 'e' ? at + 3 : at;
    case 'l':
      return second == 'l' ? at + 3 : at;
    case '\xC5':  // LATIN SMALL LETTER LONG S is an s in another case.
      return any_case && second == '\xBF' ? at + 3 : at;
    default:
      return at;
  }
}

// \s+(?!\S)|\s+ for the white space [at, end): all of it at the end of the text, else all but its last character.
std::size_t SpacesEnd(std::string_view text, std::size_t at, std::size_t end) {
  if (end == text.size()) return end;
  std::size_t last = at;
  for (std::size_t next = at; next < end; next += ScanAt(text, next).length) last = next;
  return last == at ? end : last;
}

std::size_t Gpt2End(std::string_view text, std::size_t at) {
  if (text[at] == '\'') {
    if (const std::size_t end = ContractionEnd(text, at, false); end != at) return end;
  }
  const std::size_t start = text[at] == ' ' ? at + 1 : at;
  const ScannedCharacter c = ScanAt(text, start);
  if (c.Is(kScanLetter)) return RunEnd(text, start + c.length, kScanLetter);
  if (c.Is(kScanNumber)) return RunEnd(text, start + c.length, kScanNumber);
  if (c.length != 0 && !c.Is(kScanSpace)) return SymbolsEnd(text, start + c.length);
  return SpacesEnd(text, at, RunEnd(text, at, kScanSpace));
}

std::size_t Llama3End(std::string_view text, std::size_t at, int digits_max) {
  if (text[at] == '\'') {
    if (const std::size_t end = ContractionEnd(text, at, true); end != at) return end;
  }
  const ScannedCharacter c = ScanAt(text, at);
  if (c.Is(kScanLetter)) return RunEnd(text, at + c.length, kScanLetter);
  if (c.Is(kScanNumber)) {
    std::size_t end = at + c.length;
    for (int digits = 1; digits < digits_max; ++digits) {
      const ScannedCharacter next = ScanAt(text, end);
      if (!next.Is(kScanNumber)) break;
      end += next.length;
    }
    return end;
  }
  const ScannedCharacter next = ScanAt(text, at + c.length);
  if (next.Is(kScanLetter) && !c.Is(kScanNewline)) return RunEnd(text, at + c.length + next.length, kScanLetter);
  const bool symbol = !c.Is(kScanSpace);
  if (symbol || (text[at] == ' ' && next.length != 0 && !next.Is(kNotSymbol))) {
    return RunEnd(text, SymbolsEnd(text, at + c.length), kScanNewline);
  }
  const std::size_t end = RunEnd(text, at, kScanSpace);
  // \s*[\r\n]+ gives back what follows the last line end.
  const std::size_t newline = text.substr(at, end - at).find_last_of("\r\n");
  return newline == std::string_view::npos ? SpacesEnd(text, at, end) : at + newline + 1;
}

struct Spelling {
  ScanRule rule;
  std::string_view pattern;
};

// The same languages, spelt otherwise by converters and by Hugging Face files.
constexpr Spelling kSpellings[] = {
    {ScanRule::kGpt2, kGpt2Pattern},
    {ScanRule::kGpt2, R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"},
    {ScanRule::kLlama3, kLlama3Pattern},
    {ScanRule::kQwen2, kQwen2Pattern},
};

}  // namespace

std::string_view ScanRulePattern(ScanRule rule) {
  constexpr std::string_view kPatterns[] = {kGpt2Pattern, kLlama3Pattern, kQwen2Pattern};
  return kPatterns[static_cast<std::size_t>(rule)];
}

std::optional<ScanRule> ScanRuleOfPattern(std::string_view pattern) {
  for (const Spelling& spelling : kSpellings) {
    if (spelling.pattern == pattern) return spelling.rule;
  }
  return std::nullopt;
}

std::size_t WordEnd(ScanRule rule, std::string_view text, std::size_t at) {
  switch (rule) {
    case ScanRule::kGpt2:
      return Gpt2End(text, at);
    case ScanRule::kLlama3:
      return Llama3End(text, at, 3);
    case ScanRule::kQwen2:
      break;
  }
  return Llama3End(text, at, 1);
}

}  // namespace loquat::text
