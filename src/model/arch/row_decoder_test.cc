// A row comes out of panels as it would out of a file, whatever its length and type.

#include "model/arch/row_decoder.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"
#include "kernels/interleave.h"
#include "kernels/weight_test_data.h"

namespace loquat::model {
namespace {

TEST(RowDecoder, DecodesPanelsAsRows) {
  base::Random random(20261122);
  const kernels::TransformerKernels& kernels = kernels::TransformerKernelsFor(kernels::DetectIsa());
  constexpr std::size_t kRows = 18;
  for (std::size_t i = 0; i < kernels::kWeightTypes; ++i) {
    const auto type = static_cast<kernels::WeightType>(i);
    for (const std::size_t cols : {32, 1024, 1056, 2816, 3104}) {
      if (cols % kernels::LayoutOf(type).block_weights != 0) continue;
      const kernels::TestMatrix rows = kernels::RandomMatrix(random, type, kRows, cols, 0.1);
      std::vector<std::byte> panels(kernels::InterleavedBytes(rows.matrix()));
      kernels::InterleavePanels(rows.matrix(), 0, 2, panels.data());
      const kernels::Matrix interleaved = kernels::InterleavedMatrix(rows.matrix(), panels.data());
      for (const std::size_t row : {0, 15, 17}) {
        std::vector<float> expected(cols), decoded(cols);
        DecodeRow(kernels, rows.matrix(), row, expected.data());
        DecodeRow(kernels, interleaved, row, decoded.data());
        EXPECT_EQ(decoded, expected) << kernels::LayoutOf(type).name << ", " << cols << " columns";
      }
    }
  }
}

}  // namespace
}  // namespace loquat::model
