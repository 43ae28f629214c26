// The label set of a slot tagger: O, then B-x for every slot type x, then I-x in the same order (BIO: Ramshaw, Marcus,
// "Text chunking using transformation-based learning", 1995). Plain constexpr functions of the number of types.

#pragma once

#include <cstddef>
#include <cstdint>

namespace loquat::understanding {

inline constexpr std::uint32_t kSlotTypesMax = 1024;
inline constexpr std::uint32_t kLabelPadding = 16;  // Rows of weights are padded to a multiple of it, for vector code.

struct SlotLabels {
  std::uint32_t types = 0;

  constexpr std::uint32_t count() const { return 1 + 2 * types; }
  constexpr std::uint32_t stride() const { return (count() + kLabelPadding - 1) / kLabelPadding * kLabelPadding; }
  // Of a row of one number for O and each type.
  constexpr std::uint32_t type_stride() const {
    return (types + 1 + kLabelPadding - 1) / kLabelPadding * kLabelPadding;
  }

  static constexpr std::uint32_t kOutside = 0;
  constexpr std::uint32_t Begin(std::uint32_t type) const { return 1 + type; }
  constexpr std::uint32_t Inside(std::uint32_t type) const { return 1 + types + type; }
  constexpr bool IsBegin(std::uint32_t label) const { return label >= 1 && label <= types; }
  constexpr bool IsInside(std::uint32_t label) const { return label > types; }
  // REQUIRES: label is not kOutside.
  constexpr std::uint32_t TypeOf(std::uint32_t label) const { return IsInside(label) ? label - 1 - types : label - 1; }
};

// A labelled run of tokens, [begin, end).
struct LabelledSpan {
  std::uint32_t begin = 0, end = 0;
  std::uint32_t type = 0;

  bool operator==(const LabelledSpan&) const = default;
};

}  // namespace loquat::understanding
