// Attention over pages and over rows in every tier: against doubles, and to the bit under any split of tokens and
// heads.

#include <gtest/gtest.h>

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
    if (GetParam() > DetectIsa()) GTEST_SKIP() << "this machine lacks " << IsaName(GetParam());
  }
  const TransformerKernels& tier() const { return TransformerKernelsFor(GetParam()); }
  std::vector<float> Randoms(std::size_t n, float size) {
    std::vector<float> values(n);
    for (float& value : values) value = (random_.Float() * 2 - 1) * size;
    return values;
  }
  base::Random random_{kSeed};
};

// A sequence of `tokens` keys and values in pages; what is past its end is NaN.
class Pages {
 public:
  Pages(base::Random& random, HalfType type, std::size_t tokens, std::size_t width)
      : count_((tokens + kAttentionBlockTokens - 1) / kAttentionBlockTokens), width_(width), type_(type) {
    const std::size_t page = 2 * kAttentionBlockTokens * width;
    halves_.assign(count_ * page, 0x7FFF);
    for (std::size_t p = 0; p < count_; ++p) pages_.push_back(reinterpret_cast<std::byte*>(&halves_[p * page]));
    for (std::size_t t = 0; t < tokens; ++t) {
      for (std::size_t which = 0; which < 2; ++which) {
        for (std::size_t k = 0; k < width; ++k) {
          const float value = random.Float() * 2 - 1;
          const std::uint16_t bits = type == HalfType::kF16 ? HalfBits(value) : Bf16Bits(value);
          const std::size_t row = t % kAttentionBlockTokens;
          const std::size_t at =
              which == 0 ? k * kAttentionBlockTokens + row : (kAttentionBlockTokens + row) * width + k;
          halves_[t / kAttentionBlockTokens * page + at] = bits;
          (which == 0 ? keys : values).push_back(type == HalfType::kF16 ? HalfValue(bits) : Bf16Value(bits));
        }
      }
    }
  }
  PagedKeys View(std::size_t position) const {
    return {.pages = pages_.data(),
            .key_offset = 0,
            .value_offset = kAttentionBlockTokens * width_ * 2,
            .type = type_,
            .position = position};
  }
  std::vector<double> keys, values;  // [token, width]

 private:
  std::size_t count_, width_;
  HalfType type_;
  std::vector<std::uint16_t> halves_;
  std::vector<std::byte*> pages_;
};

TEST_P(AttentionTest, OverPagesEqualsDoubles) {
  for (const std::size_t width : {1, 8, 16, 40, 64, 128, 256}) {
    for (const HalfType type : {HalfType::kF16, HalfType::kBF16}) {
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
  const Pages pages(random_, HalfType::kF16, kPosition + kTokens, kWidth);
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

INSTANTIATE_TEST_SUITE_P(Tiers, AttentionTest, testing::ValuesIn(kIsas),
                         [](const auto& info) { return std::string(IsaName(info.param)); });

}  // namespace
}  // namespace loquat::kernels
