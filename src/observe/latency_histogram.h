// Latencies in a fixed amount of memory, with percentiles to better than 1 %: a log-linear histogram, as HdrHistogram's
// (http://hdrhistogram.org). Each power of two is cut into kSubBuckets equal buckets, so that the relative width of a
// bucket is at most 1/kSubBuckets. Values are whole numbers in the caller's unit, nanoseconds as a rule.

#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace loquat::observe {

namespace latency_internal {

inline constexpr int kSubBits = 7;
inline constexpr std::uint64_t kSubBuckets = 1u << kSubBits;
inline constexpr int kValueBits = 42;  // Of nanoseconds: 73 minutes.
inline constexpr std::uint64_t kValueMax = (std::uint64_t{1} << kValueBits) - 1;
// Values below 2 * kSubBuckets have a bucket each; each further power of two has kSubBuckets.
inline constexpr std::size_t kBuckets = kSubBuckets * (kValueBits - kSubBits + 1);

// REQUIRES: value <= kValueMax.
constexpr std::size_t BucketOf(std::uint64_t value) {
  const int shift = value < 2 * kSubBuckets ? 0 : std::bit_width(value) - kSubBits - 1;
  return (static_cast<std::size_t>(shift) << kSubBits) + static_cast<std::size_t>(value >> shift);
}

// The largest value that falls into the bucket.
constexpr std::uint64_t UpperOf(std::size_t bucket) {
  const std::size_t shift = bucket < 2 * kSubBuckets ? 0 : (bucket >> kSubBits) - 1;
  const std::uint64_t mantissa = bucket - (shift << kSubBits);
  return ((mantissa + 1) << shift) - 1;
}

static_assert(BucketOf(kValueMax) == kBuckets - 1);
static_assert(UpperOf(kBuckets - 1) == kValueMax);

}  // namespace latency_internal

// A value of about 36 KiB; one thread at a time.
class LatencyHistogram {
 public:
  // Values past ValueMax() count as ValueMax(), but the maximum is kept exactly.
  void Record(std::uint64_t value, std::uint64_t times = 1);
  void Merge(const LatencyHistogram& other);

  std::uint64_t count() const { return count_; }
  std::uint64_t max() const { return max_; }
  std::uint64_t min() const { return count_ == 0 ? 0 : min_; }
  double mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }
  // The smallest recorded value that at least `percent` of all values do not exceed, rounded up within its bucket and
  // never past max(). 0 when empty. REQUIRES: 0 <= percent <= 100.
  std::uint64_t Percentile(double percent) const;

  static constexpr std::uint64_t ValueMax() { return latency_internal::kValueMax; }

 private:
  friend class AtomicLatencyHistogram;

  std::array<std::uint64_t, latency_internal::kBuckets> counts_{};
  std::uint64_t count_ = 0;
  std::uint64_t min_ = UINT64_MAX;
  std::uint64_t max_ = 0;
  double sum_ = 0;
};

// The same, recorded into by many threads at once and read at any time.
class AtomicLatencyHistogram {
 public:
  void Record(std::uint64_t value);
  // Values recorded meanwhile may be in it or not; its count is the sum of its buckets. Minimum, maximum and mean are
  // to the precision of a bucket.
  LatencyHistogram Snapshot() const;

 private:
  // Relaxed: each bucket stands for itself.
  std::array<std::atomic<std::uint64_t>, latency_internal::kBuckets> counts_{};
};

}  // namespace loquat::observe
