// What loading says of tensors and configs that do not fit.

#include "model/arch/load.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "kernels/transformer_kernels.h"
#include "model/arch/test_model.h"

namespace loquat::model {
namespace {

using kernels::WeightType;

constexpr std::uint64_t kSeed = 20241105;

std::vector<std::string> Names(const TestModel& model) {
  std::vector<std::string> names;
  for (const Tensor& tensor : model.weights->tensors()) names.push_back(tensor.name);
  return names;
}

base::Status LoadEither(const TestModel& model) {
  if (model.config.architecture == Architecture::kBert) {
    const auto loaded = LoadEncoder(model.config, model.weights, kernels::Isa::kScalar);
    return loaded.has_value() ? base::Status() : loaded.error();
  }
  const auto loaded = LoadDecoder(model.config, model.weights, kernels::Isa::kScalar);
  return loaded.has_value() ? base::Status() : loaded.error();
}

void ExpectDataLoss(const base::Status& status, std::string_view name, std::string_view part) {
  ASSERT_FALSE(status.has_value()) << name;
  EXPECT_EQ(status.error().code, base::Code::kDataLoss);
  EXPECT_NE(status.error().message.find(name), std::string::npos) << status.error().message;
  EXPECT_NE(status.error().message.find(part), std::string::npos) << status.error().message;
}

class LoadTest : public testing::TestWithParam<Architecture> {
 protected:
  TestModel Make() const {
    if (GetParam() == Architecture::kBert) {
      return RandomEncoder(WeightType::kF32, kSeed, {.head = BertHead::kSequenceClassification});
    }
    return RandomDecoder(GetParam(), WeightType::kF32, kSeed, {.tied = false});
  }
};

TEST_P(LoadTest, NamesTheTensorThatIsMissing) {
  const auto optional = [](const std::string& name) {
    return name == "output.weight" || name.starts_with("cls") || name.ends_with("attn_qkv.bias");
  };
  for (const std::string& name : Names(Make())) {
    if (optional(name)) continue;
    const TestModel model = Make();
    model.weights->Remove(name);
    ExpectDataLoss(LoadEither(model), name, "missing");
  }
}

TEST_P(LoadTest, NamesTheTensorThatIsMisshapenAndTheShapeWanted) {
  for (const std::string& name : Names(Make())) {
    if (name.starts_with("cls.weight") || name.starts_with("cls.output.weight")) continue;
    const TestModel model = Make();
    Tensor& tensor = model.weights->At(name);
    const std::string wanted = std::to_string(tensor.shape.back());
    tensor.shape.back() += 1;
    ExpectDataLoss(LoadEither(model), name, wanted);
  }
}

TEST_P(LoadTest, RefusesTensorsWithTooFewBytes) {
  for (const std::string& name : Names(Make())) {
    const TestModel model = Make();
    Tensor& tensor = model.weights->At(name);
    tensor.bytes = tensor.bytes.first(tensor.bytes.size() - 1);
    ExpectDataLoss(LoadEither(model), name, "bytes");
  }
}

TEST_P(LoadTest, RefusesShapesOfNoOrManyDimensions) {
  for (const std::string& name : Names(Make())) {
    for (const std::vector<std::uint64_t>& shape : {std::vector<std::uint64_t>{}, {1, 1, 1}, {0, 0}, {0}}) {
      const TestModel model = Make();
      model.weights->At(name).shape = shape;
      EXPECT_FALSE(LoadEither(model).has_value()) << name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, LoadTest,
                         testing::Values(Architecture::kBert, Architecture::kLlama, Architecture::kQwen2,
                                         Architecture::kQwen3, Architecture::kChatGlm));

TEST(Load, RefusesConfigsThatItCannotCompute) {
  const std::function<void(ModelConfig&)> faults[] = {
      [](ModelConfig& c) { c.layers = 0; },
      [](ModelConfig& c) { c.heads = 3; },
      [](ModelConfig& c) { c.kv_heads = 0; },
      [](ModelConfig& c) { c.head_width = kernels::kHeadWidthMax + 1; },
      [](ModelConfig& c) { c.rope_width = 63; },
      [](ModelConfig& c) { c.rope_width = c.head_width + 2; },
      [](ModelConfig& c) { c.architecture = Architecture::kBert; },
  };
  for (const auto& fault : faults) {
    TestModel model = RandomDecoder(Architecture::kLlama, WeightType::kF32, kSeed);
    fault(model.config);
    const auto loaded = LoadDecoder(model.config, model.weights, kernels::Isa::kScalar);
    ASSERT_FALSE(loaded.has_value());
    EXPECT_EQ(loaded.error().code, base::Code::kInvalidArgument) << loaded.error().message;
  }
  TestModel bert = RandomEncoder(WeightType::kF32, kSeed);
  bert.config.heads = 7;
  EXPECT_FALSE(LoadEncoder(bert.config, bert.weights, kernels::Isa::kScalar).has_value());
  bert.config.architecture = Architecture::kLlama;
  EXPECT_FALSE(LoadEncoder(bert.config, bert.weights, kernels::Isa::kScalar).has_value());
}

TEST(Load, TakesHeadsOfTheGreatestWidth) {
  TestModel model = RandomDecoder(Architecture::kLlama, WeightType::kF32, kSeed);
  model.config.head_width = kernels::kHeadWidthMax;
  model.config.heads = 4 * 64 / kernels::kHeadWidthMax;
  model.config.kv_heads = 1;
  model.config.rope_width = 64;
  const auto loaded = LoadDecoder(model.config, model.weights, kernels::Isa::kScalar);
  ASSERT_FALSE(loaded.has_value());  // The key matrix alone does not fit: the width itself is no fault.
  EXPECT_EQ(loaded.error().code, base::Code::kDataLoss) << loaded.error().message;
}

}  // namespace
}  // namespace loquat::model
