#include "model/quant/quantize_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>

#include "base/check.h"
#include "model/formats/gguf_head.h"
#include "model/formats/gguf_model.h"
#include "model/quant/block_quantizer.h"
#include "model/quant/folder_to_gguf.h"
#include "model/tensor/layout.h"

namespace loquat::model {
namespace {

using kernels::WeightType;

constexpr std::uint32_t kQuantizationVersion = 2;  // Of ggml's block layouts.

// llama.cpp's enum llama_ftype.
std::uint32_t FileTypeOf(WeightType type) {
  switch (type) {
    case WeightType::kQ4_0:
      return 2;
    case WeightType::kQ4_1:
      return 3;
    default:
      return 7;  // Q8_0
  }
}

bool IsRewritten(std::string_view key) {
  constexpr std::string_view kKeys[] = {"general.file_type", "general.quantization_version", "general.alignment"};
  return std::ranges::find(kKeys, key) != std::end(kKeys) || key.starts_with("split.");
}

base::Result<GgufHead> MetadataOf(const QuantizeSource& source, WeightType type) {
  GgufHead head;
  if (source.files.format == FileFormat::kGguf) {
    LOQUAT_ASSIGN(const GgufModel model, GgufModel::Open(source.files.path));
    for (const GgufEntry& entry : model.metadata().entries()) {
      if (!IsRewritten(entry.key)) head.Copy(entry);
    }
  } else {
    LOQUAT_TRY(AddFolderMetadata(source.files, head));
  }
  head.Uint("general.file_type", FileTypeOf(type));
  head.Uint("general.quantization_version", kQuantizationVersion);
  return head;
}

// What of the source stands where the new file wants it.
TensorTask TaskOf(const QuantizeSource& source, const PlannedTensor& planned, std::vector<std::uint64_t>& shape) {
  const Tensor& tensor = *planned.tensor;
  TensorTask task{.tensor = &tensor, .to = planned.to, .shape = {}, .origin = {}, .importance = {}};
  shape = tensor.shape;
  if (source.files.format == FileFormat::kHuggingFace) {
    task.origin = FolderRowOrigin(source.files.config, tensor.name);
    shape.front() -= task.origin.first;
  }
  task.shape = shape;
  return task;
}

class ModelQuantizer {
 public:
  ModelQuantizer(const QuantizeSource& source, const QuantizeTarget& target, kernels::ThreadTeam& team,
                 const QuantizeProgress& progress)
      : source_(source), target_(target), quantizer_(team), progress_(progress) {}

  base::Result<QuantizeReport> Run(std::span<const PlannedTensor> plan, const Importance& importance) {
    LOQUAT_ASSIGN(GgufHead head, MetadataOf(source_, target_.type));
    const std::vector<AddedTensor> added = source_.files.format == FileFormat::kHuggingFace
                                               ? FolderTensors(source_.files.config)
                                               : std::vector<AddedTensor>();
    std::vector<std::vector<std::uint64_t>> shapes(plan.size());
    std::vector<TensorTask> tasks;
    for (std::size_t i = 0; i < plan.size(); ++i) {
      tasks.push_back(TaskOf(source_, plan[i], shapes[i]));
      head.AddTensor(plan[i].tensor->name, plan[i].to, shapes[i]);
      total_ += plan[i].tensor->elements();
    }
    for (const AddedTensor& tensor : added) {
      head.AddTensor(tensor.name, WeightType::kF32, std::array{std::uint64_t{tensor.values.size()}});
    }
    LOQUAT_TRY(CheckQuantizeTarget(source_, target_));
    LOQUAT_ASSIGN(base::AtomicFile file, base::AtomicFile::Create(target_.path, target_.existing));
    const std::string text = head.Finish();
    LOQUAT_TRY(file.Reserve(text.size() + head.data_bytes()));
    LOQUAT_TRY(file.Append(std::as_bytes(std::span(text))));
    QuantizeReport report{
        .in = source_.files.path, .out = target_.path, .tensors = {}, .file_bytes = text.size() + head.data_bytes()};
    for (std::size_t i = 0; i < plan.size(); ++i) {
      LOQUAT_ASSIGN(QuantizedTensor done, Quantize(plan[i], tasks[i], importance, file));
      report.tensors.push_back(std::move(done));
    }
    for (const AddedTensor& tensor : added) LOQUAT_TRY(AppendPadded(std::as_bytes(std::span(tensor.values)), file));
    LOQUAT_TRY(file.Commit());
    return report;
  }

 private:
  base::Result<QuantizedTensor> Quantize(const PlannedTensor& planned, TensorTask task, const Importance& importance,
                                         base::AtomicFile& file) {
    const Tensor& tensor = *planned.tensor;
    const auto columns = importance.find(tensor.name);
    const bool calibrated = columns != importance.end() && IsBlockQuantizable(planned.to);
    if (calibrated) {
      LOQUAT_CHECK(columns->second.size() == tensor.shape.back(), "one number a column");
      task.importance = columns->second;
    }
    std::uint64_t written = 0;
    LOQUAT_ASSIGN(const TensorQuality quality,
                  quantizer_.Run(task, [&](std::span<const std::byte> bytes) -> base::Status {
                    written += bytes.size();
                    LOQUAT_TRY(file.Append(bytes));
                    ForgetRows(tensor, written / (OutBytes(planned.to, task.shape) / task.shape.front()));
                    return Progress(tensor, written, planned.to);
                  }));
    LOQUAT_TRY(AppendPadding(written, file));
    done_ += tensor.elements();
    return QuantizedTensor{.name = tensor.name,
                           .from = tensor.type,
                           .to = planned.to,
                           .reason = planned.reason,
                           .shape = {task.shape.begin(), task.shape.end()},
                           .bytes_before = tensor.bytes.size(),
                           .bytes_after = written,
                           .calibrated = calibrated,
                           .quality = quality};
  }

  static std::uint64_t OutBytes(WeightType type, std::span<const std::uint64_t> shape) {
    const auto bytes = TensorBytes(shape, type);
    LOQUAT_CHECK(bytes.has_value(), "the plan's shapes fit its types");
    return *bytes;
  }
  // The pages that held the tensor's first rows.
  void ForgetRows(const Tensor& tensor, std::uint64_t rows) const {
    source_.weights->Forget(tensor.bytes.first(tensor.bytes.size() / tensor.shape.front() * rows));
  }

  base::Status Progress(const Tensor& tensor, std::uint64_t written, WeightType type) const {
    const kernels::WeightLayout& layout = kernels::LayoutOf(type);
    const std::uint64_t here = written / layout.block_bytes * layout.block_weights;
    if (!progress_ || progress_(done_ + here, total_, tensor.name)) return {};
    return base::Cancelled("the quantization was stopped; nothing was written");
  }

  static base::Status AppendPadding(std::uint64_t written, base::AtomicFile& file) {
    constexpr std::array<std::byte, kGgufAlignmentDefault> kZeros{};
    return file.Append(std::span(kZeros).first(GgufPadded(written) - written));
  }
  static base::Status AppendPadded(std::span<const std::byte> bytes, base::AtomicFile& file) {
    LOQUAT_TRY(file.Append(bytes));
    return AppendPadding(bytes.size(), file);
  }

  const QuantizeSource& source_;
  const QuantizeTarget& target_;
  TensorQuantizer quantizer_;
  const QuantizeProgress& progress_;
  std::uint64_t done_ = 0, total_ = 0;  // Weights.
};

}  // namespace

base::Result<QuantizeSource> OpenQuantizeSource(const std::string& path, bool requantize) {
  QuantizeSource source;
  LOQUAT_ASSIGN(source.files, OpenModel(path));
  if (source.files.format == FileFormat::kPacked) {
    return base::InvalidArgument(
        fmt::format("{} is packed; quantize the GGUF file or folder that it was made from, and pack the result", path));
  }
  source.weights = std::move(source.files.weights);
  if (requantize) return source;
  for (const Tensor& tensor : source.weights->tensors()) {
    if (!IsQuantized(tensor.type)) continue;
    base::Error error = base::FailedPrecondition(
        fmt::format("{} is quantized already ('{}' is {}): rounding twice loses more than rounding once; quantize the "
                    "F32, F16 or BF16 model that it was made from, or allow it with --requantize",
                    path, tensor.name, kernels::LayoutOf(tensor.type).name));
    error.reason = "already_quantized";
    return error;
  }
  return source;
}

base::Status CheckQuantizeTarget(const QuantizeSource& source, const QuantizeTarget& target) {
  for (const ShardFile& file : source.files.files) {
    std::error_code error;
    if (!std::filesystem::equivalent(file.path, target.path, error)) continue;
    return base::InvalidArgument(fmt::format("{} is the model that is read; write to another name", target.path));
  }
  return base::AtomicFile::Check(target.path, target.existing);
}

std::uint64_t QuantizeReport::bytes_before() const {
  std::uint64_t sum = 0;
  for (const QuantizedTensor& tensor : tensors) sum += tensor.bytes_before;
  return sum;
}

std::uint64_t QuantizeReport::bytes_after() const {
  std::uint64_t sum = 0;
  for (const QuantizedTensor& tensor : tensors) sum += tensor.bytes_after;
  return sum;
}

TensorQuality QuantizeReport::quality() const {
  TensorQuality sum;
  for (const QuantizedTensor& tensor : tensors) sum.Add(tensor.quality);
  return sum;
}

base::Result<QuantizeReport> QuantizeModel(const QuantizeSource& source, std::span<const PlannedTensor> plan,
                                           const Importance& importance, const QuantizeTarget& target,
                                           kernels::ThreadTeam& team, const QuantizeProgress& progress) {
  return ModelQuantizer(source, target, team, progress).Run(plan, importance);
}

}  // namespace loquat::model
