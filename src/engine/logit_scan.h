// One look at all logits of a token, sixteen lanes side by side, as a vocabulary is as long as some small models' work
// on a token. Pure functions; any thread.

#pragma once

#include <cstddef>
#include <limits>
#include <span>

namespace loquat::engine {

inline constexpr std::size_t kScanLanes = 16;
// Floats from what is looked at to what is asked for: another core may have written them last, and be slow to answer.
inline constexpr std::size_t kScanAhead = 512;
inline constexpr std::size_t kScanBlock = 512;  // Looked through again when it holds the greatest.

struct LogitScan {
  float greatest = -std::numeric_limits<float>::infinity();
  bool sound = true;  // None is NaN or infinity; minus infinity is a logit too.
};

inline LogitScan ScanLogits(std::span<const float> logits) {
  constexpr float kMost = std::numeric_limits<float>::max();
  float greatest[kScanLanes];
  int sound[kScanLanes];
  for (std::size_t j = 0; j < kScanLanes; ++j) {
    greatest[j] = -std::numeric_limits<float>::infinity();
    sound[j] = 1;
  }
  const std::size_t whole = logits.size() / kScanLanes * kScanLanes;
  for (std::size_t i = 0; i < whole; i += kScanLanes) {
    __builtin_prefetch(logits.data() + i + kScanAhead);
    for (std::size_t j = 0; j < kScanLanes; ++j) {
      const float logit = logits[i + j];
      greatest[j] = logit > greatest[j] ? logit : greatest[j];
      sound[j] &= logit <= kMost ? 1 : 0;
    }
  }
  LogitScan scan;
  for (std::size_t j = 0; j < kScanLanes; ++j) {
    scan.greatest = greatest[j] > scan.greatest ? greatest[j] : scan.greatest;
    scan.sound = scan.sound && sound[j] == 1;
  }
  for (const float logit : logits.subspan(whole)) {
    scan.greatest = logit > scan.greatest ? logit : scan.greatest;
    scan.sound = scan.sound && logit <= kMost;
  }
  return scan;
}

// The first of the greatest. REQUIRES: not empty, none is NaN.
inline std::size_t ArgMax(std::span<const float> logits) {
  LogitScan best;
  std::size_t block = 0;
  for (std::size_t i = 0; i < logits.size(); i += kScanBlock) {
    const LogitScan here =
        ScanLogits(logits.subspan(i, i + kScanBlock <= logits.size() ? kScanBlock : logits.size() - i));
    if (here.greatest <= best.greatest) continue;
    best = here;
    block = i;
  }
  std::size_t at = block;
  while (logits[at] != best.greatest) ++at;
  return at;
}

}  // namespace loquat::engine
