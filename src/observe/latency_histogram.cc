#include "observe/latency_histogram.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace loquat::observe {

using latency_internal::BucketOf;
using latency_internal::UpperOf;

void LatencyHistogram::Record(std::uint64_t value, std::uint64_t times) {
  if (times == 0) return;
  counts_[BucketOf(std::min(value, ValueMax()))] += times;
  count_ += times;
  min_ = std::min(min_, value);
  max_ = std::max(max_, value);
  sum_ += static_cast<double>(value) * static_cast<double>(times);
}

void LatencyHistogram::Merge(const LatencyHistogram& other) {
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
  sum_ += other.sum_;
}

std::uint64_t LatencyHistogram::Percentile(double percent) const {
  LOQUAT_CHECK(percent >= 0 && percent <= 100, "a percentile is from 0 to 100");
  if (count_ == 0) return 0;
  const double exact = std::ceil(percent / 100 * static_cast<double>(count_));
  const std::uint64_t rank = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(exact), 1, count_);
  if (rank == count_) return max_;
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen >= rank) return std::clamp(UpperOf(i), min_, max_);
  }
  return max_;
}

void AtomicLatencyHistogram::Record(std::uint64_t value) {
  counts_[BucketOf(std::min(value, LatencyHistogram::ValueMax()))].fetch_add(1, std::memory_order_relaxed);
}

LatencyHistogram AtomicLatencyHistogram::Snapshot() const {
  LatencyHistogram snapshot;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    snapshot.Record(UpperOf(i), counts_[i].load(std::memory_order_relaxed));
  }
  return snapshot;
}

}  // namespace loquat::observe
