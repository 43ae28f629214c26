// Decoders of random weights against the reference in doubles, and to the bit against themselves: however a prompt is
// cut, whatever else is in the batch, wherever the pages lie.

#include "model/decoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "base/allocation_counter.h"
#include "base/random.h"
#include "kernels/transformer_kernels.h"
#include "model/arch/decoder_workspace.h"
#include "model/arch/load.h"
#include "model/arch/reference_model.h"
#include "model/arch/test_model.h"

namespace loquat::model {
namespace {

using kernels::Isa;
using kernels::WeightType;

constexpr std::uint64_t kSeed = 20241103;
constexpr Architecture kDecoders[] = {Architecture::kLlama, Architecture::kQwen2, Architecture::kQwen3,
                                      Architecture::kChatGlm};
constexpr const char* kDecoderNames[] = {"llama", "qwen2", "qwen3", "chatglm"};

// A sequence and its pages, each page an allocation of its own, filled with NaNs.
struct Sequence {
  Sequence(const DecoderModel& model, std::vector<std::int32_t> all) : tokens(std::move(all)) {
    const std::size_t count = (tokens.size() + kKvPageTokens - 1) / kKvPageTokens;
    memory.assign(count, std::vector<std::byte>(model.kv_layout().page_bytes(), std::byte{0x7F}));
    for (std::size_t i = count; i > 0; --i) pages.insert(pages.begin(), memory[i - 1].data());
  }
  DecoderSlice Next(std::size_t count) {
    const DecoderSlice slice{.tokens = std::span(tokens).subspan(done, count),
                             .position = static_cast<std::uint32_t>(done),
                             .pages = pages,
                             .all_logits = true};
    done += count;
    return slice;
  }
  std::vector<std::int32_t> tokens;
  std::vector<std::vector<std::byte>> memory;
  std::vector<std::byte*> pages;
  std::size_t done = 0;
};

std::unique_ptr<const DecoderModel> Load(const TestModel& model, Isa isa = kernels::DetectIsa(),
                                         KvType kv = KvType::kF16) {
  auto loaded = LoadDecoder(model.config, model.weights, isa, kv);
  EXPECT_TRUE(loaded.has_value()) << loaded.error().message;
  return std::move(loaded).value();
}

// Logits of all tokens in one pass.
std::vector<float> Whole(const DecoderModel& model, std::vector<std::int32_t> tokens, kernels::ThreadTeam& team) {
  Sequence sequence(model, std::move(tokens));
  const auto workspace = model.NewWorkspace(static_cast<std::uint32_t>(sequence.tokens.size()), team);
  const DecoderSlice slice = sequence.Next(sequence.tokens.size());
  const auto logits = model.Forward({&slice, 1}, *workspace);
  return {logits.begin(), logits.end()};
}

// The greatest error, as a part of the logits' spread.
double WorstError(const std::vector<float>& logits, const reference::Rows& expected) {
  double worst = 0, squares = 0;
  std::size_t i = 0;
  for (const reference::Vector& row : expected) {
    for (const double value : row) {
      worst = std::max(worst, std::abs(value - static_cast<double>(logits[i++])));
      squares += value * value;
    }
  }
  EXPECT_EQ(i, logits.size());
  EXPECT_FALSE(std::any_of(logits.begin(), logits.end(), [](float v) { return std::isnan(v); }));
  return worst / std::sqrt(squares / static_cast<double>(i));
}

// Of logits. Floats beside doubles, with a key that lies between two F16 numbers rounded either way; or activations
// rounded to 16 or 8 bits before each product.
double ToleranceOf(Isa isa, WeightType type) {
  const kernels::TransformerKernels& tier = kernels::TransformerKernelsFor(isa);
  switch (tier.form(type, tier.preferred_order())) {
    case kernels::ActivationForm::kFloats:
      return 2e-3;
    case kernels::ActivationForm::kBF16:
      return 3e-2;
    case kernels::ActivationForm::kInt8:
    case kernels::ActivationForm::kInt8Token:
      return 2e-1;
  }
  return 0;
}

class DecoderParity : public testing::TestWithParam<std::tuple<std::size_t, std::size_t>> {};

TEST_P(DecoderParity, LogitsEqualTheReference) {
  SCOPED_TRACE(kSeed);
  const auto [architecture, type] = GetParam();
  TestModel model =
      RandomDecoder(kDecoders[architecture], static_cast<WeightType>(type), kSeed + type, {.tied = type % 2 == 0});
  const auto tokens = RandomTokens(model.random, 40, model.config.vocabulary);
  kernels::ThreadTeam team({.threads = 2});
  const auto expected = reference::Decode(model, tokens);
  for (const Isa isa : kernels::kIsas) {
    if (!kernels::Supports(isa)) continue;
    // Scalar meets each type in kernels/matmul_test.cc; here F32 alone.
    if (isa == Isa::kScalar && isa != kernels::DetectIsa() && static_cast<WeightType>(type) != WeightType::kF32)
      continue;
    const double error = WorstError(Whole(*Load(model, isa), tokens, team), expected);
    RecordProperty("worst_error_ppm_" + std::string(kernels::IsaName(isa)), static_cast<int>(error * 1e6));
    EXPECT_LT(error, ToleranceOf(isa, static_cast<WeightType>(type))) << kernels::IsaName(isa);
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, DecoderParity,
                         testing::Combine(testing::Range<std::size_t>(0, std::size(kDecoders)),
                                          testing::Range<std::size_t>(0, kernels::kWeightTypes)),
                         [](const auto& info) {
                           return std::string(kDecoderNames[std::get<0>(info.param)]) + "_" +
                                  std::string(kernels::kWeightLayouts[std::get<1>(info.param)].name);
                         });

TEST(Decoder, KeepsKeysAndValuesInBfloat16OnRequest) {
  TestModel model = RandomDecoder(Architecture::kLlama, WeightType::kF32, kSeed);
  const auto tokens = RandomTokens(model.random, 35, model.config.vocabulary);
  kernels::ThreadTeam team({.threads = 1});
  const auto loaded = Load(model, kernels::DetectIsa(), KvType::kBF16);
  EXPECT_EQ(loaded->kv_layout().type, KvType::kBF16);
  // A key that lies between two bfloat16s may be rounded either way: their steps are 2^-8.
  EXPECT_LT(WorstError(Whole(*loaded, tokens, team), reference::Decode(model, tokens, reference::RoundToBf16)), 2e-2);
}

TEST(Decoder, KeepsKeysAndValuesInInt8OnRequest) {
  for (const Isa isa : kernels::kIsas) {
    if (!kernels::Supports(isa)) continue;
    TestModel model = RandomDecoder(Architecture::kLlama, WeightType::kF32, kSeed);
    const auto tokens = RandomTokens(model.random, 70, model.config.vocabulary);
    kernels::ThreadTeam team({.threads = 2});
    const auto loaded = Load(model, isa, KvType::kInt8);
    EXPECT_EQ(loaded->kv_layout().type, KvType::kInt8);
    EXPECT_LT(loaded->kv_layout().page_bytes(), Load(model, isa)->kv_layout().page_bytes() * 2 / 3);
    const std::vector<float> whole = Whole(*loaded, tokens, team);
    // A number between two steps may be rounded either way: they are the 127th part of the greatest.
    EXPECT_LT(WorstError(whole, reference::Decode(model, tokens, reference::RoundToInt8)), 2e-2)
        << kernels::IsaName(isa);
    // One token after the other gives the same bits.
    Sequence sequence(*loaded, tokens);
    const auto workspace = loaded->NewWorkspace(1, team);
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      const DecoderSlice slice = sequence.Next(1);
      const auto logits = loaded->Forward({&slice, 1}, *workspace);
      ASSERT_EQ(std::memcmp(logits.data(), whole.data() + t * logits.size(), logits.size_bytes()), 0) << t;
    }
  }
}

TEST(Decoder, ServesAnyGrouping) {
  kernels::ThreadTeam team({.threads = 2});
  for (const DecoderShape shape : {DecoderShape{.heads = 4, .kv_heads = 4}, DecoderShape{.heads = 8, .kv_heads = 1},
                                   DecoderShape{.heads = 36, .kv_heads = 1}}) {
    TestModel model = RandomDecoder(Architecture::kLlama, WeightType::kF32, kSeed, shape);
    const auto tokens = RandomTokens(model.random, 34, model.config.vocabulary);
    EXPECT_LT(WorstError(Whole(*Load(model), tokens, team), reference::Decode(model, tokens)), 2e-3) << shape.heads;
  }
}

TEST(Decoder, StretchesRopeAsTheModelSays) {
  kernels::ThreadTeam team({.threads = 1});
  for (const RopeScaling scaling : {RopeScaling::kLinear, RopeScaling::kLlama3, RopeScaling::kYarn}) {
    for (const bool adjacent : {false, true}) {
      TestModel model = RandomDecoder(Architecture::kLlama, WeightType::kF32, kSeed);
      model.config.rope_scaling = scaling;
      model.config.rope_pairs_adjacent = adjacent;
      model.config.rope_factor = 4;
      model.config.rope_original_context = 128;
      const auto tokens = RandomTokens(model.random, 40, model.config.vocabulary);
      EXPECT_LT(WorstError(Whole(*Load(model), tokens, team), reference::Decode(model, tokens)), 2e-3)
          << static_cast<int>(scaling);
    }
  }
  TestModel model = RandomDecoder(Architecture::kLlama, WeightType::kF32, kSeed, {.rope_freqs = true});
  const auto tokens = RandomTokens(model.random, 40, model.config.vocabulary);
  EXPECT_LT(WorstError(Whole(*Load(model), tokens, team), reference::Decode(model, tokens)), 2e-3);
}

class DecoderBits : public testing::TestWithParam<std::tuple<std::size_t, Isa>> {
 protected:
  void SetUp() override {
    if (!kernels::Supports(std::get<Isa>(GetParam()))) GTEST_SKIP() << "this machine lacks it";
  }
  TestModel model_ = RandomDecoder(kDecoders[std::get<0>(GetParam())], WeightType::kQ4_K, kSeed);
  std::unique_ptr<const DecoderModel> loaded_ = Load(model_, std::get<Isa>(GetParam()));
  kernels::ThreadTeam one_{{.threads = 1}}, three_{{.threads = 3}};
  base::Random random_{kSeed};
};

TEST_P(DecoderBits, DoNotDependOnHowAPromptIsCut) {
  constexpr std::uint32_t kPrompt = kFeedForwardTokens + 14;
  const auto tokens = RandomTokens(random_, kPrompt, model_.config.vocabulary);
  const std::vector<float> whole = Whole(*loaded_, tokens, one_);
  for (int round = 0; round < 4; ++round) {
    Sequence sequence(*loaded_, tokens);
    const auto workspace = loaded_->NewWorkspace(kPrompt, three_);
    std::vector<float> cut;
    while (sequence.done < tokens.size()) {
      const std::size_t most = round == 0 ? 1 : tokens.size() - sequence.done;
      const DecoderSlice slice = sequence.Next(1 + random_.Below(most));
      const auto logits = loaded_->Forward({&slice, 1}, *workspace);
      cut.insert(cut.end(), logits.begin(), logits.end());
    }
    ASSERT_EQ(cut.size(), whole.size());
    EXPECT_EQ(std::memcmp(cut.data(), whole.data(), whole.size() * sizeof(float)), 0) << "round " << round;
  }
}

TEST_P(DecoderBits, DoNotDependOnTheRestOfTheBatch) {
  const std::size_t vocabulary = model_.config.vocabulary;
  std::vector<Sequence> sequences;
  std::vector<std::vector<float>> alone, together;
  for (const std::size_t length : {50, 33, 7, 1}) {
    const auto tokens = RandomTokens(random_, length, model_.config.vocabulary);
    alone.push_back(Whole(*loaded_, tokens, one_));
    sequences.emplace_back(*loaded_, tokens);
  }
  together.resize(sequences.size());
  const auto workspace = loaded_->NewWorkspace(64, three_);
  for (bool left = true; left;) {
    std::vector<DecoderSlice> slices;
    std::vector<std::size_t> of;
    for (std::size_t s = 0; s < sequences.size(); ++s) {
      const std::size_t rest = sequences[s].tokens.size() - sequences[s].done;
      if (rest == 0 || random_.Chance(0.3)) continue;
      slices.push_back(sequences[s].Next(1 + random_.Below(std::min<std::size_t>(rest, 16))));
      of.push_back(s);
    }
    if (slices.empty()) continue;
    const auto logits = loaded_->Forward(slices, *workspace);
    std::size_t at = 0;
    for (std::size_t i = 0; i < slices.size(); ++i) {
      const auto rows = logits.subspan(at, slices[i].tokens.size() * vocabulary);
      together[of[i]].insert(together[of[i]].end(), rows.begin(), rows.end());
      at += rows.size();
    }
    left = std::any_of(sequences.begin(), sequences.end(), [](const Sequence& s) { return s.done < s.tokens.size(); });
  }
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    ASSERT_EQ(together[s].size(), alone[s].size());
    EXPECT_EQ(std::memcmp(together[s].data(), alone[s].data(), alone[s].size() * sizeof(float)), 0) << s;
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, DecoderBits,
                         testing::Combine(testing::Range<std::size_t>(0, std::size(kDecoders)),
                                          testing::ValuesIn(kernels::kIsas)),
                         [](const auto& info) {
                           return std::string(kDecoderNames[std::get<0>(info.param)]) + "_" +
                                  std::string(kernels::IsaName(std::get<Isa>(info.param)));
                         });

// Weights of one layer may differ in type, as llama.cpp's mixtures do: each meets the activations in its own form.
TEST(Decoder, RoundsActivationsAsEachOfItsMatricesWants) {
  kernels::ThreadTeam team({.threads = 2});
  for (const WeightType type : {WeightType::kF32, WeightType::kBF16, WeightType::kQ6_K}) {
    TestModel model = RandomDecoder(Architecture::kQwen2, WeightType::kQ4_0, kSeed, {.value_type = type});
    const auto tokens = RandomTokens(model.random, 40, model.config.vocabulary);
    EXPECT_LT(WorstError(Whole(*Load(model), tokens, team), reference::Decode(model, tokens)),
              ToleranceOf(kernels::DetectIsa(), WeightType::kQ4_0));
  }
}

TEST(Decoder, ReadsAPrefixFromPagesThatItSharesAndLeavesThemAlone) {
  TestModel model = RandomDecoder(Architecture::kQwen3, WeightType::kF16, kSeed);
  const auto loaded = Load(model);
  kernels::ThreadTeam team({.threads = 1});
  auto tokens = RandomTokens(model.random, 64, model.config.vocabulary);
  const auto workspace = loaded->NewWorkspace(64, team);
  Sequence first(*loaded, tokens);
  const DecoderSlice prefix = first.Next(32);
  (void)loaded->Forward({&prefix, 1}, *workspace);
  const std::vector<std::byte> shared = first.memory[0];

  for (std::size_t i = 32; i < 64; ++i) tokens[i] = (tokens[i] + 1) % 96;
  Sequence second(*loaded, tokens);
  second.pages[0] = first.pages[0];
  second.done = 32;
  const DecoderSlice rest = second.Next(32);
  const auto logits = loaded->Forward({&rest, 1}, *workspace);
  const std::vector<float> whole = Whole(*loaded, tokens, team);
  EXPECT_TRUE(std::equal(logits.begin(), logits.end(), whole.begin() + 32 * 96));
  EXPECT_EQ(first.memory[0], shared);
}

TEST(Decoder, GivesLogitsOfTheLastTokenOrOfNoneOnRequest) {
  TestModel model = RandomDecoder(Architecture::kLlama, WeightType::kF32, kSeed);
  const auto loaded = Load(model);
  kernels::ThreadTeam team({.threads = 2});
  const auto tokens = RandomTokens(model.random, 9, model.config.vocabulary);
  const std::vector<float> whole = Whole(*loaded, tokens, team);
  Sequence a(*loaded, tokens), b(*loaded, tokens);
  std::vector<DecoderSlice> slices = {a.Next(9), b.Next(9)};
  slices[0].all_logits = false;
  slices[0].no_logits = true;
  slices[1].all_logits = false;
  const auto workspace = loaded->NewWorkspace(18, team);
  const auto last = loaded->Forward(slices, *workspace);
  ASSERT_EQ(last.size(), 96U);
  EXPECT_TRUE(std::equal(last.begin(), last.end(), whole.end() - 96));
  EXPECT_TRUE(loaded->Forward(std::span(slices).first(1), *workspace).empty());
}

TEST(Decoder, DoesNotAllocateOnceItsWorkspaceIsThere) {
  TestModel model = RandomDecoder(Architecture::kChatGlm, WeightType::kQ8_0, kSeed);
  const auto loaded = Load(model);
  kernels::ThreadTeam team({.threads = 2});
  const auto workspace = loaded->NewWorkspace(40, team);
  Sequence sequence(*loaded, RandomTokens(model.random, 60, model.config.vocabulary));
  const DecoderSlice slices[] = {sequence.Next(40), sequence.Next(1), sequence.Next(19)};
  const std::uint64_t before = base::AllocationsOfThisThread();
  for (const DecoderSlice& slice : slices) (void)loaded->Forward({&slice, 1}, *workspace);
  EXPECT_EQ(base::AllocationsOfThisThread(), before);
}

}  // namespace
}  // namespace loquat::model
