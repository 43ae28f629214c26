#include "model/quant/quantize_report.h"

#include <fmt/format.h>

#include "model/tensor/layout.h"

namespace loquat::model {
namespace {

constexpr int kDigits = 6;

std::string_view NameOf(kernels::WeightType type) {
  return kernels::LayoutOf(type).name;
}

double BitsAWeight(std::uint64_t bytes, std::uint64_t weights) {
  return weights == 0 ? 0 : 8.0 * static_cast<double>(bytes) / static_cast<double>(weights);
}

void WriteQuality(const TensorQuality& quality, base::JsonWriter& json) {
  json.Key("relative_error");
  json.Double(quality.relative_error());
  json.Key("cosine");
  json.Double(quality.cosine());
  json.Key("error_max");
  json.Double(quality.error_max);
}

void WriteText(base::JsonWriter& json, std::string_view key, std::string_view text) {
  json.Key(key);
  json.String(text);
}

void WriteCount(base::JsonWriter& json, std::string_view key, std::uint64_t count) {
  json.Key(key);
  json.Uint(count);
}

}  // namespace

void WriteReport(const QuantizeReport& report, base::JsonWriter& json) {
  const TensorQuality all = report.quality();
  WriteText(json, "in", report.in);
  WriteText(json, "out", report.out);
  WriteCount(json, "file_bytes", report.file_bytes);
  WriteCount(json, "weights", all.weights);
  WriteCount(json, "bytes_before", report.bytes_before());
  WriteCount(json, "bytes_after", report.bytes_after());
  json.Key("bits_before");
  json.Fixed(BitsAWeight(report.bytes_before(), all.weights), kDigits);
  json.Key("bits");
  json.Fixed(BitsAWeight(report.bytes_after(), all.weights), kDigits);
  WriteQuality(all, json);
  json.Key("tensors");
  json.BeginArray();
  for (const QuantizedTensor& tensor : report.tensors) {
    json.BeginObject();
    WriteText(json, "name", tensor.name);
    WriteText(json, "from", NameOf(tensor.from));
    WriteText(json, "to", NameOf(tensor.to));
    if (!tensor.reason.empty()) WriteText(json, "reason", tensor.reason);
    json.Key("shape");
    json.BeginArray();
    for (const std::uint64_t n : tensor.shape) json.Uint(n);
    json.EndArray();
    json.Key("bits");
    json.Fixed(BitsAWeight(tensor.bytes_after, tensor.quality.weights), kDigits);
    json.Key("calibrated");
    json.Bool(tensor.calibrated);
    WriteQuality(tensor.quality, json);
    json.EndObject();
  }
  json.EndArray();
}

std::string ReportText(const QuantizeReport& report) {
  std::string out =
      fmt::format("{:<28} {:<16} {:<13} {:>6} {:>9} {:>9}\n", "tensor", "shape", "type", "bits", "error", "cosine");
  for (const QuantizedTensor& tensor : report.tensors) {
    out += fmt::format("{:<28} {:<16} {:<13} {:6.2f} {:9.6f} {:9.6f}{}{}\n", tensor.name, ShapeText(tensor.shape),
                       tensor.from == tensor.to ? std::string(NameOf(tensor.to))
                                                : fmt::format("{} > {}", NameOf(tensor.from), NameOf(tensor.to)),
                       BitsAWeight(tensor.bytes_after, tensor.quality.weights), tensor.quality.relative_error(),
                       tensor.quality.cosine(), tensor.reason.empty() ? "" : "  ", tensor.reason);
  }
  const TensorQuality all = report.quality();
  return out + fmt::format(
                   "\n{}: {} weights in {} tensors, {:.2f} bits a weight (before: {:.2f}), relative error {:.6f}, "
                   "cosine {:.6f}; {} bytes\n",
                   report.out, all.weights, report.tensors.size(), BitsAWeight(report.bytes_after(), all.weights),
                   BitsAWeight(report.bytes_before(), all.weights), all.relative_error(), all.cosine(),
                   report.file_bytes);
}

}  // namespace loquat::model
