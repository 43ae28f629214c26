// What the slot tagger looks at. Each token and each pair of neighbours is an "atom" that stands at a place of the
// utterance and speaks for the tokens around it: an atom's key names a block of weight rows, one row for each place it
// speaks for. Training and inference extract with the same code. Pure functions; one thread a buffer.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/segment.h"

namespace loquat::understanding {

enum class AtomKind : std::uint8_t {
  kWord,       // The word itself: a window of +-3 and, beyond any window, "it stands somewhere before / after".
  kUnknown,    // A word that training did not keep, by its kind; the places of kWord.
  kBigram,     // Two neighbours.
  kAffix,      // The first or last 1 to 4 letters.
  kShape,      // Kind, length, digits, case.
  kShapePair,  // Shapes of two neighbours.
  kFrame,      // The nearest context words on both sides: "from _ to".
  kGazetteer,  // Part of a listed value.
  kRegex,      // Part of a pattern's match.
  kIntent,     // What the utterance is about.
  kBias,
};
inline constexpr std::size_t kAtomKinds = static_cast<std::size_t>(AtomKind::kBias) + 1;

// An atom anchored at token i has rows for the tokens i + first ... i + first + places - 1, then, if it has sides, one
// row for every token after i (it stands before them) and one for every token before i.
struct AtomPlaces {
  std::int8_t first = 0;
  std::uint8_t places = 1;
  bool sides = false;

  constexpr std::uint32_t rows() const { return places + (sides ? 2U : 0U); }
};
inline constexpr std::array<AtomPlaces, kAtomKinds> kAtomPlaces = {{
    {-3, 7, true},   // kWord
    {-3, 7, true},   // kUnknown
    {-1, 4, false},  // kBigram: the one before, the two, the one after.
    {-1, 3, false},  // kAffix
    {-1, 3, false},  // kShape
    {-1, 4, false},  // kShapePair
    {0, 1, false},   // kFrame
    {-1, 3, false},  // kGazetteer
    {-1, 3, false},  // kRegex
    {0, 1, false},   // kIntent
    {0, 1, false},   // kBias
}};
inline constexpr std::uint32_t kAtomRowsMax = 9;

constexpr const AtomPlaces& PlacesOf(AtomKind kind) {
  return kAtomPlaces[static_cast<std::size_t>(kind)];
}

struct Atom {
  std::uint64_t key = 0;    // Hash of kind and content.
  std::int32_t anchor = 0;  // Token; -1 and tokens.size() are the ends of the utterance.
  AtomKind kind = AtomKind::kBias;

  bool operator==(const Atom&) const = default;
};

// One token in the forms that atoms are made of.
struct TokenForm {
  std::uint64_t word = 0;  // Hash of the form for matching.
  std::uint64_t shape = 0;
  std::uint64_t unknown = 0;  // Key of its kUnknown atom.
};

// Reusable memory.
struct FeatureBuffer {
  std::vector<TokenForm> forms;  // [token]
  std::vector<Atom> atoms;
  std::string folded;  // One token.
};

// Replaces `buffer.forms`, and `buffer.atoms` with those that need no model: all but kFrame, kGazetteer,
// kIntent, kRegex, kUnknown.
// From token `from` on: the forms before it stay, and atoms anchored before it are left out.
// REQUIRES: from <= tokens.size(), and buffer.forms has as many.
void ExtractAtoms(std::string_view text, std::span<const text::Token> tokens, FeatureBuffer& buffer,
                  std::uint32_t from = 0);

// Keys of the atoms made later.
std::uint64_t WordKey(std::uint64_t word);
enum class FrameSide : std::uint8_t { kLeft, kRight, kBoth };
std::uint64_t FrameKey(FrameSide side, std::uint64_t left_word, std::uint64_t right_word);
enum class SpanPart : std::uint8_t { kSingle, kBegin, kInside, kEnd };
std::uint64_t GazetteerKey(std::uint32_t entity, SpanPart part);
std::uint64_t RegexKey(std::uint32_t regex, SpanPart part);

std::uint64_t IntentKey(std::string_view intent);

// One kIntent atom for each token.
void AddIntent(std::uint64_t key, std::uint32_t tokens, std::vector<Atom>& atoms);

// The "words" at the two ends.
inline constexpr std::uint64_t kBeginWord = 0x42;
inline constexpr std::uint64_t kEndWord = 0x45;

// Part of token i in a span [begin, end).
constexpr SpanPart PartOf(std::size_t i, std::size_t begin, std::size_t end) {
  if (end - begin == 1) return SpanPart::kSingle;
  if (i == begin) return SpanPart::kBegin;
  return i + 1 == end ? SpanPart::kEnd : SpanPart::kInside;
}

// Tokens [first, second) that lie wholly within bytes [byte_begin, byte_end).
std::pair<std::uint32_t, std::uint32_t> TokensWithin(std::span<const text::Token> tokens, std::uint32_t byte_begin,
                                                     std::uint32_t byte_end);

// Hash of the form in which words, values and synonyms are compared; folds case and width. `scratch` is overwritten.
std::uint64_t MatchingHash(std::string_view token, std::string& scratch);

}  // namespace loquat::understanding
