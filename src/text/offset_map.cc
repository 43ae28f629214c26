#include <algorithm>

#include "base/check.h"
#include "text/normalize.h"

namespace loquat::text {

void OffsetMap::Clear() {
  runs_.clear();
  normalized_size_ = 0;
  original_size_ = 0;
}

void OffsetMap::AddRun(std::uint32_t normalized, std::uint32_t original, bool copied) {
  LOQUAT_CHECK(runs_.empty() || (runs_.back().normalized <= normalized && runs_.back().original < original),
               "runs are added from left to right");
  runs_.push_back({.normalized = normalized, .original = original, .copied = copied});
}

void OffsetMap::Finish(std::uint32_t normalized_size, std::uint32_t original_size) {
  normalized_size_ = normalized_size;
  original_size_ = original_size;
}

std::size_t OffsetMap::RunAt(std::uint32_t normalized) const {
  const auto after = std::ranges::upper_bound(runs_, normalized, {}, [](const Run& run) { return run.normalized; });
  return static_cast<std::size_t>(after - runs_.begin()) - 1;  // The first run starts at 0.
}

std::uint32_t OffsetMap::ToOriginalBegin(std::uint32_t normalized) const {
  if (normalized >= normalized_size_) return original_size_;
  const Run& run = runs_[RunAt(normalized)];
  return run.copied ? run.original + (normalized - run.normalized) : run.original;
}

std::uint32_t OffsetMap::ToOriginalEnd(std::uint32_t normalized) const {
  if (normalized == 0) return 0;
  if (normalized > normalized_size_) return original_size_;
  const std::size_t at = RunAt(normalized - 1);
  if (runs_[at].copied) return runs_[at].original + (normalized - runs_[at].normalized);
  return at + 1 < runs_.size() ? runs_[at + 1].original : original_size_;
}

}  // namespace loquat::text
