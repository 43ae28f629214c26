#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/model_benchmark.h"
#include "base/json_writer.h"

namespace loquat::app {
namespace {

constexpr std::uint32_t kTokensMax = 1U << 20;
constexpr std::uint32_t kSequencesMax = 512;
constexpr std::uint32_t kRoundsMax = 1000;

void WriteSeries(base::JsonWriter& json, std::string_view name, const std::vector<double>& values) {
  if (values.empty()) return;
  json.Key(name);
  json.BeginObject();
  json.Key("median");
  json.Fixed(Median(values), 3);
  json.Key("rounds");
  json.BeginArray();
  for (const double value : values) json.Fixed(value, 3);
  json.EndArray();
  json.EndObject();
}

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
  json.Key("prompt");
  json.Uint(plan.prompt);
  json.Key("generated");
  json.Uint(result.encoder ? 0 : plan.generated);
  json.Key("sequences");
  json.Uint(plan.sequences);
  WriteSeries(json, "prefill_tokens_per_second", result.prefill_tokens_per_second);
  WriteSeries(json, "decode_tokens_per_second", result.decode_tokens_per_second);
  WriteSeries(json, "texts_per_second", result.texts_per_second);
  json.EndObject();
  fmt::print("{}\n", out);
}

void PrintSeries(std::string_view what, std::string_view unit, const std::vector<double>& values) {
  if (values.empty()) return;
  const auto [least, most] = std::ranges::minmax_element(values);
  fmt::print("{:<24} {:10.1f} {} (rounds {:.1f} to {:.1f})\n", what, Median(values), unit, *least, *most);
}

void PrintText(const ModelBenchmarkPlan& plan, const ModelBenchmarkResult& result) {
  fmt::print("{}: {}, {} threads\n", plan.path, result.isa, result.threads);
  PrintSeries(fmt::format("prompt of {}", plan.prompt), "tokens/s", result.prefill_tokens_per_second);
  PrintSeries(fmt::format("{} tokens x {}", plan.generated, plan.sequences), "tokens/s",
              result.decode_tokens_per_second);
  PrintSeries(fmt::format("{} texts of {} tokens", plan.sequences, plan.prompt), "texts/s", result.texts_per_second);
}

}  // namespace

int BenchModel(const BenchModelArguments& arguments) {
  const bool sound = arguments.prompt >= 1 && arguments.prompt <= kTokensMax && arguments.generated <= kTokensMax &&
                     arguments.sequences >= 1 && arguments.sequences <= kSequencesMax && arguments.rounds >= 1 &&
                     arguments.rounds <= kRoundsMax;
  if (!sound) {
    Fail(base::InvalidArgument(
        fmt::format("--prompt is 1 to {}, --generate 0 to {}, --sequences 1 to {}, --rounds 1 to {}", kTokensMax,
                    kTokensMax, kSequencesMax, kRoundsMax)));
    return kExitUsage;
  }
  const char* const forced = std::getenv("LOQUAT_FORCE_ISA");
  const ModelBenchmarkPlan plan{.path = arguments.path,
                                .prompt = arguments.prompt,
                                .generated = arguments.generated,
                                .sequences = arguments.sequences,
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
