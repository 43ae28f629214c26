#include "model/formats/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "base/json_writer.h"
#include "kernels/interleave.h"

namespace loquat::model {
namespace {

using kernels::WeightType;

constexpr std::uint64_t kStepBytes = std::uint64_t{4} << 20;  // Between two calls of progress.

// Where in a block the half-precision scales stand (docs/weight_types.md).
struct BlockScales {
  std::uint32_t offsets[2];
  std::uint32_t count;
};

BlockScales ScalesOf(WeightType type) {
  switch (type) {
    case WeightType::kQ8_0:
    case WeightType::kQ4_0:
    case WeightType::kQ5_0:
      return {{0, 0}, 1};
    case WeightType::kQ4_1:
    case WeightType::kQ5_1:
    case WeightType::kQ4_K:
    case WeightType::kQ5_K:
      return {{0, 2}, 2};
    case WeightType::kQ6_K:
      return {{208, 0}, 1};
    case WeightType::kF32:
    case WeightType::kF16:
    case WeightType::kBF16:
      break;
  }
  return {{0, 0}, 0};
}

// NaN and the infinities have an exponent of ones alone.
bool IsFinite(WeightType type, const std::byte* number) {
  if (type == WeightType::kF32) {
    std::uint32_t bits;
    std::memcpy(&bits, number, sizeof bits);
    return (bits & 0x7F800000U) != 0x7F800000U;
  }
  const std::uint16_t mask = type == WeightType::kBF16 ? 0x7F80U : 0x7C00U;
  std::uint16_t bits;
  std::memcpy(&bits, number, sizeof bits);
  return (bits & mask) != mask;
}

class Verifier {
 public:
  Verifier(const Weights& weights, const VerifyProgress& progress) : weights_(weights), progress_(progress) {
    for (const Tensor& tensor : weights.tensors()) total_ += tensor.bytes.size();
  }

  base::Result<VerifyReport> Run() {
    for (const Tensor& tensor : weights_.tensors()) {
      ++report_.tensors;
      report_.weights += tensor.elements();
      LOQUAT_TRY(tensor.order == kernels::RowOrder::kRows ? RunRows(tensor) : RunPanels(tensor));
    }
    return std::move(report_);
  }

 private:
  base::Status RunRows(const Tensor& tensor) {
    const std::uint64_t block = kernels::LayoutOf(tensor.type).block_bytes;
    const std::uint64_t step = kStepBytes / block * block;
    for (std::uint64_t at = 0; at < tensor.bytes.size(); at += step) {
      const std::uint64_t end = std::min<std::uint64_t>(at + step, tensor.bytes.size());
      CheckBlocks(tensor, tensor.bytes.subspan(at, end - at), at);
      LOQUAT_TRY(Report(end - at));
    }
    return {};
  }

  // Panel by panel, as rows: what a fault names is where it stands among those.
  base::Status RunPanels(const Tensor& tensor) {
    const kernels::Matrix matrix = tensor.matrix();
    const std::uint64_t panel_bytes = kernels::PanelBytes(matrix.type, matrix.cols);
    std::vector<std::byte> rows(kernels::kInterleavedRows * matrix.row_bytes());
    for (std::size_t row = 0; row < matrix.rows; row += kernels::kInterleavedRows) {
      kernels::Matrix panel = matrix;
      panel.data = tensor.bytes.data() + row / kernels::kInterleavedRows * panel_bytes;
      panel.rows = std::min(kernels::kInterleavedRows, matrix.rows - row);
      kernels::DeinterleavePanels(panel, 0, 1, rows.data());
      const std::span<const std::byte> all(rows);
      CheckBlocks(tensor, all.first(panel.rows * matrix.row_bytes()), row * matrix.row_bytes());
      LOQUAT_TRY(Report(panel_bytes));
    }
    return {};
  }

  base::Status Report(std::uint64_t bytes) {
    report_.bytes += bytes;
    if (progress_ && !progress_(report_.bytes, total_)) return base::Cancelled("verification was stopped");
    return {};
  }

  // `bytes` of the tensor in rows, from `first` on.
  void CheckBlocks(const Tensor& tensor, std::span<const std::byte> bytes, std::uint64_t first) {
    const kernels::WeightLayout& layout = kernels::LayoutOf(tensor.type);
    const BlockScales scales = ScalesOf(tensor.type);
    // Every byte is read, so that a bad sector shows here and not under load.
    unsigned sum = 0;
    for (const std::byte byte : bytes) sum += std::to_integer<unsigned>(byte);
    checksum_ += sum;
    for (std::uint64_t at = first; at < first + bytes.size(); at += layout.block_bytes) {
      const std::byte* block = bytes.data() + (at - first);
      const std::uint64_t element = at / layout.block_bytes * layout.block_weights;
      if (scales.count == 0) {
        if (!IsFinite(tensor.type, block)) AddFault(tensor, element, at, "is not finite");
        continue;
      }
      for (std::uint32_t i = 0; i < scales.count; ++i) {
        if (IsFinite(WeightType::kF16, block + scales.offsets[i])) continue;
        AddFault(tensor, element, at + scales.offsets[i], "has a block scale that is not finite");
      }
    }
  }

  void AddFault(const Tensor& tensor, std::uint64_t element, std::uint64_t byte, std::string_view what) {
    if (report_.fault_count++ >= kVerifyFaultsMax) return;
    report_.faults.push_back({.tensor = tensor.name, .element = element, .byte = byte, .what = std::string(what)});
  }

  const Weights& weights_;
  const VerifyProgress& progress_;
  std::uint64_t total_ = 0;
  std::uint64_t checksum_ = 0;  // Of no use but that reading for it cannot be left out.
  VerifyReport report_;
};

}  // namespace

base::Result<VerifyReport> VerifyModel(const Weights& weights, const VerifyProgress& progress) {
  return Verifier(weights, progress).Run();
}

std::string VerifyJson(std::string_view path, const VerifyReport& report) {
  std::string out;
  base::JsonWriter json(out);
  const auto number = [&](std::string_view key, std::uint64_t value) {
    json.Key(key);
    json.Uint(value);
  };
  json.BeginObject();
  json.Key("path");
  json.String(path);
  json.Key("ok");
  json.Bool(report.ok());
  number("tensors", report.tensors);
  number("weights", report.weights);
  number("bytes", report.bytes);
  number("fault_count", report.fault_count);
  json.Key("faults");
  json.BeginArray();
  for (const VerifyFault& fault : report.faults) {
    json.BeginObject();
    json.Key("tensor");
    json.String(fault.tensor);
    number("element", fault.element);
    number("byte", fault.byte);
    json.Key("what");
    json.String(fault.what);
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
  return out;
}

std::string VerifyText(std::string_view path, const VerifyReport& report) {
  std::string out;
  for (const VerifyFault& fault : report.faults) {
    out += fmt::format("{}: tensor '{}', weight {} (byte {}) {}\n", path, fault.tensor, fault.element, fault.byte,
                       fault.what);
  }
  const std::string what = report.ok() ? "all numbers are finite" : fmt::format("{} faults", report.fault_count);
  return out + fmt::format("{}: {} weights in {} tensors, {} bytes read: {}\n", path, report.weights, report.tensors,
                           report.bytes, what);
}

}  // namespace loquat::model
