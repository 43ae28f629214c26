// The texts of single values: booleans, integers, numbers, durations and byte sizes, read strictly and written
// shortest. Pure functions; safe from any thread. An error is half a sentence for a person, without the value itself.

#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace loquat::config {

// Wide enough for every 64-bit type and its sums.
__extension__ using Wide = __int128;

template <typename T>
using Parsed = std::expected<T, std::string>;

// "true" and "false" alone: yes, no, on, off, y and n are YAML 1.1's and refused by name.
Parsed<bool> ParseBool(std::string_view text);
// Decimal digits with an optional minus. Leading zeros (octal in YAML 1.1), 0x, underscores, exponents and points are
// refused by name.
Parsed<Wide> ParseInteger(std::string_view text);
// JSON's number (RFC 8259, section 6), finite.
Parsed<double> ParseNumber(std::string_view text);
// Nanoseconds of "800ms", "1.5s", "1h30m": units ns, us, ms, s, m, h, d, largest first. "0" needs no unit.
Parsed<Wide> ParseDuration(std::string_view text);
// Bytes of "512", "512B", "4MiB" (1024s) or "4MB" (1000s); k, M, G, T.
Parsed<Wide> ParseBytes(std::string_view text);

// One unit, the largest that divides: "90s", "800ms", "0s".
std::string FormatDuration(Wide nanoseconds);
// "4MiB", "1000B": binary units only.
std::string FormatBytes(Wide bytes);
std::string FormatInteger(Wide integer);

// The name among `names` nearest to `name` by edit distance (Damerau-Levenshtein, optimal string alignment), or empty
// where none is near: more than a third of its letters would have to change.
std::string_view NearestName(std::string_view name, const std::string_view* names, std::size_t count);

}  // namespace loquat::config
