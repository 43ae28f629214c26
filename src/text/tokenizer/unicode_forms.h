// Forms of Unicode text that tokenizers ask for, beside those of text/normalize.h. Every function appends, and repairs
// ill-formed UTF-8 with U+FFFD. Pure functions; safe from any thread.

#pragma once

#include <string>
#include <string_view>

#include "text/normalize.h"

namespace loquat::text {

// The decomposed forms (UAX #15), in n log n also on hostile runs of marks.
void AppendNfd(std::string_view text, std::string& out);
void AppendNfkd(std::string_view text, std::string& out);

// Each character by itself, without context: every capital sigma becomes σ (ToLowerCase makes the last of a word ς).
void AppendLowerCaseByCharacter(std::string_view text, std::string& out);

// Drops marks of all kinds (M).
void AppendWithoutMarks(std::string_view text, std::string& out);

// NFD without nonspacing marks (Mn), as BERT has it: "é" is "e".
void AppendWithoutAccents(std::string_view text, std::string& out);

// BERT's blocks of ideographs (Devlin et al. 2019, tokenization.py): no kana, no Hangul.
bool IsChineseCharacter(char32_t code_point);

}  // namespace loquat::text
