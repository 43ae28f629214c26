#include "model/formats/ggml_type.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"

namespace loquat::model {
namespace {

using kernels::WeightType;

constexpr GgmlType Supported(std::uint32_t id, WeightType type) {
  const kernels::WeightLayout& layout = kernels::LayoutOf(type);
  return {id, layout.name, layout.block_weights, layout.block_bytes, type};
}

constexpr GgmlType kTypes[] = {
    Supported(0, WeightType::kF32),
    Supported(1, WeightType::kF16),
    Supported(2, WeightType::kQ4_0),
    Supported(3, WeightType::kQ4_1),
    Supported(6, WeightType::kQ5_0),
    Supported(7, WeightType::kQ5_1),
    Supported(8, WeightType::kQ8_0),
    {9, "q8_1", 32, 36, {}},
    {10, "q2_k", 256, 84, {}},
    {11, "q3_k", 256, 110, {}},
    Supported(12, WeightType::kQ4_K),
    Supported(13, WeightType::kQ5_K),
    Supported(14, WeightType::kQ6_K),
    {15, "q8_k", 256, 292, {}},
    {16, "iq2_xxs", 256, 66, {}},
    {17, "iq2_xs", 256, 74, {}},
    {18, "iq3_xxs", 256, 98, {}},
    {19, "iq1_s", 256, 50, {}},
    {20, "iq4_nl", 32, 18, {}},
    {21, "iq3_s", 256, 110, {}},
    {22, "iq2_s", 256, 82, {}},
    {23, "iq4_xs", 256, 136, {}},
    {24, "i8", 1, 1, {}},
    {25, "i16", 1, 2, {}},
    {26, "i32", 1, 4, {}},
    {27, "i64", 1, 8, {}},
    {28, "f64", 1, 8, {}},
    {29, "iq1_m", 256, 56, {}},
    Supported(30, WeightType::kBF16),
    {34, "tq1_0", 256, 54, {}},
    {35, "tq2_0", 256, 66, {}},
    {39, "mxfp4", 32, 17, {}},
};

}  // namespace

const GgmlType* FindGgmlType(std::uint32_t id) {
  for (const GgmlType& type : kTypes) {
    if (type.id == id) return &type;
  }
  return nullptr;
}

const GgmlType& GgmlTypeOf(WeightType type) {
  const auto* const found = std::ranges::find(kTypes, type, &GgmlType::type);
  LOQUAT_CHECK(found != std::end(kTypes), "every weight type has its number in files");
  return *found;
}

std::string SupportedWeightTypes() {
  std::string names;
  for (const kernels::WeightLayout& layout : kernels::kWeightLayouts) {
    if (!names.empty()) names += ", ";
    names += layout.name;
  }
  return names;
}

}  // namespace loquat::model
