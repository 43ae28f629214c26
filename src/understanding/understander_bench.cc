// What one call costs, by tier of instructions. LOQUAT_BENCH_MODEL names a model folder; without it a small model is
// trained first.

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <string>

#include "base/check.h"
#include "kernels/isa.h"
#include "understanding/incremental_reader.h"
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
  if (!kernels::Supports(isa)) return state.SkipWithError("this machine lacks the instructions");
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

// Texts of a length, typed: the last character comes and goes, so that each update has one character's change. From
// scratch: the same texts by Understand.
void BM_Update(benchmark::State& state, bool remembers) {
  static const std::string path = ModelPath();
  const auto model = Understander::Load(path);
  if (!model.has_value()) return state.SkipWithError(model.error().message.c_str());
  std::string text;
  while (text.size() < static_cast<std::size_t>(state.range(0))) {
    text += "wake me up at seven tomorrow and play some jazz in the kitchen please ";
  }
  text.resize(static_cast<std::size_t>(state.range(0)));
  const auto workspace = Understander::NewWorkspace();
  IncrementalReader reader;
  domain::Utterance utterance;
  utterance.final = false;
  domain::Frame frame;
  domain::FrameStability stability;
  std::size_t size = text.size();
  for (auto _ : state) {
    size = size == text.size() ? size - 1 : size + 1;
    utterance.text.assign(text, 0, size);
    if (remembers) {
      benchmark::DoNotOptimize(reader.Update(**model, utterance, {}, *workspace, frame, stability));
    } else {
      benchmark::DoNotOptimize((*model)->Understand(utterance, {}, *workspace, frame));
    }
  }
  state.counters["bytes"] = static_cast<double>(reader.bytes());
}
BENCHMARK_CAPTURE(BM_Update, remembered, true)->Arg(10)->Arg(30)->Arg(100)->Arg(300)->Arg(1000);
BENCHMARK_CAPTURE(BM_Update, from_scratch, false)->Arg(10)->Arg(30)->Arg(100)->Arg(300)->Arg(1000);

void BM_Load(benchmark::State& state) {
  static const std::string path = ModelPath();
  for (auto _ : state) {
    if (!Understander::Load(path).has_value()) return state.SkipWithError("the model does not load");
  }
}
BENCHMARK(BM_Load)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace loquat::understanding
