// Which tensor gets which type, and what rules of the user's own change.

#include "model/quant/quantize_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace loquat::model {
namespace {

using kernels::WeightType;
using testing::HasSubstr;

Tensor Named(std::string name, std::vector<std::uint64_t> shape, WeightType type = WeightType::kF32) {
  return {.name = std::move(name), .type = type, .shape = std::move(shape), .bytes = {}};
}

std::vector<Tensor> SomeTensors(WeightType type) {
  return {Named("token_embd.weight", {512, 64}, type),
          Named("output.weight", {512, 64}, type),
          Named("blk.3.attn_v.weight", {32, 64}, type),
          Named("blk.3.attn_k.weight", {32, 64}, type),
          Named("blk.3.attn_output.weight", {32, 64}, type),
          Named("output_norm.weight", {64}, type),
          Named("blk.0.attn_q.weight", {64, 64}, type),
          Named("blk.10.attn_v.weight", {64, 64}, type),
          Named("blk.0.attn_q.bias", {64}, type),
          Named("position_embd.weight", {128, 64}, type),
          Named("cls.output.weight", {2, 64}, type),
          Named("blk.0.ffn_down.weight", {64, 172}, type),
          Named("rope_freqs.weight", {8}, WeightType::kF32)};
}

std::map<std::string, WeightType> TypesOf(std::span<const Tensor> tensors, const QuantizePlanOptions& options) {
  const auto plan = PlanQuantization(tensors, options);
  EXPECT_TRUE(plan.has_value()) << plan.error().message;
  std::map<std::string, WeightType> types;
  for (const PlannedTensor& planned : *plan) types[planned.tensor->name] = planned.to;
  return types;
}

std::string Refusal(std::span<const Tensor> tensors, const std::vector<KeepRule>& keep) {
  const auto plan = PlanQuantization(tensors, {.type = WeightType::kQ4_0, .keep = keep});
  return plan.has_value() ? "" : plan.error().message;
}

TEST(QuantizePlan, SensitiveTensorsStayWider) {
  const std::vector<Tensor> tensors = SomeTensors(WeightType::kF32);
  for (const WeightType type : {WeightType::kQ8_0, WeightType::kQ4_0, WeightType::kQ4_1}) {
    auto types = TypesOf(tensors, {.type = type, .keep = {}});
    EXPECT_EQ(types["blk.0.attn_q.weight"], type);
    EXPECT_EQ(types["blk.10.attn_v.weight"], type);
    EXPECT_EQ(types["blk.3.attn_output.weight"], type);
    for (const char* wide :
         {"token_embd.weight", "output.weight", "cls.output.weight", "blk.3.attn_k.weight", "blk.3.attn_v.weight"}) {
      EXPECT_EQ(types[wide], WeightType::kQ8_0) << wide;
    }
    for (const char* vector :
         {"output_norm.weight", "blk.0.attn_q.bias", "rope_freqs.weight", "position_embd.weight"}) {
      EXPECT_EQ(types[vector], WeightType::kF32) << vector;
    }
    EXPECT_EQ(types["blk.0.ffn_down.weight"], WeightType::kF16) << "172 is no multiple of 32";
  }
  auto halves = TypesOf(SomeTensors(WeightType::kBF16), {.type = WeightType::kQ4_0, .keep = {}});
  EXPECT_EQ(halves["blk.0.ffn_down.weight"], WeightType::kBF16);
  EXPECT_EQ(halves["output_norm.weight"], WeightType::kF32) << "engines add and multiply vectors as floats";
}

TEST(QuantizePlan, NothingGetsMoreBitsThanItHas) {
  const std::vector<Tensor> tensors = {Named("a.weight", {64, 64}, WeightType::kQ4_0),
                                       Named("token_embd.weight", {64, 64}, WeightType::kQ5_0),
                                       Named("b.weight", {64, 256}, WeightType::kQ6_K)};
  auto same = TypesOf(tensors, {.type = WeightType::kQ8_0, .keep = {}});
  EXPECT_EQ(same["a.weight"], WeightType::kQ4_0);
  EXPECT_EQ(same["token_embd.weight"], WeightType::kQ5_0);
  EXPECT_EQ(same["b.weight"], WeightType::kQ6_K);
  EXPECT_EQ(TypesOf(tensors, {.type = WeightType::kQ4_1, .keep = {}})["b.weight"], WeightType::kQ4_1);
}

TEST(QuantizePlan, TheFirstRuleThatMatchesDecides) {
  const std::vector<Tensor> tensors = SomeTensors(WeightType::kF32);
  auto types = TypesOf(tensors, {.type = WeightType::kQ4_0,
                                 .keep = {{"blk.?.attn_q.weight", WeightType::kF16},
                                          {"blk.*.attn_*.weight", WeightType::kQ8_0},
                                          {"output.weight", WeightType::kQ4_0},
                                          {"*norm.weight", WeightType::kBF16}}});
  EXPECT_EQ(types["blk.0.attn_q.weight"], WeightType::kF16);
  EXPECT_EQ(types["blk.10.attn_v.weight"], WeightType::kQ8_0);
  EXPECT_EQ(types["output.weight"], WeightType::kQ4_0);
  EXPECT_EQ(types["output_norm.weight"], WeightType::kBF16);
  EXPECT_EQ(types["token_embd.weight"], WeightType::kQ8_0);
}

TEST(QuantizePlan, RulesThatCannotBeAreRefused) {
  const std::vector<Tensor> tensors = SomeTensors(WeightType::kF32);
  EXPECT_THAT(Refusal(tensors, {{"blk.7.*", WeightType::kF16}}), HasSubstr("no tensor is left for the rule 'blk.7.*'"));
  EXPECT_THAT(Refusal(tensors, {{"*", WeightType::kF16}, {"output.weight", WeightType::kQ8_0}}),
              HasSubstr("'output.weight'"));
  EXPECT_THAT(Refusal(tensors, {{"blk.0.ffn_down.weight", WeightType::kQ8_0}}), HasSubstr("no whole number of blocks"));
  EXPECT_THAT(Refusal(tensors, {{"output_norm.*", WeightType::kQ8_0}}), HasSubstr("is a vector"));
  std::vector<KeepRule> rules(kKeepRulesMax, {"*", WeightType::kF32});
  rules.emplace_back();
  EXPECT_THAT(Refusal(tensors, rules), HasSubstr("at most 256"));
}

TEST(QuantizePlan, PatternsMatchWholeNames) {
  const auto matches = [](std::string_view pattern, std::string_view name) {
    const std::vector<Tensor> tensors = {Named(std::string(name), {32, 32})};
    return Refusal(tensors, {{std::string(pattern), WeightType::kF32}}).empty();
  };
  EXPECT_TRUE(matches("*", "a.b"));
  EXPECT_TRUE(matches("a.b", "a.b"));
  EXPECT_TRUE(matches("a*b*c", "a.b.b.c"));
  EXPECT_TRUE(matches("**.?", "a.b"));
  EXPECT_TRUE(matches("a*", "a"));
  EXPECT_FALSE(matches("a", "ab"));
  EXPECT_FALSE(matches("b", "ab"));
  EXPECT_FALSE(matches("a?", "a"));
  EXPECT_FALSE(matches("*a*c", "a.b"));
  EXPECT_FALSE(matches("", "a"));
  // Many stars, no end: done at once, not after all the ways of cutting the name.
  EXPECT_FALSE(matches(std::string(120, '*') + "a*a*a*a*a*a*a*a*b", std::string(250, 'a')));
}

TEST(QuantizePlan, TypesAndRulesAreReadByName) {
  EXPECT_EQ(ReadQuantizedType("q4_1").value(), WeightType::kQ4_1);
  for (const char* unknown : {"q4_k", "f16", "", "Q8_0"}) {
    const auto read = ReadQuantizedType(unknown);
    ASSERT_FALSE(read.has_value());
    EXPECT_THAT(read.error().message, HasSubstr("known: q8_0, q4_0, q4_1"));
  }
  EXPECT_EQ(ReadKeepRule("a=b=bf16")->pattern, "a=b");
  EXPECT_EQ(ReadKeepRule("a=b=bf16")->type, WeightType::kBF16);
  for (const char* wrong : {"output.weight", "=f16", "a="}) EXPECT_FALSE(ReadKeepRule(wrong).has_value()) << wrong;
  EXPECT_TRUE(ReadKeepRule(std::string(kKeepPatternBytesMax, 'a') + "=f16").has_value());
  EXPECT_FALSE(ReadKeepRule(std::string(kKeepPatternBytesMax + 1, 'a') + "=f16").has_value());
}

}  // namespace
}  // namespace loquat::model
