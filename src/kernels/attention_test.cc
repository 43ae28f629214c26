// Attention over pages and over rows in every tier: against doubles, and to the bit under any split of tokens and
// heads.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/random.h"
#include "kernels/transformer_kernels.h"
#include "kernels/weight_test_data.h"

namespace loquat::kernels {
namespace {

constexpr std::uint64_t kSeed = 20240919;

// softmax(q k^T * scale) v for one query over `seen` keys.
std::vector<double> Reference(const float* q, const std::vector<double>& keys, const std::vector<double>& values,
                              std::size_t seen, std::size_t width, double scale) {
  std::vector<double> scores(seen), out(width);
  double greatest = -INFINITY, total = 0;
  for (std::size_t j = 0; j < seen; ++j) {
    for (std::size_t k = 0; k < width; ++k) scores[j] += q[k] * keys[j * width + k] * scale;
    greatest = std::max(greatest, scores[j]);
  }
  for (double& score : scores) total += score = std::exp(score - greatest);
  for (std::size_t j = 0; j < seen; ++j) {
    for (std::size_t k = 0; k < width; ++k) out[k] += scores[j] / total * values[j * width + k];
  }
  return out;
}

class AttentionTest : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!Supports(GetParam())) GTEST_SKIP() << "this machine lacks " << IsaName(GetParam());
  }
  const TransformerKernels& tier() const { return TransformerKernelsFor(GetParam()); }
  std::vector<float> Randoms(std::size_t n, float size) {
    std::vector<float> values(n);
    for (float& value : values) value = (random_.Float() * 2 - 1) * size;
    return values;
  }
  base::Random random_{kSeed};
};

// A sequence of `tokens` keys and values in pages; what is past its end is NaN, as half numbers or by its scales.
class Pages {
 public:
  Pages(base::Random& random, KvType type, std::size_t tokens, std::size_t width) : width_(width), type_(type) {
    const std::size_t count = (tokens + kAttentionBlockTokens - 1) / kAttentionBlockTokens;
    bytes_.assign(count * 2 * head_bytes(), std::byte{0x7F});
    if (type == KvType::kInt8) std::ranges::fill(bytes_, std::byte{0xFF});
    for (std::size_t p = 0; p < count; ++p) pages_.push_back(&bytes_[p * 2 * head_bytes()]);
    for (std::size_t t = 0; t < tokens; ++t) {
      for (std::size_t which = 0; which < 2; ++which) {
        const float scale = (random.Float() + 0.5F) / 127;
        if (type == KvType::kInt8) Put(Head(t, which) + kAttentionBlockTokens * width + t % 32 * sizeof scale, scale);
        for (std::size_t k = 0; k < width; ++k) {
          const std::size_t at = which == 0 ? k * kAttentionBlockTokens + t % 32 : t % 32 * width + k;
          (which == 0 ? keys : values).push_back(PutNumber(Head(t, which), at, random.Float() * 2 - 1, scale));
        }
      }
    }
  }
  PagedKeys View(std::size_t position) const {
    return {.pages = pages_.data(), .key_offset = 0, .value_offset = head_bytes(), .type = type_, .position = position};
  }
  std::vector<double> keys, values;  // [token, width]

 private:
  std::size_t head_bytes() const { return KvHeadBytes(type_, width_); }
  std::byte* Head(std::size_t t, std::size_t which) {
    return &bytes_[(t / kAttentionBlockTokens * 2 + which) * head_bytes()];
  }
  template <typename T>
  static void Put(std::byte* at, T value) {
    std::memcpy(at, &value, sizeof value);
  }
  // Number `at` of a head; returns what was kept of it.
  double PutNumber(std::byte* head, std::size_t at, float value, float scale) const {
    if (type_ == KvType::kInt8) {
      const auto number = static_cast<std::int8_t>(std::lrint(value * 127));
      Put(head + at, number);
      return static_cast<double>(number) * static_cast<double>(scale);
    }
    const std::uint16_t bits = type_ == KvType::kF16 ? HalfBits(value) : Bf16Bits(value);
    Put(head + at * sizeof bits, bits);
    return type_ == KvType::kF16 ? HalfValue(bits) : Bf16Value(bits);
  }

  std::size_t width_;
  KvType type_;
  std::vector<std::byte> bytes_;
  std::vector<std::byte*> pages_;
};

TEST_P(AttentionTest, OverPagesEqualsDoubles) {
  for (const std::size_t width : {1, 8, 16, 41, 64, 128, 256}) {
    for (const KvType type : {KvType::kF16, KvType::kBF16, KvType::kInt8}) {
      const std::size_t tokens = 1 + random_.Below(7), heads = 1 + random_.Below(4), position = random_.Below(100);
      const Pages pages(random_, type, position + tokens, width);
      const auto q = Randoms(tokens * heads * width, 3);
      std::vector<float> out(q.size());
      const double scale = 1 / std::sqrt(static_cast<double>(width));
      tier().attend_pages({.q = q.data(),
                           .q_stride = heads * width,
                           .out = out.data(),
                           .out_stride = heads * width,
                           .tokens = tokens,
                           .heads = heads,
                           .head_width = width,
                           .scale = static_cast<float>(scale)},
                          pages.View(position));
      for (std::size_t i = 0; i < tokens * heads; ++i) {
        const auto expected =
            Reference(&q[i * width], pages.keys, pages.values, position + i / heads + 1, width, scale);
        for (std::size_t k = 0; k < width; ++k) ASSERT_NEAR(out[i * width + k], expected[k], 3e-6) << width;
      }
    }
  }
}

TEST_P(AttentionTest, OverPagesGivesTheSameBitsForAnySplit) {
  SCOPED_TRACE(kSeed);
  constexpr std::size_t kTokens = 8, kHeads = 4, kWidth = 24, kPosition = 59;
  const Pages pages(random_, KvType::kF16, kPosition + kTokens, kWidth);
  const auto q = Randoms(kTokens * kHeads * kWidth, 3);
  std::vector<float> whole(q.size());
  AttentionQueries all{.q = q.data(),
                       .q_stride = kHeads * kWidth,
                       .out = whole.data(),
                       .out_stride = kHeads * kWidth,
                       .tokens = kTokens,
                       .heads = kHeads,
                       .head_width = kWidth,
                       .scale = 0.2F};
  tier().attend_pages(all, pages.View(kPosition));
  for (int round = 0; round < 20; ++round) {
    std::vector<float> split(q.size(), -1);
    for (std::size_t token = 0; token < kTokens;) {
      const std::size_t tokens = 1 + random_.Below(kTokens - token);
      for (std::size_t head = 0; head < kHeads;) {
        AttentionQueries part = all;
        part.heads = 1 + random_.Below(kHeads - head);
        part.tokens = tokens;
        const std::size_t at = (token * kHeads + head) * kWidth;
        part.q = q.data() + at;
        part.out = split.data() + at;
        tier().attend_pages(part, pages.View(kPosition + token));
        head += part.heads;
      }
      token += tokens;
    }
    ASSERT_EQ(std::memcmp(split.data(), whole.data(), whole.size() * sizeof(float)), 0) << "round " << round;
  }
}

TEST_P(AttentionTest, OverRowsEqualsDoublesAndScalar) {
  for (const std::size_t keys : {1, 2, 5, 31, 32, 33, 64, 100}) {
    constexpr std::size_t kTokens = 4, kHeads = 2, kWidth = 20, kStride = 50;
    const auto q = Randoms(kTokens * kHeads * kWidth, 3), k = Randoms(keys * kStride, 1),
               v = Randoms(keys * kStride, 1);
    std::vector<float> out(q.size()), scalar(q.size());
    AttentionQueries queries{.q = q.data(),
                             .q_stride = kHeads * kWidth,
                             .out = out.data(),
                             .out_stride = kHeads * kWidth,
                             .tokens = kTokens,
                             .heads = kHeads,
                             .head_width = kWidth,
                             .scale = 0.25F};
    const RowKeys rows{.keys = k.data(), .values = v.data(), .stride = kStride, .tokens = keys};
    tier().attend_rows(queries, rows);
    queries.out = scalar.data();
    kTransformerKernelsScalar.attend_rows(queries, rows);
    std::vector<double> exact_keys, exact_values;
    for (std::size_t j = 0; j < keys; ++j) {
      exact_keys.insert(exact_keys.end(), &k[j * kStride], &k[j * kStride + kWidth]);
      exact_values.insert(exact_values.end(), &v[j * kStride], &v[j * kStride + kWidth]);
    }
    for (std::size_t i = 0; i < kTokens * kHeads; ++i) {
      const auto expected = Reference(&q[i * kWidth], exact_keys, exact_values, keys, kWidth, 0.25);
      for (std::size_t c = 0; c < kWidth; ++c) {
        ASSERT_NEAR(out[i * kWidth + c], expected[c], 3e-6) << keys;
        ASSERT_NEAR(out[i * kWidth + c], scalar[i * kWidth + c], 3e-6) << keys;
      }
    }
  }
}

// Rounded as the kernel rounds, and back.
std::vector<float> Bf16Rounded(const std::vector<float>& values, float scale) {
  std::vector<float> rounded;
  for (const float value : values) rounded.push_back(static_cast<float>(Bf16Value(Bf16Bits(value * scale))));
  return rounded;
}

TEST_P(AttentionTest, OverRowsInBf16EqualsDoublesOfWhatWasRounded) {
  if (tier().attend_rows_bf16 == nullptr) return;  // Not every tier has it.
  for (const std::size_t width : {1, 2, 16, 26, 31, 32, 33, 64, 128, 256}) {
    for (const std::size_t keys : {1, 2, 31, 32, 33, 100}) {
      constexpr std::size_t kTokens = 10, kHeads = 3;  // More than one tile of queries.
      const std::size_t stride = width + 3;
      const auto q = Randoms(kTokens * kHeads * width, 3), k = Randoms(keys * stride, 1), v = Randoms(keys * stride, 1);
      const float scale = 1 / std::sqrt(static_cast<float>(width));
      std::vector<float> out(q.size() + 1, 7);
      AttentionQueries queries{.q = q.data(),
                               .q_stride = kHeads * width,
                               .out = out.data(),
                               .out_stride = kHeads * width,
                               .tokens = kTokens,
                               .heads = kHeads,
                               .head_width = width,
                               .scale = scale};
      const RowKeys rows{.keys = k.data(), .values = v.data(), .stride = stride, .tokens = keys};
      tier().attend_rows_bf16(queries, rows);
      EXPECT_EQ(out.back(), 7) << "nothing behind the outputs is written";
      constexpr double kLog2E = 1.4426950408889634;
      const auto rounded_q = Bf16Rounded(q, scale * 1.44269504F), rounded_k = Bf16Rounded(k, 1),
                 rounded_v = Bf16Rounded(v, 1);
      std::vector<double> exact_keys, exact_values;
      for (std::size_t j = 0; j < keys; ++j) {
        exact_keys.insert(exact_keys.end(), &rounded_k[j * stride], &rounded_k[j * stride + width]);
        exact_values.insert(exact_values.end(), &rounded_v[j * stride], &rounded_v[j * stride + width]);
      }
      for (std::size_t i = 0; i < kTokens * kHeads; ++i) {
        const auto expected = Reference(&rounded_q[i * width], exact_keys, exact_values, keys, width, 1 / kLog2E);
        // Weights keep 8 bits, so each value is off by 2^-9 of itself at most.
        for (std::size_t c = 0; c < width; ++c) ASSERT_NEAR(out[i * width + c], expected[c], 0x1p-8) << width;
      }
      // One query after the other gives the same bits.
      std::vector<float> single(q.size());
      for (std::size_t i = 0; i < kTokens * kHeads; ++i) {
        AttentionQueries one = queries;
        one.q = q.data() + i * width;
        one.out = single.data() + i * width;
        one.tokens = one.heads = 1;
        tier().attend_rows_bf16(one, rows);
      }
      ASSERT_EQ(std::memcmp(single.data(), out.data(), single.size() * sizeof(float)), 0) << width << ", " << keys;
    }
  }
}

// One query of one head, [width], over rows of keys and values, [keys, width].
void AttendOneInBf16(const TransformerKernels& tier, const std::vector<float>& q, const std::vector<float>& k,
                     const std::vector<float>& v, float scale, std::vector<float>& out) {
  const std::size_t width = q.size();
  tier.attend_rows_bf16({.q = q.data(),
                         .q_stride = width,
                         .out = out.data(),
                         .out_stride = width,
                         .tokens = 1,
                         .heads = 1,
                         .head_width = width,
                         .scale = scale},
                        {.keys = k.data(), .values = v.data(), .stride = width, .tokens = k.size() / width});
}

TEST_P(AttentionTest, InBf16WhatIsNoNumberShows) {
  if (tier().attend_rows_bf16 == nullptr) return;
  constexpr std::size_t kKeys = 40, kWidth = 20;
  const auto q = Randoms(kWidth, 1), v = Randoms(kKeys * kWidth, 1);
  for (const std::size_t bad : {0, 17, 39}) {
    auto k = Randoms(kKeys * kWidth, 1);
    k[bad * kWidth + 3] = NAN;
    std::vector<float> out(kWidth);
    AttendOneInBf16(tier(), q, k, v, 0.2F, out);
    for (const float x : out) EXPECT_TRUE(std::isnan(x)) << bad;
  }
}

// Scores far apart: the greatest alone counts, and none overflows.
TEST_P(AttentionTest, InBf16GreatScoresPickOneValue) {
  if (tier().attend_rows_bf16 == nullptr) return;
  constexpr std::size_t kKeys = 70, kWidth = 16;
  std::vector<float> k(kKeys * kWidth), v(kKeys * kWidth), q(kWidth, 1), out(kWidth);
  for (std::size_t j = 0; j < kKeys; ++j) {
    for (std::size_t c = 0; c < kWidth; ++c) {
      k[j * kWidth + c] = j == 50 ? 1000.0F : -1000.0F + static_cast<float>(j);
      v[j * kWidth + c] = static_cast<float>(j);
    }
  }
  AttendOneInBf16(tier(), q, k, v, 1, out);
  for (const float x : out) EXPECT_FLOAT_EQ(x, 50);
}

INSTANTIATE_TEST_SUITE_P(Tiers, AttentionTest, testing::ValuesIn(kIsas),
                         [](const auto& info) { return std::string(IsaName(info.param)); });

}  // namespace
}  // namespace loquat::kernels
