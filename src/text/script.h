// Which scripts a text is written in, and whether it is Chinese or English: the locale of an utterance that names none.
// Pure functions; no allocation; safe from any thread.

#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "text/segment.h"
#include "text/unicode.h"

namespace loquat::text {

inline Script ScriptOf(char32_t code_point) {
  return InfoOf(code_point).script;
}

using ScriptCounts = std::array<std::uint32_t, kScriptCount>;  // [script] -> code points

// Ill-formed bytes count under kUnknown.
ScriptCounts CountScripts(std::string_view text);

// The script of the most code points, the lowest enumerator of equals; kCommon and kInherited only if there is no
// other, kUnknown for the empty text.
Script DominantScript(std::string_view text);

enum class Language : std::uint8_t { kUnknown, kChinese, kEnglish };

struct LanguageGuess {
  Language language = Language::kUnknown;  // kUnknown: neither Han nor Latin, or mostly another script.
  float chinese = 0;                       // Weight of Chinese in the evidence, 0 to 1; 0.5 when there is none.
};

// The language that carries the sentence, which need not be that of most of its words: "播放 The Sound of Silence" is
// Chinese, "how do I say 谢谢" is English. Evidence: a Han character and a Latin word count 1 each; the first of either
// kind counts 3 more, as the frame of the sentence usually starts it; Chinese particles (的, 吗 ...) and English
// function words (the, to ...) count more, as names and quotes seldom hold them.
// `tokens` are those of Segment(text).
LanguageGuess GuessLanguage(std::string_view text, std::span<const Token> tokens);

}  // namespace loquat::text
