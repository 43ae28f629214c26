// GPT-2's way to write any byte as a printable character, in which byte-level vocabularies and merges are stored: the
// printable ones of Latin-1 stand for themselves, the other 68 for U+0100 and up (Radford et al. 2019, encoder.py).
// Pure functions; safe from any thread.

#pragma once

#include <string>
#include <string_view>

namespace loquat::text {

// Appends the bytes that `stored` writes. False, and nothing appended, if a character stands for no byte.
bool AppendByteLevelDecoded(std::string_view stored, std::string& out);

void AppendByteLevelEncoded(std::string_view bytes, std::string& out);

}  // namespace loquat::text
