// Reads every byte of a model's weights and says which numbers cannot be right: floats and block scales that are NaN
// or infinite. What OpenModel checks (places, shapes, names) is taken as done. Safe from any thread.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/tensor/weights.h"

namespace loquat::model {

inline constexpr std::size_t kVerifyFaultsMax = 20;  // Reported; all are counted.

struct VerifyFault {
  std::string tensor;
  std::uint64_t element = 0;  // Index of the first weight that it spoils, row by row.
  std::uint64_t byte = 0;     // In the tensor, as it lies in rows.
  std::string what;           // "is not finite", "the scale of its block is not finite".
};

struct VerifyReport {
  std::uint64_t tensors = 0;
  std::uint64_t weights = 0;
  std::uint64_t bytes = 0;
  std::uint64_t fault_count = 0;
  std::vector<VerifyFault> faults;  // The first kVerifyFaultsMax.

  bool ok() const { return fault_count == 0; }
};

// Called with bytes done and bytes in all, after every few megabytes; false stops, which is kCancelled.
using VerifyProgress = std::function<bool(std::uint64_t done, std::uint64_t total)>;

base::Result<VerifyReport> VerifyModel(const Weights& weights, const VerifyProgress& progress = {});

// One JSON object, a line; and lines for a terminal.
std::string VerifyJson(std::string_view path, const VerifyReport& report);
std::string VerifyText(std::string_view path, const VerifyReport& report);

}  // namespace loquat::model
