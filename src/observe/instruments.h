// What is measured: Counter, Gauge and Histogram, each one series of a metric. Made by a Registry (metrics.h), which
// owns them and outlives their users; hold them by reference. Thread-safe, lock-free on the writing side.
//
// Writers touch one cache line picked by their thread, readers add the lines up: a scrape sees each increment once, but
// increments of different threads in no particular order.

#pragma once

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace loquat::observe {

inline constexpr std::size_t kCacheLineBytes = 64;
inline constexpr std::size_t kShardsMax = 16;

// How many lines one number is spread over on this machine: a power of two, at most kShardsMax.
std::size_t ShardCount();

// The line of the calling thread. Two threads that meet on one line are slower, never wrong.
inline std::size_t ShardOfThisThread(std::size_t shards) {
  // Fibonacci hashing of the thread's descriptor address; the high bits are the well-mixed ones.
  const auto self = static_cast<std::uint64_t>(pthread_self());
  return (self * 0x9E3779B97F4A7C15u >> 32) & (shards - 1);
}

// A number that only grows. It starts at zero with the process.
class Counter {
 public:
  Counter();
  Counter(const Counter&) = delete;
  Counter& operator=(const Counter&) = delete;

  void Increment(std::uint64_t by = 1) {
    // Relaxed: a counter orders nothing; only its own sum matters.
    cells_[ShardOfThisThread(shards_)].value.fetch_add(by, std::memory_order_relaxed);
  }
  std::uint64_t value() const;

 private:
  struct alignas(kCacheLineBytes) Cell {
    std::atomic<std::uint64_t> value{0};
  };
  const std::size_t shards_;
  const std::unique_ptr<Cell[]> cells_;  // [shard]
};

// A number that goes up and down.
class Gauge {
 public:
  Gauge() = default;
  Gauge(const Gauge&) = delete;
  Gauge& operator=(const Gauge&) = delete;

  // Relaxed throughout: the last writer wins and nothing is ordered by it.
  void Set(double value) { value_.store(value, std::memory_order_relaxed); }
  void Add(double by) { value_.fetch_add(by, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  alignas(kCacheLineBytes) std::atomic<double> value_{0};
};

// Counts values under fixed upper bounds, Prometheus' classic histogram: bucket i holds bounds[i-1] < value <=
// bounds[i], and one more bucket holds what lies above the last bound. NaN is counted there too, and left out of the
// sum.
class Histogram {
 public:
  // REQUIRES: bounds are finite and strictly increasing, 1 to kBucketsMax of them.
  explicit Histogram(std::vector<double> bounds);
  Histogram(const Histogram&) = delete;
  Histogram& operator=(const Histogram&) = delete;

  void Observe(double value) {
    const auto above = std::partition_point(bounds_.begin(), bounds_.end(), [&](double b) { return !(value <= b); });
    AddTo(static_cast<std::size_t>(above - bounds_.begin()), value);
  }

  struct Snapshot {
    std::vector<std::uint64_t> counts;  // [bounds.size() + 1], not cumulative.
    std::uint64_t count = 0;            // The sum of counts.
    double sum = 0;
  };
  Snapshot Read() const;
  std::span<const double> bounds() const { return bounds_; }

  static constexpr std::size_t kBucketsMax = 64;

 private:
  void AddTo(std::size_t bucket, double value) {
    const std::size_t shard = ShardOfThisThread(shards_);
    // Relaxed: a reader may see the count before the sum; both are whole by the next scrape.
    counts_[shard * stride_ + bucket].fetch_add(1, std::memory_order_relaxed);
    if (value == value) sums_[shard].value.fetch_add(value, std::memory_order_relaxed);
  }

  struct alignas(kCacheLineBytes) Sum {
    std::atomic<double> value{0};
  };
  const std::vector<double> bounds_;
  const std::size_t shards_;
  const std::size_t stride_;                                    // Counts per shard, rounded up to whole cache lines.
  const std::unique_ptr<std::atomic<std::uint64_t>[]> counts_;  // [shard, stride_]
  const std::unique_ptr<Sum[]> sums_;                           // [shard]
};

// Bounds in seconds for the time of a request: 50 us to 10 s.
std::vector<double> LatencyBounds();
// `count` bounds from `start`, each `factor` times the one before. REQUIRES: start > 0, factor > 1, count >= 1.
std::vector<double> ExponentialBounds(double start, double factor, std::size_t count);

}  // namespace loquat::observe
