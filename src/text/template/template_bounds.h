// What a template may cost, at most. A template comes with a model file and sees what clients send: neither is trusted.
// Plain values.

#pragma once

#include <cstddef>
#include <cstdint>

namespace loquat::text {

struct TemplateBounds {
  // Compiling.
  std::size_t source_bytes_max = std::size_t{1} << 20;
  std::size_t tokens_max = 100'000;  // Names, literals, operators and stretches of text.
  std::size_t nesting_max = 100;     // Tags in tags, and operators and brackets in expressions, each counted alone.

  // Rendering.
  std::uint64_t steps_max = 10'000'000;  // One for each node evaluated, item visited and 64 bytes of text handled.
  std::size_t depth_max = 400;           // Expressions, blocks and macro calls open at the same time.
  std::size_t output_bytes_max = std::size_t{8} << 20;
  std::size_t string_bytes_max = std::size_t{8} << 20;  // Of any one string.
  std::size_t items_max = 1'000'000;                    // Of any one list or dict.
  std::size_t range_max = 100'000;                      // Numbers that one range() gives; Jinja's sandbox has the same.
  std::size_t memory_bytes_max = std::size_t{256}
                                 << 20;  // Of all values of one rendering, exceeded by one value at most.
};

}  // namespace loquat::text
