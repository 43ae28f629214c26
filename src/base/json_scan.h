// Finds the first fault of a JSON text, for messages: a plain one-pass scanner that follows RFC 8259 by the letter.
// Slower than the parser of json_value.h, so it runs only once that has said no. Pure; safe from any thread.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace loquat::base {

struct JsonFault {
  enum class Kind : std::uint8_t { kNone, kSyntax, kTooDeep };

  Kind kind = Kind::kNone;
  std::size_t offset = 0;      // In bytes, of the first byte that cannot stand where it does.
  std::string_view what = {};  // Literal: "a comma or } is missing".
};

// Uses no recursion: depth costs one bit a level. Past `max_depth` levels (as JsonLimits counts them) the fault is
// kTooDeep.
JsonFault FindJsonFault(std::string_view json, std::size_t max_depth);

}  // namespace loquat::base
