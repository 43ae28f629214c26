// What one call costs, by tier of instructions. LOQUAT_BENCH_MODEL names a model folder; without it a small model is
// trained first.

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <string>

#include "base/check.h"
#include "kernels/isa.h"
#include "understanding/trainer.h"
#include "understanding/understander.h"
#include "understanding/understander_test_data.h"

namespace loquat::understanding {
namespace {

std::string ModelPath() {
  if (const char* path = std::getenv("LOQUAT_BENCH_MODEL")) return path;
  const std::string path = "build/bench_model";
  const auto summary = Train(SmallAssistant(), path, {.progress = {}});
  LOQUAT_CHECK(summary.has_value(), "the small model trains");
  return path;
}

void BM_Understand(benchmark::State& state, const std::string& text, bool slots) {
  const auto isa = static_cast<kernels::Isa>(state.range(0));
  if (isa > kernels::DetectIsa()) return state.SkipWithError("this machine lacks the instructions");
  static const std::string path = ModelPath();
  const auto model = Understander::Load(path, {.force_isa = std::string(kernels::IsaName(isa))});
  if (!model.has_value()) return state.SkipWithError(model.error().message.c_str());
  const auto workspace = Understander::NewWorkspace();
  domain::Utterance utterance;
  utterance.text = text;
  domain::Frame frame;
  for (auto _ : state) {
    benchmark::DoNotOptimize((*model)->Understand(utterance, {.want_slots = slots}, *workspace, frame));
  }
  state.SetLabel(std::string(kernels::IsaName(isa)));
}

void Tiers(benchmark::internal::Benchmark* bench) {
  bench->DenseRange(0, 2);
}

// Ten words; ten characters.
BENCHMARK_CAPTURE(BM_Understand, intent_en, "will it rain in san francisco tomorrow in the morning", false)
    ->Apply(Tiers);
BENCHMARK_CAPTURE(BM_Understand, intent_zh, "明天早上北京会下雨吗", false)->Apply(Tiers);
BENCHMARK_CAPTURE(BM_Understand, all_en, "will it rain in san francisco tomorrow in the morning", true)->Apply(Tiers);
BENCHMARK_CAPTURE(BM_Understand, all_zh, "明天早上北京会下雨吗", true)->Apply(Tiers);

void BM_Load(benchmark::State& state) {
  static const std::string path = ModelPath();
  for (auto _ : state) {
    if (!Understander::Load(path).has_value()) return state.SkipWithError("the model does not load");
  }
}
BENCHMARK(BM_Load)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace loquat::understanding
