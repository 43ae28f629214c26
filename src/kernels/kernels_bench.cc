// What the kernels of the best tier reach on this machine: weights times activations for each stored type, one token
// (bytes a second) and many (operations a second); attention; what a round of the team costs.
// LOQUAT_FORCE_ISA chooses a tier.

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "base/random.h"
#include "kernels/activation_test_data.h"
#include "kernels/int8_panels.h"
#include "kernels/interleave.h"
#include "kernels/thread_team.h"
#include "kernels/transformer_kernels.h"
#include "kernels/weight_test_data.h"

namespace loquat::kernels {
namespace {

const TransformerKernels& Tier() {
  const char* forced = std::getenv("LOQUAT_FORCE_ISA");
  return TransformerKernelsFor(ChooseIsa(forced == nullptr ? "" : forced).value_or(DetectIsa()));
}

// Type, tokens, rows, RowOrder.
void MatmulBench(benchmark::State& state) {
  const auto type = static_cast<WeightType>(state.range(0));
  const auto tokens = static_cast<std::size_t>(state.range(1)), rows = static_cast<std::size_t>(state.range(2));
  constexpr std::size_t kCols = 2048;
  base::Random random(1);
  // Bits alone matter to the speed: one block's worth of scales, repeated.
  const WeightLayout& layout = LayoutOf(type);
  std::vector<std::byte> bytes(rows * kCols / layout.block_weights * layout.block_bytes);
  for (std::size_t at = 0; at < bytes.size(); at += layout.block_bytes) RandomBlock(random, type, 0.02, &bytes[at]);
  std::vector<float> out(tokens * rows);
  Matrix weights{.data = bytes.data(), .rows = rows, .cols = kCols, .type = type};
  const TransformerKernels& tier = Tier();
  const auto order = static_cast<RowOrder>(state.range(3));
  const bool interleaved = order == RowOrder::kInterleaved, int8 = order == RowOrder::kInt8Panels;
  if ((interleaved && !tier.panels) || (int8 && !tier.panels)) {
    return state.SkipWithError("this tier takes rows alone");
  }
  std::vector<std::byte> panels(kInterleavedAlignment);
  if (interleaved) panels.resize(panels.size() + InterleavedBytes(weights));
  if (int8) panels.resize(panels.size() + Int8Bytes(weights));
  std::byte* const first = panels.data() + (-reinterpret_cast<std::uintptr_t>(panels.data())) % kInterleavedAlignment;
  if (interleaved) InterleavePanels(weights, 0, (rows + kInterleavedRows - 1) / kInterleavedRows, first);
  if (int8) RoundPanels(tier, weights, 0, (rows + kInterleavedRows - 1) / kInterleavedRows, first);
  if (interleaved) weights = InterleavedMatrix(weights, first);
  if (int8) weights = Int8Matrix(weights, first);
  const TestActivations x(tier, weights, std::vector<float>(tokens * kCols, 0.5F));
  for (auto _ : state) {
    tier.matmul(weights, 0, rows, x.Io(out.data(), rows));
    benchmark::ClobberMemory();
  }
  state.SetLabel(std::string(layout.name) + (int8 ? " as int8" : interleaved ? " interleaved" : ""));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * bytes.size()));
  state.counters["flop"] = benchmark::Counter(2.0 * kCols * static_cast<double>(tokens * rows),
                                              benchmark::Counter::kIsIterationInvariantRate);
}
constexpr int kF32 = static_cast<int>(WeightType::kF32), kBF16 = static_cast<int>(WeightType::kBF16);
constexpr int kQ8 = static_cast<int>(WeightType::kQ8_0), kQ4 = static_cast<int>(WeightType::kQ4_0);
BENCHMARK(MatmulBench)->ArgsProduct({benchmark::CreateDenseRange(0, kWeightTypes - 1, 1), {1, 4, 128}, {1024}, {0}});
BENCHMARK(MatmulBench)->ArgsProduct({{kF32, kBF16, kQ8, kQ4}, {1, 2, 4, 6, 16, 128}, {1024}, {1}});
BENCHMARK(MatmulBench)->ArgsProduct({{kF32}, {1, 16, 128}, {1024}, {2}});
// From memory, as a decoding step reads them: more than any cache holds.
BENCHMARK(MatmulBench)->ArgsProduct({benchmark::CreateDenseRange(0, kWeightTypes - 1, 1), {1}, {1 << 17}, {0}});
BENCHMARK(MatmulBench)->ArgsProduct({{kQ8, kQ4}, {1, 4}, {1 << 17}, {1}});

void RoundBench(benchmark::State& state) {
  constexpr std::size_t kCols = 2048;
  const auto form = static_cast<ActivationForm>(state.range(0));
  if (Tier().round == nullptr) return state.SkipWithError("this tier rounds nothing");
  const std::vector<float> x(kCols, 0.5F);
  std::vector<float> out(RoundedBytes(form, kCols) / sizeof(float));
  for (auto _ : state) {
    Tier().round(form, x.data(), kCols, reinterpret_cast<std::byte*>(out.data()));
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * kCols));
}
BENCHMARK(RoundBench)->Arg(static_cast<int>(ActivationForm::kInt8))->Arg(static_cast<int>(ActivationForm::kBF16));

void AttendPagesBench(benchmark::State& state) {
  const auto context = static_cast<std::size_t>(state.range(0));
  const auto tokens = static_cast<std::size_t>(state.range(1));
  constexpr std::size_t kHeads = 4, kWidth = 64;
  std::vector<std::uint16_t> page(2 * kAttentionBlockTokens * kWidth, 0x3800);
  std::vector<std::byte*> pages(context / kAttentionBlockTokens + 1, reinterpret_cast<std::byte*>(page.data()));
  std::vector<float> q(tokens * kHeads * kWidth, 0.25F), out(q.size());
  const TransformerKernels& tier = Tier();
  for (auto _ : state) {
    tier.attend_pages(
        {.q = q.data(),
         .q_stride = kHeads * kWidth,
         .out = out.data(),
         .out_stride = kHeads * kWidth,
         .tokens = tokens,
         .heads = kHeads,
         .head_width = kWidth,
         .scale = 0.125F},
        {.pages = pages.data(), .value_offset = kAttentionBlockTokens * kWidth * 2, .position = context - tokens});
    benchmark::ClobberMemory();
  }
  state.counters["flop"] = benchmark::Counter(4.0 * static_cast<double>(tokens * kHeads * context * kWidth),
                                              benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(AttendPagesBench)->ArgsProduct({{256, 4096}, {1, 8}});

// Of one head of an encoder, over rows: in floats (0) or bfloat16 (1).
void AttendRowsBench(benchmark::State& state) {
  const auto tokens = static_cast<std::size_t>(state.range(0));
  const auto width = static_cast<std::size_t>(state.range(1));
  const TransformerKernels& tier = Tier();
  const auto attend = state.range(2) == 0 ? tier.attend_rows : tier.attend_rows_bf16;
  if (attend == nullptr) return state.SkipWithError("this tier has none in bfloat16");
  std::vector<float> rows(3 * tokens * width, 0.25F), out(kAttentionQueriesMax * width);
  const std::size_t queries = std::min(tokens, kAttentionQueriesMax);
  for (auto _ : state) {
    attend({.q = rows.data(),
            .q_stride = 3 * width,
            .out = out.data(),
            .out_stride = width,
            .tokens = queries,
            .heads = 1,
            .head_width = width,
            .scale = 0.125F},
           {.keys = rows.data() + width, .values = rows.data() + 2 * width, .stride = 3 * width, .tokens = tokens});
    benchmark::ClobberMemory();
  }
  state.counters["flop"] = benchmark::Counter(4.0 * static_cast<double>(queries * tokens * width),
                                              benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(AttendRowsBench)->ArgsProduct({{16, 128}, {26, 32, 64}, {0, 1}});

void GeluErfBench(benchmark::State& state) {
  std::vector<float> x(3072, 0.3F);
  for (auto _ : state) {
    Tier().gelu_erf(x.data(), x.size());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * x.size()));
}
BENCHMARK(GeluErfBench);

void TeamRound(benchmark::State& state) {
  ThreadTeam team({.threads = static_cast<unsigned>(state.range(0))});
  for (auto _ : state) team.Run(team.size(), [](std::size_t part) { benchmark::DoNotOptimize(part); });
}
BENCHMARK(TeamRound)->Arg(1)->Arg(2)->UseRealTime();

}  // namespace
}  // namespace loquat::kernels
