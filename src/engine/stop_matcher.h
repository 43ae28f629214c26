// Finds stop strings in text that comes in pieces, wherever the pieces are cut, and holds back only what may still
// become one. StopStrings is immutable and shared by the choices of a generation; a StopMatcher belongs to one of them,
// one thread at a time, and keeps the StopStrings alive.
//
// Each string has the failure function of Knuth, Morris and Pratt (SIAM J. Computing 6(2), 1977, section 2): a byte
// costs amortised constant time a string.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace loquat::engine {

inline constexpr std::size_t kStopStringsMax = 64;
inline constexpr std::size_t kStopStringBytesMax = 512;

class StopStrings {
 public:
  // Fails with the JSON pointer of the culprit: too many, too long, empty, or not UTF-8.
  static base::Result<std::shared_ptr<const StopStrings>> Create(const std::vector<std::string>& strings);

 private:
  friend class StopMatcher;
  struct Pattern {
    std::string text;
    std::vector<std::uint16_t> fallback;  // [text.size()]: the longest proper border of text[0, i].
  };
  std::vector<Pattern> patterns_;
};

class StopMatcher {
 public:
  // Null: nothing ever stops.
  explicit StopMatcher(std::shared_ptr<const StopStrings> strings);

  // Takes the next piece and appends to `out` what no stop string can claim any more. True: one was found; all before
  // its start is out, and nothing follows. Of several, the one that ends first counts; of those, the longest.
  bool Append(std::string_view piece, std::string& out);
  // The end without a stop string: appends what was held back.
  void Finish(std::string& out);

  bool stopped() const { return stopped_; }

 private:
  std::shared_ptr<const StopStrings> strings_;
  std::vector<std::uint16_t> matched_;  // [strings]: how much of each the text's end matches.
  std::string held_;                    // The text's end that is not out yet.
  bool stopped_ = false;
};

}  // namespace loquat::engine
