// What the intent classifier looks at: keys of words, pairs, skipped pairs and character n-grams of one utterance.
// Training and serving extract with the same code. Pure functions; one thread a buffer, which keeps its memory.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/segment.h"

namespace loquat::understanding {

// Each group is brought to length one by itself, so that the many character n-grams do not drown the few words.
enum class FeatureGroup : std::uint8_t {
  kWord,        // Folded words, Chinese characters, numbers by shape.
  kPair,        // Two neighbours; the start and the end of the utterance count as words.
  kSkip,        // Two words with one or two others between them.
  kCharacters,  // 2 to 5 characters within a word, 2 to 4 within a run of Chinese; both ends count as characters.
};
inline constexpr std::size_t kFeatureGroups = 4;

struct IntentFeatures {
  std::vector<std::uint64_t> keys;                           // By group, then by position; repeats stay.
  std::array<std::uint32_t, kFeatureGroups + 1> begin = {};  // keys[begin[g] .. begin[g + 1]) are group g's.

  std::span<const std::uint64_t> Group(std::size_t group) const {
    return std::span(keys).subspan(begin[group], begin[group + 1] - begin[group]);
  }

  // Scratch.
  std::string folded;
  std::vector<std::uint64_t> words;
  std::vector<char32_t> units;        // Characters of all chunks, each chunk between two kEdge.
  std::vector<std::uint32_t> chunks;  // [2i] begin in `units`, [2i + 1] the longest n-gram.
};

// REQUIRES: `tokens` are text::Segment's of `text`, or a part of them in order.
void ExtractIntentFeatures(std::string_view text, std::span<const text::Token> tokens, IntentFeatures& features);

}  // namespace loquat::understanding
