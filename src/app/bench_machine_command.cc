#include <fmt/format.h>

#include <cstdlib>
#include <string>

#include "app/benchmark_series.h"
#include "app/command_line.h"
#include "app/commands.h"
#include "app/machine_benchmark.h"
#include "base/json_writer.h"

namespace loquat::app {
namespace {

constexpr std::uint32_t kRoundsMax = 1000;
constexpr std::uint32_t kBufferMibMin = 2, kBufferMibMax = 1 << 16;

void PrintJson(const MachineBenchmarkResult& result) {
  std::string out;
  base::JsonWriter json(out);
  json.BeginObject();
  json.Key("isa");
  json.String(result.isa);
  json.Key("threads");
  json.Uint(result.threads);
  json.Key("buffer_bytes");
  json.Uint(result.buffer_bytes);
  WriteSeries(json, "read_gb_per_second", result.read_gb_per_second);
  WriteSeries(json, "f32_gflop_per_second", result.f32_gflop_per_second);
  WriteSeries(json, "bf16_gflop_per_second", result.bf16_gflop_per_second);
  WriteSeries(json, "int8_gop_per_second", result.int8_gop_per_second);
  json.EndObject();
  fmt::print("{}\n", out);
}

void PrintText(const MachineBenchmarkResult& result) {
  fmt::print("{}, {} threads\n", result.isa, result.threads);
  PrintSeries(fmt::format("reading {} MiB", result.buffer_bytes >> 20U), "GB/s", result.read_gb_per_second);
  PrintSeries("f32", "GFLOP/s", result.f32_gflop_per_second);
  PrintSeries("bf16 dot products", "GFLOP/s", result.bf16_gflop_per_second);
  PrintSeries("int8 dot products", "GOP/s", result.int8_gop_per_second);
}

}  // namespace

int BenchMachine(const BenchMachineArguments& arguments) {
  if (arguments.rounds < 1 || arguments.rounds > kRoundsMax || arguments.buffer_mib < kBufferMibMin ||
      arguments.buffer_mib > kBufferMibMax) {
    Fail(base::InvalidArgument(
        fmt::format("--rounds is 1 to {}, --buffer {} to {}", kRoundsMax, kBufferMibMin, kBufferMibMax)));
    return kExitUsage;
  }
  const char* const forced = std::getenv("LOQUAT_FORCE_ISA");
  const auto result = RunMachineBenchmark({.buffer_bytes = std::size_t{arguments.buffer_mib} << 20U,
                                           .rounds = arguments.rounds,
                                           .threads = arguments.threads,
                                           .isa = forced == nullptr ? "" : forced});
  if (!result.has_value()) return Fail(result.error());
  if (arguments.json) {
    PrintJson(*result);
  } else {
    PrintText(*result);
  }
  return kExitOk;
}

}  // namespace loquat::app
