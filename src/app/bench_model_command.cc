#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "app/benchmark_series.h"
#include "app/command_line.h"
#include "app/commands.h"
#include "app/machine_memory.h"
#include "app/model_benchmark.h"
#include "base/json_writer.h"

namespace loquat::app {
namespace {

constexpr std::uint32_t kTokensMax = 1U << 20;
constexpr std::uint32_t kSequencesMax = 512;
constexpr std::uint32_t kRoundsMax = 1000;

void PrintJson(const ModelBenchmarkPlan& plan, const ModelBenchmarkResult& result) {
  std::string out;
  base::JsonWriter json(out);
  json.BeginObject();
  json.Key("model");
  json.String(plan.path);
  json.Key("isa");
  json.String(result.isa);
  json.Key("threads");
  json.Uint(result.threads);
  if (plan.lengths.empty()) {
    json.Key("prompt");
    json.Uint(plan.prompt);
    json.Key("sequences");
    json.Uint(plan.sequences);
  } else {
    json.Key("lengths");
    json.BeginArray();
    for (const std::uint32_t length : plan.lengths) json.Uint(length);
    json.EndArray();
  }
  json.Key("generated");
  json.Uint(result.encoder ? 0 : plan.generated);
  WriteSeries(json, "prefill_tokens_per_second", result.prefill_tokens_per_second);
  WriteSeries(json, "decode_tokens_per_second", result.decode_tokens_per_second);
  WriteSeries(json, "texts_per_second", result.texts_per_second);
  if (const auto peak = PeakMemory()) {
    json.Key("peak_rss_bytes");
    json.Uint(*peak);
  }
  json.EndObject();
  fmt::print("{}\n", out);
}

void PrintText(const ModelBenchmarkPlan& plan, const ModelBenchmarkResult& result) {
  fmt::print("{}: {}, {} threads\n", plan.path, result.isa, result.threads);
  PrintSeries(fmt::format("prompt of {}", plan.prompt), "tokens/s", result.prefill_tokens_per_second);
  PrintSeries(fmt::format("{} tokens x {}", plan.generated, plan.sequences), "tokens/s",
              result.decode_tokens_per_second);
  PrintSeries(plan.lengths.empty() ? fmt::format("{} texts of {} tokens", plan.sequences, plan.prompt)
                                   : fmt::format("{} texts", plan.lengths.size()),
              "texts/s", result.texts_per_second);
  if (const auto peak = PeakMemory()) fmt::print("{:<24} {:10.1f} MiB\n", "most memory", *peak / double{1 << 20});
}

}  // namespace

int BenchModel(const BenchModelArguments& arguments) {
  const bool sound = arguments.prompt >= 1 && arguments.prompt <= kTokensMax && arguments.generated <= kTokensMax &&
                     arguments.sequences >= 1 && arguments.sequences <= kSequencesMax && arguments.rounds >= 1 &&
                     arguments.rounds <= kRoundsMax && arguments.lengths.size() <= kSequencesMax &&
                     std::ranges::all_of(arguments.lengths, [](std::uint32_t n) { return n >= 1 && n <= kTokensMax; });
  if (!sound) {
    Fail(base::InvalidArgument(fmt::format(
        "--prompt is 1 to {}, --generate 0 to {}, --sequences 1 to {}, --rounds 1 to {}, --lengths up to {} of 1 to {}",
        kTokensMax, kTokensMax, kSequencesMax, kRoundsMax, kSequencesMax, kTokensMax)));
    return kExitUsage;
  }
  const char* const forced = std::getenv("LOQUAT_FORCE_ISA");
  const ModelBenchmarkPlan plan{.path = arguments.path,
                                .prompt = arguments.prompt,
                                .generated = arguments.generated,
                                .sequences = arguments.sequences,
                                .lengths = arguments.lengths,
                                .rounds = arguments.rounds,
                                .threads = arguments.threads,
                                .int8 = arguments.int8,
                                .isa = forced == nullptr ? "" : forced};
  const auto result = RunModelBenchmark(plan);
  if (!result.has_value()) return Fail(result.error());
  if (arguments.json) {
    PrintJson(plan, *result);
  } else {
    PrintText(plan, *result);
  }
  return kExitOk;
}

}  // namespace loquat::app
