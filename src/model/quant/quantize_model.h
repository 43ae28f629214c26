// From a model's files to one GGUF file (version 3) with fewer bits: opens, plans, quantizes tensor by tensor and
// measures. Of GGUF, the metadata are copied key by key; of a Hugging Face folder, they are made from its config and
// its tokenizer (folder_to_gguf.h).
//
// Values and functions; any thread, each call with a team of its own.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/atomic_file.h"
#include "base/result.h"
#include "kernels/thread_team.h"
#include "model/formats/model_files.h"
#include "model/quant/quantize_plan.h"
#include "model/quant/tensor_quantizer.h"

namespace loquat::model {

struct QuantizeSource {
  ModelFiles files;  // Without its weights:
  std::shared_ptr<const Weights> weights;
};

// As OpenModel; kFailedPrecondition besides, where tensors are quantized already and `requantize` is false.
base::Result<QuantizeSource> OpenQuantizeSource(const std::string& path, bool requantize);

// How much each column of a tensor's inputs matters, by the tensor's name (calibration.h): [cols].
using Importance = std::unordered_map<std::string, std::vector<float>>;

struct QuantizeTarget {
  std::string path;
  base::AtomicFile::Existing existing = base::AtomicFile::Existing::kRefuse;
  kernels::WeightType type = kernels::WeightType::kQ8_0;  // What the file says it mostly is.
};

// That the target is none of the source's files, nor one that is there already; before anything that takes time.
base::Status CheckQuantizeTarget(const QuantizeSource& source, const QuantizeTarget& target);

struct QuantizedTensor {
  std::string name;
  kernels::WeightType from = kernels::WeightType::kF32, to = kernels::WeightType::kF32;
  std::string_view reason;           // As PlannedTensor.
  std::vector<std::uint64_t> shape;  // Outermost first.
  std::uint64_t bytes_before = 0, bytes_after = 0;
  bool calibrated = false;
  TensorQuality quality;
};

struct QuantizeReport {
  std::string in, out;
  std::vector<QuantizedTensor> tensors;
  std::uint64_t file_bytes = 0;  // Of the new file.

  std::uint64_t bytes_before() const;
  std::uint64_t bytes_after() const;
  TensorQuality quality() const;  // Of the tensors together.
};

// Called with weights done and weights in all, and the tensor at hand; false stops, which is kCancelled.
using QuantizeProgress = std::function<bool(std::uint64_t done, std::uint64_t total, std::string_view tensor)>;

// Writes target.path, whole or not at all. `plan` is of source.weights. Errors besides those of AtomicFile,
// TensorQuantizer and CheckQuantizeTarget: kUnimplemented, a folder whose model GGUF cannot express.
base::Result<QuantizeReport> QuantizeModel(const QuantizeSource& source, std::span<const PlannedTensor> plan,
                                           const Importance& importance, const QuantizeTarget& target,
                                           kernels::ThreadTeam& team, const QuantizeProgress& progress = {});

}  // namespace loquat::model
