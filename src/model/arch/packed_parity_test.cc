// A model that was packed computes what it computed before, to the bit, on every tier: of every architecture, with
// every weight type.

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "kernels/interleave.h"
#include "kernels/transformer_kernels.h"
#include "model/arch/load.h"
#include "model/arch/test_model.h"
#include "model/packed/packed_model.h"
#include "model/packed/packed_writer.h"

namespace loquat::model {
namespace {

using kernels::Isa;
using kernels::RowOrder;
using kernels::WeightType;

constexpr std::uint64_t kSeed = 20261123;
constexpr std::size_t kTokens = 40;  // More than a page.

class PackedParity : public testing::TestWithParam<WeightType> {
 protected:
  PackedParity() {
    std::string name = testing::TempDir() + "loquat-parity-XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }
  ~PackedParity() override { std::filesystem::remove_all(folder_); }

  std::shared_ptr<const Weights> Packed(const TestModel& model) const {
    const std::string path = folder_ + "/m.packed";
    const auto linear = LinearTensors(model.config, *model.weights);
    EXPECT_TRUE(linear.has_value()) << linear.error().message;
    const PackSource source{.config = model.config,
                            .metadata = {},
                            .chat_template = {},
                            .tokenizer = {},
                            .weights = *model.weights,
                            .linear_tensors = *linear};
    const auto report = WritePacked(path, source, {.existing = base::AtomicFile::Existing::kReplace});
    EXPECT_TRUE(report.has_value()) << report.error().message;
    EXPECT_GT(report->tensors_in_panels, 0U);
    auto opened = OpenPacked(path);
    EXPECT_TRUE(opened.has_value()) << opened.error().message;
    std::filesystem::remove(path);
    return std::move(opened->weights);
  }

  static std::vector<Isa> Tiers() {
    std::vector<Isa> tiers;
    for (const Isa isa : kernels::kIsas) {
      if (kernels::Supports(isa)) tiers.push_back(isa);
    }
    return tiers;
  }

  static std::vector<float> Logits(const TestModel& model, const std::shared_ptr<const Weights>& weights, Isa isa) {
    auto loaded = LoadDecoder(model.config, weights, isa);
    EXPECT_TRUE(loaded.has_value()) << loaded.error().message;
    const DecoderModel& decoder = **loaded;
    kernels::ThreadTeam team({.threads = 2});
    const auto workspace = decoder.NewWorkspace(kTokens, team);
    const base::Status sound = decoder.CheckWeights(*workspace);
    EXPECT_TRUE(sound.has_value()) << sound.error().message;
    base::Random random(3);
    const auto tokens = RandomTokens(random, kTokens, model.config.vocabulary);
    std::vector<std::vector<std::byte>> memory(2, std::vector<std::byte>(decoder.kv_layout().page_bytes()));
    std::vector<std::byte*> pages = {memory[0].data(), memory[1].data()};
    const DecoderSlice slice{.tokens = tokens, .pages = pages, .all_logits = true};
    const auto logits = decoder.Forward({&slice, 1}, *workspace);
    return {logits.begin(), logits.end()};
  }

  static std::vector<float> Hidden(const TestModel& model, const std::shared_ptr<const Weights>& weights, Isa isa) {
    auto loaded = LoadEncoder(model.config, weights, isa);
    EXPECT_TRUE(loaded.has_value()) << loaded.error().message;
    const EncoderModel& encoder = **loaded;
    kernels::ThreadTeam team({.threads = 2});
    const auto workspace = encoder.NewWorkspace(kTokens, team);
    EXPECT_TRUE(encoder.CheckWeights(*workspace).has_value());
    base::Random random(3);
    const auto tokens = RandomTokens(random, kTokens, model.config.vocabulary);
    const EncoderText text{.tokens = tokens, .token_types = {}};
    const auto hidden = encoder.Forward({&text, 1}, *workspace);
    std::vector<float> all(hidden.begin(), hidden.end());
    for (const auto more : {encoder.Pooled(*workspace), encoder.Logits(*workspace)}) {
      all.insert(all.end(), more.begin(), more.end());
    }
    return all;
  }

  static void ExpectSameBits(const std::vector<float>& a, const std::vector<float>& b, Isa isa) {
    ASSERT_FALSE(a.empty());
    ASSERT_EQ(a.size(), b.size());
    EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(float)), 0) << kernels::IsaName(isa);
  }

  std::string folder_;
};

TEST_P(PackedParity, DecodersGiveTheSameBits) {
  for (const Architecture architecture :
       {Architecture::kLlama, Architecture::kQwen2, Architecture::kQwen3, Architecture::kChatGlm}) {
    for (const bool tied : {false, true}) {
      const TestModel model = RandomDecoder(architecture, GetParam(), kSeed, {.tied = tied, .rope_freqs = tied});
      const auto packed = Packed(model);
      // A table that is both is stored once, in the order of the output layer.
      EXPECT_EQ(packed->Find("token_embd.weight")->order == RowOrder::kInterleaved, tied);
      for (const Isa isa : Tiers()) ExpectSameBits(Logits(model, model.weights, isa), Logits(model, packed, isa), isa);
    }
  }
}

TEST_P(PackedParity, EncodersGiveTheSameBits) {
  for (const BertHead head : {BertHead::kNone, BertHead::kSequenceClassification, BertHead::kTokenClassification}) {
    TestModel model = RandomEncoder(GetParam(), kSeed, {.head = head});
    if (head != BertHead::kNone) model.config.labels.assign(kTestLabels, "label");
    const auto packed = Packed(model);
    for (const Isa isa : Tiers()) ExpectSameBits(Hidden(model, model.weights, isa), Hidden(model, packed, isa), isa);
  }
}

std::string TypeName(const testing::TestParamInfo<WeightType>& info) {
  return std::string(kernels::LayoutOf(info.param).name);
}

INSTANTIATE_TEST_SUITE_P(Types, PackedParity,
                         testing::Values(WeightType::kF32, WeightType::kF16, WeightType::kBF16, WeightType::kQ8_0,
                                         WeightType::kQ4_0, WeightType::kQ4_1, WeightType::kQ5_0, WeightType::kQ5_1,
                                         WeightType::kQ4_K, WeightType::kQ5_K, WeightType::kQ6_K),
                         TypeName);

}  // namespace
}  // namespace loquat::model
