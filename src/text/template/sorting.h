// A stable merge sort whose comparison may fail, and the keys that Jinja's filters sort and select by.
// Pure but for what they charge to the Work.

#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/template/value.h"
#include "text/template/work.h"

namespace loquat::text::jinja {

// The value at a path such as "function.name" or "0.id"; an integer is one step; undefined or none: `item` itself.
// After each step `fallback`, unless it is none, takes the place of what is undefined.
base::Result<Value> ValueAt(Work& work, const Value& item, const Value& path, const Value& fallback = Value::None());
// Strings in lower case, anything else as it is.
base::Result<Value> IgnoringCase(Work& work, const Value& value);

// Indices of `keys` from the least to the greatest, or the other way round; equal keys keep their order.
base::Result<std::vector<std::uint32_t>> SortedIndices(Work& work, std::span<const Value> keys, bool descending);

}  // namespace loquat::text::jinja
