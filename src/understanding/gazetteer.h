// Listed values of entities, and where an utterance contains them: longest match, token by token, in the matching form.
// PhraseCounts is what training collects; Gazetteer is what a model carries: a hash table of every value's beginnings,
// read where its bytes lie. Gazetteer is immutable; PhraseCounts is for one thread until nobody changes it.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "understanding/slot_features.h"

namespace loquat::understanding {

inline constexpr std::uint32_t kPhraseTokensMax = 12;   // Longer values are not listed.
inline constexpr std::uint32_t kPhraseEntitiesMax = 8;  // Entities of one value.

// A listed value found in an utterance: tokens [begin, end).
struct PhraseMatch {
  std::uint32_t begin = 0, end = 0;
  std::uint32_t entities = 0;  // Meaning is the table's: a class of Gazetteer, a bit set elsewhere.
};

constexpr std::uint64_t kPhraseSeed = 0x9A7E;
std::uint64_t ExtendPhrase(std::uint64_t hash, std::uint64_t word);

// Calls found(begin, end, what) for the longest match at each token, unless an earlier match covers it. `look(hash)`
// gives what is known of a beginning: {exists, what}, where a zero `what` means that no value ends here.
struct PhraseLook {
  bool exists = false;
  std::uint32_t what = 0;
};
template <typename Look, typename Found>
void FindPhrases(std::span<const TokenForm> forms, Look&& look, Found&& found) {
  std::size_t covered = 0;
  for (std::size_t begin = 0; begin < forms.size(); ++begin) {
    std::uint64_t hash = kPhraseSeed;
    std::size_t end = 0;
    std::uint32_t what = 0;
    for (std::size_t at = begin; at < forms.size() && at - begin < kPhraseTokensMax; ++at) {
      hash = ExtendPhrase(hash, forms[at].word);
      const PhraseLook seen = look(hash);
      if (!seen.exists) break;
      if (seen.what == 0) continue;
      end = at + 1;
      what = seen.what;
    }
    if (end <= covered) continue;
    covered = end;
    found(static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end), what);
  }
}

// How often each value was annotated, and which ones a lookup table lists.
class PhraseCounts {
 public:
  struct Entry {
    std::uint32_t entity = 0;
    std::uint32_t count = 0;  // Annotations; kListed counts as without end.
  };
  static constexpr std::uint32_t kListed = 1u << 30;

  // Counts one more annotation (or kListed) of the value with these words. Long and empty ones are left out.
  void Add(std::span<const TokenForm> words, std::uint32_t entity, std::uint32_t count = 1);

  // Entries of the value with this hash; null: no value begins so; empty: values begin so, and none ends here.
  const std::vector<Entry>* Find(std::uint64_t hash) const;
  const std::unordered_map<std::uint64_t, std::vector<Entry>>& all() const { return phrases_; }

 private:
  std::unordered_map<std::uint64_t, std::vector<Entry>> phrases_;
};

// One slot of the table.
struct GazetteerCell {
  std::uint32_t fingerprint = 0;  // Zero: empty.
  std::uint32_t entities = 0;     // Class plus one; zero: only a beginning.
};
static_assert(sizeof(GazetteerCell) == 8);

// The table of a model. `cells.size()` is a power of two or zero.
struct GazetteerTable {
  std::vector<GazetteerCell> cells;
  std::vector<std::uint32_t> class_ends;      // [class]: end of its run in class_entities.
  std::vector<std::uint32_t> class_entities;  // Entities, by class.
};
// Values whose beginnings fit into `bytes_max`, the most often annotated first; `left_out` counts the others.
GazetteerTable BuildGazetteer(const PhraseCounts& counts, std::size_t bytes_max);

PhraseLook LookUpPhrase(std::span<const GazetteerCell> cells, std::uint64_t hash);

}  // namespace loquat::understanding
