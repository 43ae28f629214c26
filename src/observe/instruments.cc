#include "observe/instruments.h"

#include <bit>
#include <cmath>
#include <thread>

#include "base/check.h"

namespace loquat::observe {
namespace {

std::size_t RoundUpToLine(std::size_t cells) {
  constexpr std::size_t kPerLine = kCacheLineBytes / sizeof(std::uint64_t);
  return (cells + kPerLine - 1) / kPerLine * kPerLine;
}

std::vector<double> Checked(std::vector<double> bounds) {
  LOQUAT_CHECK(!bounds.empty() && bounds.size() <= Histogram::kBucketsMax, "a histogram has 1 to 64 bounds");
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    LOQUAT_CHECK(std::isfinite(bounds[i]), "histogram bounds are finite; +Inf comes by itself");
    LOQUAT_CHECK(i == 0 || bounds[i - 1] < bounds[i], "histogram bounds increase strictly");
  }
  return bounds;
}

}  // namespace

std::size_t ShardCount() {
  const std::size_t cores = std::thread::hardware_concurrency();
  return std::clamp<std::size_t>(std::bit_ceil(std::max<std::size_t>(cores, 1)), 1, kShardsMax);
}

Counter::Counter() : shards_(ShardCount()), cells_(std::make_unique<Cell[]>(shards_)) {}

std::uint64_t Counter::value() const {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < shards_; ++i) sum += cells_[i].value.load(std::memory_order_relaxed);
  return sum;
}

Histogram::Histogram(std::vector<double> bounds)
    : bounds_(Checked(std::move(bounds))),
      shards_(ShardCount()),
      stride_(RoundUpToLine(bounds_.size() + 1)),
      counts_(std::make_unique<std::atomic<std::uint64_t>[]>(shards_ * stride_)),
      sums_(std::make_unique<Sum[]>(shards_)) {}

Histogram::Snapshot Histogram::Read() const {
  Snapshot snapshot;
  snapshot.counts.assign(bounds_.size() + 1, 0);
  for (std::size_t shard = 0; shard < shards_; ++shard) {
    for (std::size_t i = 0; i < snapshot.counts.size(); ++i) {
      snapshot.counts[i] += counts_[shard * stride_ + i].load(std::memory_order_relaxed);
    }
    snapshot.sum += sums_[shard].value.load(std::memory_order_relaxed);
  }
  // From the counts themselves, so that the last bucket and the count of one scrape always agree.
  for (const std::uint64_t count : snapshot.counts) snapshot.count += count;
  return snapshot;
}

std::vector<double> LatencyBounds() {
  return {50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
}

std::vector<double> ExponentialBounds(double start, double factor, std::size_t count) {
  LOQUAT_CHECK(start > 0 && factor > 1 && count >= 1, "bounds grow from a positive start");
  std::vector<double> bounds;
  for (double bound = start; bounds.size() < count; bound *= factor) bounds.push_back(bound);
  return bounds;
}

}  // namespace loquat::observe
