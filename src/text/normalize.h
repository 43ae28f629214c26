// Normal forms of Unicode text (UAX #15) and the form that tokens are compared in. ICU's data decides; text that is
// already normal (ASCII, usual Chinese) is copied by a scan of our own that allocates nothing but the output's growth.
//
// Every function appends valid UTF-8 to `out`, whatever the input's bytes: each maximal ill-formed subpart becomes
// U+FFFD. Every function is idempotent, and takes time that grows like n log n at most on hostile text (long runs of
// marks). Pure functions; safe from any thread.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace loquat::text {

class OffsetMap;

// A map, where one is given, is replaced: it tells where each byte appended by this call came from, counted from the
// first of them. REQUIRES with a map: text.size() < 2^28 (checked).
void AppendNfc(std::string_view text, std::string& out, OffsetMap* map = nullptr);
void AppendNfkc(std::string_view text, std::string& out, OffsetMap* map = nullptr);

// The form to look words up in: NFKC_Casefold (width, case and compatibility forms folded; default ignorable code
// points, such as variation selectors, ZWJ and soft hyphens, removed), and on top of it typographic quotes, dashes and
// the minus sign become ' " and - (PlainPunctuation), so that "Don’t" and "ＤＯＮ＇Ｔ" both are "don't". May append
// nothing.
void AppendForMatching(std::string_view text, std::string& out, OffsetMap* map = nullptr);

// Lower case, full mappings, no locale (root). Not a form to compare in: use AppendForMatching for that.
void AppendLowerCase(std::string_view text, std::string& out);

std::string ToNfc(std::string_view text);
std::string ToNfkc(std::string_view text);
std::string ToLowerCase(std::string_view text);
std::string NormalizeForMatching(std::string_view text);

// Whether AppendNfc would copy the text as it is.
bool IsNfc(std::string_view text);

// Where each byte of a normalised text came from. Reusable: filling it again keeps its memory.
// The text is a sequence of runs, each either copied byte for byte (offsets map exactly) or changed as a whole (a range
// that touches it maps to all of its original bytes, never to a part of them).
class OffsetMap {
 public:
  // [ToOriginalBegin(b), ToOriginalEnd(e)) are the original bytes that the normalised bytes [b, e) came from.
  // REQUIRES: b < e <= the normalised size. Larger offsets give the end of the original.
  std::uint32_t ToOriginalBegin(std::uint32_t normalized) const;
  std::uint32_t ToOriginalEnd(std::uint32_t normalized) const;

  std::size_t runs() const { return runs_.size(); }

  // For the normaliser: forget everything, then add runs from left to right, then the totals.
  void Clear();
  void AddRun(std::uint32_t normalized, std::uint32_t original, bool copied);
  void Finish(std::uint32_t normalized_size, std::uint32_t original_size);

 private:
  struct Run {
    std::uint32_t normalized, original;  // First bytes.
    bool copied;
  };
  std::size_t RunAt(std::uint32_t normalized) const;

  std::vector<Run> runs_;  // By `normalized`; empty runs (of removed characters) share it with the next.
  std::uint32_t normalized_size_ = 0, original_size_ = 0;
};

}  // namespace loquat::text
