#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <utility>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/progress_bar.h"
#include "base/json_writer.h"
#include "understanding/dataset_reader.h"
#include "understanding/trainer.h"

namespace loquat::app {
namespace {

void PrintJson(const understanding::TrainSummary& summary, const std::string& out_dir) {
  std::string out;
  base::JsonWriter json(out);
  const auto count = [&](std::string_view key, std::uint64_t value) {
    json.Key(key);
    json.Uint(value);
  };
  json.BeginObject();
  json.Key("model");
  json.String(out_dir);
  count("examples", summary.examples);
  count("out_of_scope_examples", summary.out_of_scope_examples);
  count("intents", summary.intents);
  count("intent_features", summary.intent_features);
  count("slot_names", summary.slot_names);
  count("model_bytes", summary.model_bytes);
  json.Key("seconds");
  json.Fixed(summary.seconds, 3);
  json.Key("metrics");
  json.BeginObject();
  for (const auto& [name, value] : summary.metrics) {
    json.Key(name);
    json.Double(value);
  }
  json.EndObject();
  json.Key("warnings");
  json.BeginArray();
  for (const std::string& warning : summary.warnings) json.String(warning);
  json.EndArray();
  json.EndObject();
  fmt::print("{}\n", out);
}

void PrintText(const understanding::TrainSummary& summary, const std::string& out_dir) {
  fmt::print("trained {} intents and {} slots on {} examples ({} out of scope) in {:.1f} s\n", summary.intents,
             summary.slot_names, summary.examples, summary.out_of_scope_examples, summary.seconds);
  for (const auto& [name, value] : summary.metrics) fmt::print("  {:<28} {:.4f}\n", name, value);
  fmt::print("{}: {:.1f} MB\n", out_dir, static_cast<double>(summary.model_bytes) / 1e6);
}

}  // namespace

int Train(const TrainArguments& arguments) {
  auto dataset = understanding::ReadDataset(arguments.files);
  if (!dataset.has_value()) return Fail(dataset.error());
  const base::SystemClock clock;
  understanding::TrainOptions options{
      .threads = arguments.threads, .seed = arguments.seed, .rejected_max = arguments.rejected_max};
  if (arguments.intent_bytes_max > 0) options.intent_bytes_max = arguments.intent_bytes_max;
  if (arguments.slot_bytes_max > 0) options.slot_bytes_max = arguments.slot_bytes_max;
  base::Result<understanding::TrainSummary> summary = base::Internal("training did not start");
  {
    ProgressBar bar(STDERR_FILENO, clock);
    options.progress = [&](const understanding::TrainProgress& progress) {
      bar.Show(progress.fraction, progress.stage);
      return true;
    };
    summary = understanding::Train(*dataset, arguments.out, options);
  }
  if (!summary.has_value()) return Fail(summary.error());
  for (const std::string& warning : summary->warnings) fmt::print(stderr, "loquat: warning: {}\n", warning);
  if (arguments.json) {
    PrintJson(*summary, arguments.out);
  } else {
    PrintText(*summary, arguments.out);
  }
  return kExitOk;
}

}  // namespace loquat::app
