// Tensors row by row: from every type, by any number of threads, with sums that say what happened.

#include "model/quant/tensor_quantizer.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "model/quant/quant_test_data.h"

namespace loquat::model {
namespace {

using kernels::LayoutOf;
using kernels::WeightType;
using testing::AllOf;
using testing::HasSubstr;

constexpr std::uint64_t kSeed = 20261123;
constexpr WeightType kMadeTypes[] = {WeightType::kF32,  WeightType::kF16,  WeightType::kBF16,
                                     WeightType::kQ8_0, WeightType::kQ4_0, WeightType::kQ4_1};

Tensor TensorOf(const kernels::TestMatrix& matrix) {
  return {
      .name = "blk.0.ffn_up.weight", .type = matrix.type, .shape = {matrix.rows, matrix.cols}, .bytes = matrix.bytes};
}

struct Made {
  std::vector<std::byte> bytes;
  base::Result<TensorQuality> quality = base::Internal("not run");
};

Made QuantizeTensor(const TensorTask& task, unsigned threads = 2) {
  kernels::ThreadTeam team({.threads = threads});
  Made made;
  made.quality = TensorQuantizer(team).Run(task, [&](std::span<const std::byte> bytes) -> base::Status {
    made.bytes.insert(made.bytes.end(), bytes.begin(), bytes.end());
    return {};
  });
  return made;
}

Made QuantizeTensor(const Tensor& tensor, WeightType to, unsigned threads = 2) {
  return QuantizeTensor({.tensor = &tensor, .to = to, .shape = tensor.shape, .origin = {}, .importance = {}}, threads);
}

TEST(TensorQuantizer, TakesEveryTypeAndMakesItsOwn) {
  base::Random random(kSeed);
  for (std::size_t i = 0; i < kernels::kWeightTypes; ++i) {
    const kernels::TestMatrix matrix = kernels::RandomMatrix(random, static_cast<WeightType>(i), 5, 512, 0.05);
    const Tensor tensor = TensorOf(matrix);
    for (const WeightType to : kMadeTypes) {
      SCOPED_TRACE(fmt::format("{} to {}", LayoutOf(tensor.type).name, LayoutOf(to).name));
      const Made made = QuantizeTensor(tensor, to);
      ASSERT_TRUE(made.quality.has_value()) << made.quality.error().message;
      const std::vector<double> after = Meaning(to, made.bytes);
      ASSERT_EQ(after.size(), matrix.values.size());
      double squares = 0, error = 0, products = 0, stored = 0, most = 0;
      for (std::size_t w = 0; w < after.size(); ++w) {
        squares += matrix.values[w] * matrix.values[w];
        stored += after[w] * after[w];
        products += matrix.values[w] * after[w];
        error += std::pow(after[w] - matrix.values[w], 2);
        most = std::max(most, std::fabs(after[w] - matrix.values[w]));
      }
      EXPECT_EQ(made.quality->weights, after.size());
      EXPECT_NEAR(made.quality->relative_error(), std::sqrt(error / squares), 1e-6);
      EXPECT_NEAR(made.quality->cosine(), products / std::sqrt(squares * stored), 1e-6);
      EXPECT_NEAR(made.quality->error_max, most, 1e-6);
      const double bound = to == WeightType::kQ4_0   ? 0.1
                           : to == WeightType::kQ4_1 ? 0.09
                           : to == WeightType::kQ8_0 ? 0.007
                                                     : 0.003;
      EXPECT_LT(made.quality->relative_error(), bound);
      if (to == tensor.type) {
        EXPECT_EQ(made.bytes, matrix.bytes) << "copied as it lies";
      }
    }
  }
}

TEST(TensorQuantizer, BitsAndSumsDoNotDependOnThreads) {
  base::Random random(kSeed + 1);
  // More than one piece.
  const kernels::TestMatrix matrix = kernels::RandomMatrix(random, WeightType::kF32, 80, 32768, 0.02);
  const Tensor tensor = TensorOf(matrix);
  const Made one = QuantizeTensor(tensor, WeightType::kQ4_0, 1), three = QuantizeTensor(tensor, WeightType::kQ4_0, 3);
  ASSERT_TRUE(one.quality.has_value() && three.quality.has_value());
  EXPECT_EQ(one.bytes, three.bytes);
  EXPECT_EQ(one.quality->error, three.quality->error);
  EXPECT_EQ(one.quality->products, three.quality->products);
}

TEST(TensorQuantizer, ImportanceCountsByColumn) {
  base::Random random(kSeed + 2);
  const kernels::TestMatrix matrix = kernels::RandomMatrix(random, WeightType::kF32, 64, 256, 0.02);
  const Tensor tensor = TensorOf(matrix);
  std::vector<float> importance(256, 0.01F);
  for (std::size_t i = 0; i < importance.size(); i += 9) importance[i] = 10;
  const auto error = [&](const Made& made) {
    const std::vector<double> after = Meaning(WeightType::kQ4_0, made.bytes);
    double sum = 0;
    for (std::size_t w = 0; w < after.size(); ++w)
      sum += importance[w % 256] * std::pow(after[w] - matrix.values[w], 2);
    return sum;
  };
  const Made weighted = QuantizeTensor(
      {.tensor = &tensor, .to = WeightType::kQ4_0, .shape = tensor.shape, .origin = {}, .importance = importance});
  EXPECT_LT(error(weighted), 0.6 * error(QuantizeTensor(tensor, WeightType::kQ4_0)));
}

TEST(TensorQuantizer, RowsComeFromWhereTheyAre) {
  // Two heads of six rows, of which four turn; two rows before them are left out.
  const std::vector<float> numbers = {90, 91, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  const Tensor tensor{
      .name = "blk.0.attn_q.bias", .type = WeightType::kF32, .shape = {14}, .bytes = std::as_bytes(std::span(numbers))};
  const std::vector<std::uint64_t> shape = {12};
  const Made made = QuantizeTensor({.tensor = &tensor,
                                    .to = WeightType::kF32,
                                    .shape = shape,
                                    .origin = {.first = 2, .head_width = 0, .turned_rows = 0},
                                    .importance = {}});
  EXPECT_THAT(Meaning(WeightType::kF32, made.bytes), testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
  const Tensor heads{
      .name = "x", .type = WeightType::kF32, .shape = {12}, .bytes = std::as_bytes(std::span(numbers).subspan(2))};
  const Made turned = QuantizeTensor({.tensor = &heads,
                                      .to = WeightType::kF32,
                                      .shape = shape,
                                      .origin = {.first = 0, .head_width = 6, .turned_rows = 4},
                                      .importance = {}});
  EXPECT_THAT(Meaning(WeightType::kF32, turned.bytes), testing::ElementsAre(0, 2, 1, 3, 4, 5, 6, 8, 7, 9, 10, 11));
}

TEST(TensorQuantizer, AWeightThatIsNoNumberIsNamedByItsIndex) {
  base::Random random(kSeed + 3);
  kernels::TestMatrix matrix = kernels::RandomMatrix(random, WeightType::kF32, 9, 64, 0.02);
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    // The first of two is named, whatever thread finds which.
    for (const std::size_t at : {std::size_t{8} * 64 + 3, std::size_t{5} * 64 + 17}) {
      std::memcpy(matrix.bytes.data() + at * sizeof bad, &bad, sizeof bad);
    }
    for (const WeightType to : kMadeTypes) {
      const Made made = QuantizeTensor(TensorOf(matrix), to, 3);
      ASSERT_FALSE(made.quality.has_value());
      EXPECT_EQ(made.quality.error().code, base::Code::kDataLoss);
      EXPECT_THAT(made.quality.error().message,
                  AllOf(HasSubstr("'blk.0.ffn_up.weight'"), HasSubstr(fmt::format("{} at index 337", bad))));
    }
  }
}

TEST(TensorQuantizer, AWeightBeyondTheTypeIsNamedWithAWayOut) {
  for (const auto& [type, most] : {std::pair{WeightType::kF16, 65504.0F},
                                   {WeightType::kQ8_0, 65504.0F * 127},
                                   {WeightType::kQ4_0, 65504.0F * 8},
                                   {WeightType::kQ4_1, 65504.0F}}) {
    std::vector<float> numbers(64, 1.0F);
    numbers[40] = -most;
    const Tensor tensor{
        .name = "t", .type = WeightType::kF32, .shape = {2, 32}, .bytes = std::as_bytes(std::span(numbers))};
    EXPECT_TRUE(QuantizeTensor(tensor, type).quality.has_value()) << LayoutOf(type).name;
    numbers[40] = std::nextafter(-most, -INFINITY);
    const Made made = QuantizeTensor(tensor, type);
    ASSERT_FALSE(made.quality.has_value()) << LayoutOf(type).name;
    EXPECT_THAT(made.quality.error().message,
                AllOf(HasSubstr("'t'"), HasSubstr("at index 40"), HasSubstr("--keep 't=f32'")));
  }
}

TEST(TensorQuantizer, AnErrorOfTheWriterEndsTheWork) {
  base::Random random(kSeed + 4);
  const kernels::TestMatrix matrix = kernels::RandomMatrix(random, WeightType::kF32, 4, 32, 0.02);
  const Tensor tensor = TensorOf(matrix);
  kernels::ThreadTeam team({.threads = 1});
  const auto quality = TensorQuantizer(team).Run(
      {.tensor = &tensor, .to = WeightType::kQ8_0, .shape = tensor.shape, .origin = {}, .importance = {}},
      [](std::span<const std::byte>) -> base::Status { return base::ResourceExhausted("full"); });
  ASSERT_FALSE(quality.has_value());
  EXPECT_EQ(quality.error().code, base::Code::kResourceExhausted);
}

TEST(TensorQuality, OfZerosIsPerfect) {
  EXPECT_EQ(TensorQuality().relative_error(), 0);
  EXPECT_EQ(TensorQuality().cosine(), 1);
}

}  // namespace
}  // namespace loquat::model
