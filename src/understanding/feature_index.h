// From a feature's 64-bit key to its row: sorted fingerprints under a table of bucket starts, read where they lie.
// Immutable; any thread. The spans outlive it. About six bytes a feature, and one or two cache lines a look-up.

#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

namespace loquat::understanding {

class FeatureIndex {
 public:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;
  static constexpr std::uint32_t kBucketBitsMax = 26;

  // Row i belongs to keys[i]. REQUIRES: keys are sorted and distinct.
  static std::uint32_t BucketBits(std::size_t features) {
    return std::min<std::uint32_t>(kBucketBitsMax, std::bit_width(features / 2 + 1));
  }
  static std::vector<std::uint32_t> Buckets(std::span<const std::uint64_t> keys) {
    const std::uint32_t bits = BucketBits(keys.size());
    std::vector<std::uint32_t> starts((std::size_t{1} << bits) + 1, 0);
    for (const std::uint64_t key : keys) ++starts[(key >> (64 - bits)) + 1];
    for (std::size_t i = 1; i < starts.size(); ++i) starts[i] += starts[i - 1];
    return starts;
  }
  static std::vector<std::uint32_t> Fingerprints(std::span<const std::uint64_t> keys) {
    return {keys.begin(), keys.end()};  // The low halves: the bucket holds the top bits.
  }

  FeatureIndex() = default;
  // Empty if the parts do not fit together: then Valid() is false.
  FeatureIndex(std::span<const std::uint32_t> buckets, std::span<const std::uint32_t> fingerprints) {
    const std::uint32_t bits = BucketBits(fingerprints.size());
    if (buckets.size() != (std::size_t{1} << bits) + 1 || buckets.front() != 0 ||
        buckets.back() != fingerprints.size()) {
      return;
    }
    for (std::size_t i = 1; i < buckets.size(); ++i) {
      if (buckets[i] < buckets[i - 1]) return;
    }
    buckets_ = buckets;
    fingerprints_ = fingerprints;
    shift_ = 64 - bits;
  }

  bool Valid() const { return !buckets_.empty(); }
  std::size_t size() const { return fingerprints_.size(); }

  void Prefetch(std::uint64_t key) const { __builtin_prefetch(&buckets_[key >> shift_]); }

  // The row of `key`, or kNone. REQUIRES: Valid().
  std::uint32_t Find(std::uint64_t key) const {
    const std::size_t bucket = key >> shift_;
    const auto wanted = static_cast<std::uint32_t>(key);
    for (std::uint32_t row = buckets_[bucket]; row < buckets_[bucket + 1]; ++row) {
      if (fingerprints_[row] == wanted) return row;
    }
    return kNone;
  }

 private:
  std::span<const std::uint32_t> buckets_;       // [1 << bits, plus the end] -> first row
  std::span<const std::uint32_t> fingerprints_;  // [row]
  std::uint32_t shift_ = 63;
};

}  // namespace loquat::understanding
