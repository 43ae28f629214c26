// Operations on strings that filters and methods share, as Python's str has them.
// They charge the Work by length and copy only where the text changes.

#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "text/template/value.h"
#include "text/template/work.h"

namespace loquat::text::jinja {

enum class Side : std::uint8_t { kBoth, kLeft, kRight };

// Without the white space at the ends, or without the characters that stand in `characters`.
base::Result<Value> Strip(Work& work, std::string_view text, std::optional<std::string_view> characters, Side side);
// Up to `count` times; negative: all.
base::Result<Value> Replace(Work& work, std::string_view text, std::string_view from, std::string_view to,
                            std::int64_t count);
base::Result<Value> Capitalize(Work& work, std::string_view text);
base::Result<Value> Upper(Work& work, std::string_view text);
base::Result<Value> Lower(Work& work, std::string_view text);
// str.splitlines(), without the line ends.
base::Result<List*> SplitLines(Work& work, std::string_view text);
base::Result<Value> Reversed(Work& work, std::string_view text);

}  // namespace loquat::text::jinja
