// Encoders of random weights against the reference in doubles, and to the bit against themselves in any batch.

#include "model/encoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/allocation_counter.h"
#include "base/random.h"
#include "kernels/transformer_kernels.h"
#include "model/arch/load.h"
#include "model/arch/reference_model.h"
#include "model/arch/test_model.h"

namespace loquat::model {
namespace {

using kernels::WeightType;

constexpr std::uint64_t kSeed = 20241104;
constexpr double kTolerance = 1e-4;  // Hidden states are normalised: their spread is about 1.

std::unique_ptr<const EncoderModel> Load(const TestModel& model, kernels::Isa isa = kernels::DetectIsa()) {
  auto loaded = LoadEncoder(model.config, model.weights, isa);
  EXPECT_TRUE(loaded.has_value()) << loaded.error().message;
  return std::move(loaded).value();
}

// Where a tier rounds activations to 16 or 8 bits before each product, hidden states are off by as much.
double ToleranceOf(kernels::Isa isa, WeightType type) {
  const kernels::TransformerKernels& tier = kernels::TransformerKernelsFor(isa);
  switch (tier.form(type, tier.preferred_order())) {
    case kernels::ActivationForm::kFloats:
      return kTolerance;
    case kernels::ActivationForm::kBF16:
      return 3e-2;
    case kernels::ActivationForm::kInt8:
    case kernels::ActivationForm::kInt8Token:
      return 1e-1;
  }
  return 0;
}

void ExpectNear(std::span<const float> values, const reference::Vector& expected, double tolerance) {
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t i = 0; i < values.size(); ++i) ASSERT_NEAR(values[i], expected[i], tolerance) << i;
}

void ExpectHidden(std::span<const float> hidden, const reference::Rows& expected, double tolerance = kTolerance) {
  ASSERT_EQ(hidden.size(), expected.size() * expected[0].size());
  for (std::size_t t = 0; t < expected.size(); ++t) {
    ExpectNear(hidden.subspan(t * expected[t].size(), expected[t].size()), expected[t], tolerance);
  }
}

class EncoderParity : public testing::TestWithParam<std::size_t> {};

TEST_P(EncoderParity, HiddenStatesEqualTheReference) {
  SCOPED_TRACE(kSeed);
  TestModel model = RandomEncoder(static_cast<WeightType>(GetParam()), kSeed + GetParam());
  const auto tokens = RandomTokens(model.random, 45, model.config.vocabulary);
  const auto types = RandomTokens(model.random, 45, 2);
  kernels::ThreadTeam team({.threads = 2});
  const auto expected = reference::Encode(model, tokens, types);
  for (const kernels::Isa isa : kernels::kIsas) {
    if (!kernels::Supports(isa)) continue;
    const auto loaded = Load(model, isa);
    const auto workspace = loaded->NewWorkspace(45, team);
    const EncoderText text{.tokens = tokens, .token_types = types};
    SCOPED_TRACE(kernels::IsaName(isa));
    ExpectHidden(loaded->Forward({&text, 1}, *workspace), expected,
                 ToleranceOf(isa, static_cast<WeightType>(GetParam())));
  }
}

INSTANTIATE_TEST_SUITE_P(Types, EncoderParity, testing::Range<std::size_t>(0, kernels::kWeightTypes),
                         [](const auto& info) { return std::string(kernels::kWeightLayouts[info.param].name); });

// RoBERTa counts positions from 2 and has one token type; DistilBERT has none.
TEST(Encoder, CountsPositionsAndTokenTypesAsItsVariantDoes) {
  kernels::ThreadTeam team({.threads = 1});
  for (const EncoderShape shape :
       {EncoderShape{.token_types = 1, .position_offset = 2}, EncoderShape{.token_types = 0}}) {
    TestModel model = RandomEncoder(WeightType::kF32, kSeed, shape);
    const auto loaded = Load(model);
    const auto tokens = RandomTokens(model.random, model.config.context, model.config.vocabulary);
    const auto workspace = loaded->NewWorkspace(model.config.context, team);
    const EncoderText text{.tokens = tokens};
    ExpectHidden(loaded->Forward({&text, 1}, *workspace), reference::Encode(model, tokens, {}));
  }
}

TEST(Encoder, RoundedToInt8IsNearTheReferenceAndItselfInAnyBatch) {
  SCOPED_TRACE(kSeed);
  TestModel model = RandomEncoder(WeightType::kF32, kSeed);
  const auto refused = LoadEncoder(model.config, model.weights, kernels::Isa::kScalar, LinearNumbers::kInt8);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, base::Code::kInvalidArgument);
  const auto tokens = RandomTokens(model.random, 45, model.config.vocabulary);
  const EncoderText text{.tokens = tokens};
  const std::vector<EncoderText> three(3, text);
  kernels::ThreadTeam one({.threads = 1}), two({.threads = 2});
  for (const kernels::Isa isa : kernels::kIsas) {
    if (!kernels::Supports(isa) || !kernels::TransformerKernelsFor(isa).panels) continue;
    SCOPED_TRACE(kernels::IsaName(isa));
    const auto loaded = LoadEncoder(model.config, model.weights, isa, LinearNumbers::kInt8);
    ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
    const auto alone = (*loaded)->NewWorkspace(45, one), beside = (*loaded)->NewWorkspace(3 * 45, two);
    const std::span<const float> hidden = (*loaded)->Forward({&text, 1}, *alone);
    ExpectHidden(hidden, reference::Encode(model, tokens, {}), 1e-1);
    const std::span<const float> last = (*loaded)->Forward(three, *beside).last(hidden.size());
    EXPECT_TRUE(std::ranges::equal(hidden, last));
  }
}

struct Batch {
  Batch(base::Random& random, std::uint32_t vocabulary) {
    for (const std::size_t length : {3, 64, 1, 33}) tokens.push_back(RandomTokens(random, length, vocabulary));
    for (const auto& text : tokens) texts.push_back({.tokens = text});
  }
  std::vector<std::vector<std::int32_t>> tokens;
  std::vector<EncoderText> texts;
};

TEST(Encoder, BitsDoNotDependOnTheRestOfTheBatch) {
  TestModel model = RandomEncoder(WeightType::kQ5_K, kSeed);
  kernels::ThreadTeam one({.threads = 1}), three({.threads = 3});
  const Batch batch(model.random, model.config.vocabulary);
  for (const kernels::Isa isa : kernels::kIsas) {
    if (!kernels::Supports(isa)) continue;
    SCOPED_TRACE(kernels::IsaName(isa));
    const auto loaded = Load(model, isa);
    const auto together = loaded->NewWorkspace(128, three), alone = loaded->NewWorkspace(64, one);
    const auto hidden = loaded->Forward(batch.texts, *together);
    const auto pooled = loaded->Pooled(*together);
    std::size_t at = 0;
    for (std::size_t i = 0; i < batch.texts.size(); ++i) {
      const auto own = loaded->Forward(std::span(batch.texts).subspan(i, 1), *alone);
      ASSERT_EQ(std::memcmp(own.data(), hidden.data() + at, own.size_bytes()), 0) << i;
      const auto own_pooled = loaded->Pooled(*alone);
      ASSERT_EQ(std::memcmp(own_pooled.data(), pooled.data() + i * 256, own_pooled.size_bytes()), 0) << i;
      at += own.size();
    }
    EXPECT_EQ(at, hidden.size());
  }
}

// So long that each thread takes some of their tokens, alone or beside others.
TEST(Encoder, BitsOfLongTextsDoNotDependOnThreads) {
  TestModel model = RandomEncoder(WeightType::kF32, kSeed);
  kernels::ThreadTeam one({.threads = 1}), two({.threads = 2}), three({.threads = 3});
  for (const LinearNumbers numbers : {LinearNumbers::kStored, LinearNumbers::kInt8}) {
    if (numbers == LinearNumbers::kInt8 && !kernels::TransformerKernelsFor(kernels::DetectIsa()).panels) continue;
    const auto loaded = LoadEncoder(model.config, model.weights, kernels::DetectIsa(), numbers);
    ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
    for (const std::vector<std::size_t>& lengths :
         {std::vector<std::size_t>{128}, {97}, {64, 33}, {60, 20, 61}, {128, 64, 64}, {5, 64, 1, 31, 64}}) {
      std::vector<std::vector<std::int32_t>> tokens;
      std::vector<EncoderText> texts;
      for (const std::size_t length : lengths) {
        tokens.push_back(RandomTokens(model.random, length, model.config.vocabulary));
      }
      for (const auto& text : tokens) texts.push_back({.tokens = text});
      const auto alone = (*loaded)->NewWorkspace(256, one);
      for (kernels::ThreadTeam* team : {&two, &three}) {
        const auto together = (*loaded)->NewWorkspace(256, *team);
        const auto hidden = (*loaded)->Forward(texts, *together);
        std::size_t at = 0;
        for (const EncoderText& text : texts) {
          const auto own = (*loaded)->Forward({&text, 1}, *alone);
          ASSERT_EQ(std::memcmp(own.data(), hidden.data() + at, own.size_bytes()), 0) << lengths.size();
          at += own.size();
        }
        EXPECT_EQ(at, hidden.size());
      }
    }
  }
}

// So many that each thread takes some through all layers.
TEST(Encoder, BitsAreThoseOfEachTextAloneInLargeBatches) {
  TestModel model = RandomEncoder(WeightType::kF32, kSeed);
  kernels::ThreadTeam one({.threads = 1}), three({.threads = 3});
  std::vector<std::vector<std::int32_t>> tokens;
  std::vector<EncoderText> texts;
  std::size_t total = 0;
  for (std::size_t i = 0; i < 80; ++i) {
    tokens.push_back(RandomTokens(model.random, 1 + i * 7 % 64, model.config.vocabulary));
    total += tokens.back().size();
  }
  for (const auto& text : tokens) texts.push_back({.tokens = text});
  for (const LinearNumbers numbers : {LinearNumbers::kStored, LinearNumbers::kInt8}) {
    if (numbers == LinearNumbers::kInt8 && !kernels::TransformerKernelsFor(kernels::DetectIsa()).panels) continue;
    const auto loaded = LoadEncoder(model.config, model.weights, kernels::DetectIsa(), numbers);
    ASSERT_TRUE(loaded.has_value());
    const auto together = (*loaded)->NewWorkspace(static_cast<std::uint32_t>(total), three),
               alone = (*loaded)->NewWorkspace(64, one);
    for (int round = 0; round < 3; ++round) {
      const auto hidden = (*loaded)->Forward(texts, *together);
      ASSERT_EQ(hidden.size(), total * model.config.width);
      const auto pooled = (*loaded)->Pooled(*together);
      std::size_t at = 0;
      for (std::size_t i = 0; i < texts.size(); ++i) {
        const auto own = (*loaded)->Forward({&texts[i], 1}, *alone);
        ASSERT_EQ(std::memcmp(own.data(), hidden.data() + at, own.size_bytes()), 0) << i;
        const auto own_pooled = (*loaded)->Pooled(*alone);
        ASSERT_TRUE(std::ranges::equal(own_pooled, pooled.subspan(i * own_pooled.size(), own_pooled.size()))) << i;
        at += own.size();
      }
    }
    const std::uint64_t before = base::AllocationsOfThisThread();
    (void)(*loaded)->Forward(texts, *together);
    EXPECT_EQ(base::AllocationsOfThisThread(), before);
  }
}

TEST(Encoder, PoolsByMeanOrByTheFirstToken) {
  kernels::ThreadTeam team({.threads = 1});
  for (const Pooling pooling : {Pooling::kMean, Pooling::kCls, Pooling::kNone}) {
    TestModel model = RandomEncoder(WeightType::kF32, kSeed, {.pooling = pooling});
    const auto loaded = Load(model);
    const Batch batch(model.random, model.config.vocabulary);
    const auto workspace = loaded->NewWorkspace(128, team);
    const auto hidden = loaded->Forward(batch.texts, *workspace);
    const auto pooled = loaded->Pooled(*workspace);
    if (pooling == Pooling::kNone) {
      EXPECT_TRUE(pooled.empty());
      continue;
    }
    std::size_t row = 0;
    for (std::size_t i = 0; i < batch.texts.size(); ++i) {
      const std::size_t tokens = batch.tokens[i].size();
      reference::Vector expected(256);
      for (std::size_t t = 0; t < (pooling == Pooling::kMean ? tokens : 1); ++t) {
        const double share = pooling == Pooling::kMean ? static_cast<double>(tokens) : 1;
        for (std::size_t k = 0; k < 256; ++k) expected[k] += static_cast<double>(hidden[(row + t) * 256 + k]) / share;
      }
      ExpectNear(pooled.subspan(i * 256, 256), expected, 1e-6);
      row += tokens;
    }
  }
}

// What the head of a model says of its hidden state of one token.
reference::Vector Head(const TestModel& model, const reference::Vector& hidden) {
  reference::Vector x = hidden;
  if (model.values.contains("cls.weight")) {
    x = reference::Affine(model, "cls", x);
    for (double& v : x) v = model.config.token_types == 0 ? std::max(v, 0.0) : std::tanh(v);
  }
  return reference::Affine(model, "cls.output", x);
}

TEST(Encoder, ClassifiesSequencesAndTokensAndRanks) {
  kernels::ThreadTeam team({.threads = 2});
  const EncoderShape shapes[] = {{.head = BertHead::kSequenceClassification},
                                 {.token_types = 0, .head = BertHead::kSequenceClassification},
                                 {.head = BertHead::kSequenceClassification, .dense = false},
                                 {.head = BertHead::kTokenClassification, .dense = false},
                                 {.token_types = 1, .position_offset = 2, .head = BertHead::kRerank}};
  for (const EncoderShape& shape : shapes) {
    TestModel model = RandomEncoder(WeightType::kF32, kSeed, shape);
    const auto loaded = Load(model);
    const Batch batch(model.random, model.config.vocabulary);
    const auto workspace = loaded->NewWorkspace(128, team);
    (void)loaded->Forward(batch.texts, *workspace);
    const auto logits = loaded->Logits(*workspace);
    reference::Vector expected;
    for (const EncoderText& text : batch.texts) {
      const auto hidden = reference::Encode(model, text.tokens, {});
      const std::size_t rows = shape.head == BertHead::kTokenClassification ? hidden.size() : 1;
      for (std::size_t t = 0; t < rows; ++t) {
        const auto row = Head(model, hidden[t]);
        expected.insert(expected.end(), row.begin(), row.end());
      }
    }
    ExpectNear(logits, expected, kTolerance);
  }
}

TEST(Encoder, HasNoLogitsWithoutAHead) {
  TestModel model = RandomEncoder(WeightType::kF32, kSeed);
  const auto loaded = Load(model);
  kernels::ThreadTeam team({.threads = 1});
  const auto workspace = loaded->NewWorkspace(4, team);
  const auto tokens = RandomTokens(model.random, 4, model.config.vocabulary);
  const EncoderText text{.tokens = tokens};
  (void)loaded->Forward({&text, 1}, *workspace);
  EXPECT_TRUE(loaded->Logits(*workspace).empty());
}

TEST(Encoder, DoesNotAllocateOnceItsWorkspaceIsThere) {
  TestModel model = RandomEncoder(WeightType::kQ4_0, kSeed, {.head = BertHead::kSequenceClassification});
  const auto loaded = Load(model);
  kernels::ThreadTeam team({.threads = 2});
  const Batch batch(model.random, model.config.vocabulary);
  const auto workspace = loaded->NewWorkspace(128, team);
  const std::uint64_t before = base::AllocationsOfThisThread();
  (void)loaded->Forward(batch.texts, *workspace);
  (void)loaded->Pooled(*workspace);
  (void)loaded->Logits(*workspace);
  EXPECT_EQ(base::AllocationsOfThisThread(), before);
}

}  // namespace
}  // namespace loquat::model
