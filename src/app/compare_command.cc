#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <utility>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/model_sample.h"
#include "app/progress_bar.h"
#include "base/file.h"
#include "base/json_writer.h"
#include "kernels/isa.h"

namespace loquat::app {
namespace {

constexpr std::chrono::seconds kPatience{1};  // What takes less shows no progress.

model::ComparedModel Compared(model::ModelFiles& files, model::KvType kv_type = model::KvType::kF16) {
  return {.path = files.path, .config = files.config, .weights = std::move(files.weights), .kv_type = kv_type};
}

// REQUIRES: a name of models[].kv_type, or none.
model::KvType KvTypeOf(std::string_view name) {
  if (name == "int8") return model::KvType::kInt8;
  return name == "bf16" ? model::KvType::kBF16 : model::KvType::kF16;
}

base::Status Compare(const CompareArguments& arguments) {
  LOQUAT_ASSIGN(model::ModelFiles before, model::OpenModel(arguments.before));
  LOQUAT_ASSIGN(model::ModelFiles after, model::OpenModel(arguments.after));
  LOQUAT_ASSIGN(const model::TokenWindows windows, ReadWindows(before, arguments.text));
  kernels::ThreadTeam team({.threads = arguments.threads});
  LOQUAT_ASSIGN(const model::ModelComparison comparison,
                CompareWithProgress(Compared(before), Compared(after, KvTypeOf(arguments.kv_type)), windows, team,
                                    [] { return true; }));
  if (!arguments.json) {
    fmt::print("{}", model::ComparisonText(comparison));
    return {};
  }
  std::string out;
  base::JsonWriter json(out);
  json.BeginObject();
  json.Key("before");
  json.String(arguments.before);
  json.Key("after");
  json.String(arguments.after);
  model::WriteComparison(comparison, json);
  json.EndObject();
  fmt::print("{}\n", out);
  return {};
}

}  // namespace

base::Result<model::TokenWindows> ReadWindows(const model::ModelFiles& files, const std::string& path) {
  LOQUAT_ASSIGN(const auto tokenizer, model::MakeTokenizer(files));
  LOQUAT_ASSIGN(const std::string text, base::ReadFile(path, model::kSampleTextBytesMax));
  auto windows = model::CutText(*tokenizer, files.config, text);
  if (windows.has_value()) return windows;
  base::Error error = std::move(windows).error();
  error.message = fmt::format("{}: {}", path, error.message);
  return error;
}

base::Result<model::ModelComparison> CompareWithProgress(const model::ComparedModel& before,
                                                         const model::ComparedModel& after,
                                                         const model::TokenWindows& windows, kernels::ThreadTeam& team,
                                                         const std::function<bool()>& go_on) {
  const char* const forced = std::getenv("LOQUAT_FORCE_ISA");
  LOQUAT_ASSIGN(const kernels::Isa isa, kernels::ChooseIsa(forced == nullptr ? "" : forced));
  const base::SystemClock clock;
  const base::TimePoint start = clock.Now();
  ProgressBar bar(STDERR_FILENO, clock);
  return model::CompareModels(before, after, windows, isa, team, [&](std::uint64_t done, std::uint64_t total) {
    if (clock.Now() - start > kPatience) bar.Show(static_cast<double>(done) / static_cast<double>(total), "comparing");
    return go_on();
  });
}

int ModelCompare(const CompareArguments& arguments) {
  const base::Status done = Compare(arguments);
  return done.has_value() ? kExitOk : Fail(done.error());
}

}  // namespace loquat::app
