#include "text/template/sorting.h"

#include <algorithm>
#include <numeric>

#include "base/strings.h"
#include "text/template/operators.h"
#include "text/template/text_operations.h"

namespace loquat::text::jinja {

using base::Result;
using base::Status;

Result<Value> ValueAt(Work& work, const Value& item, const Value& path, const Value& fallback) {
  if (path.IsUndefined() || path.Is(Kind::kNone)) return item;
  const auto or_fallback = [&](const Value& found) {
    return found.IsUndefined() && !fallback.Is(Kind::kNone) ? fallback : found;
  };
  Value value = item;
  if (!path.IsString()) {
    LOQUAT_ASSIGN(value, GetItem(work, item, path));
    return or_fallback(value);
  }
  std::string_view rest = path.AsString();
  while (true) {
    const std::size_t dot = rest.find('.');
    const std::string_view part = rest.substr(0, dot);
    const bool digits = !part.empty() && std::ranges::all_of(part, base::IsAsciiDigit);
    const std::optional<std::int64_t> index = digits ? base::ParseInt<std::int64_t>(part) : std::nullopt;
    LOQUAT_ASSIGN(value, GetItem(work, value, index ? Value::Int(*index) : Value::String(part)));
    value = or_fallback(value);
    if (dot == std::string_view::npos) return value;
    LOQUAT_TRY(work.Charge(1));
    rest.remove_prefix(dot + 1);
  }
}

Result<Value> IgnoringCase(Work& work, const Value& value) {
  return value.IsString() ? Lower(work, value.AsString()) : Result<Value>(value);
}

Result<std::vector<std::uint32_t>> SortedIndices(Work& work, std::span<const Value> keys, bool descending) {
  std::vector<std::uint32_t> sorted(keys.size());
  std::iota(sorted.begin(), sorted.end(), 0u);
  std::vector<std::uint32_t> merged(keys.size());
  for (std::size_t width = 1; width < keys.size(); width *= 2) {
    for (std::size_t start = 0; start < keys.size(); start += 2 * width) {
      const std::size_t middle = std::min(start + width, keys.size());
      const std::size_t end = std::min(start + 2 * width, keys.size());
      std::size_t left = start;
      std::size_t right = middle;
      for (std::size_t out = start; out < end; ++out) {
        bool takes_right = left == middle;
        if (left < middle && right < end) {
          LOQUAT_ASSIGN(const int order, Order(work, keys[sorted[right]], keys[sorted[left]]));
          takes_right = descending ? order > 0 : order < 0;
        }
        merged[out] = sorted[takes_right ? right++ : left++];
      }
    }
    sorted.swap(merged);
  }
  return sorted;
}

}  // namespace loquat::text::jinja
