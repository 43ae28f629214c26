#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <optional>
#include <utility>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/model_tokenizer.h"
#include "app/progress_bar.h"
#include "base/json_writer.h"
#include "model/arch/load.h"
#include "model/formats/model_files.h"
#include "model/packed/packed_writer.h"
#include "text/tokenizer/tokenizer_tables.h"

namespace loquat::app {
namespace {

constexpr std::chrono::seconds kPatience{1};  // What takes less shows no progress.

base::Result<model::PackReport> Pack(const ModelPackArguments& arguments) {
  LOQUAT_ASSIGN(model::ModelFiles files, model::OpenModel(arguments.path));
  if (files.format == model::FileFormat::kPacked) {
    return base::InvalidArgument(fmt::format(
        "{} is packed already; pack the GGUF file or folder that it was made from, or copy it", arguments.path));
  }
  LOQUAT_ASSIGN(const std::vector<std::string> linear, model::LinearTensors(files.config, *files.weights));
  LOQUAT_ASSIGN(std::optional<text::TokenizerSpec> spec, TakeTokenizerSpec(files));
  if (files.chat_template.empty() && spec) files.chat_template = std::move(spec->chat_template);
  std::string tokenizer;
  if (spec) {
    auto written = text::WriteTokenizerTables(*spec);
    if (!written.has_value()) {
      base::Error error = std::move(written).error();
      error.message = fmt::format("{}: tokenizer: {}", arguments.path, error.message);
      return error;
    }
    tokenizer = *std::move(written);
  }
  const model::PackSource source{.config = std::move(files.config),
                                 .metadata = std::move(files.metadata),
                                 .chat_template = std::move(files.chat_template),
                                 .tokenizer = tokenizer,
                                 .weights = *files.weights,
                                 .linear_tensors = linear};
  using Existing = base::AtomicFile::Existing;
  const base::SystemClock clock;
  const base::TimePoint start = clock.Now();
  ProgressBar bar(STDERR_FILENO, clock);
  return model::WritePacked(arguments.out, source,
                            {.existing = arguments.force ? Existing::kReplace : Existing::kRefuse},
                            [&](std::uint64_t done, std::uint64_t total) {
                              if (clock.Now() - start > kPatience)
                                bar.Show(static_cast<double>(done) / static_cast<double>(total), "packing");
                            });
}

void PrintJson(const std::string& out, const model::PackReport& report) {
  std::string text;
  base::JsonWriter json(text);
  json.BeginObject();
  json.Key("path");
  json.String(out);
  const auto number = [&](std::string_view key, std::uint64_t value) {
    json.Key(key);
    json.Uint(value);
  };
  number("bytes", report.file_bytes);
  number("weight_bytes", report.weights_bytes);
  number("chunks", report.chunks);
  number("tensors", report.tensors);
  number("tensors_in_panels", report.tensors_in_panels);
  json.EndObject();
  fmt::print("{}\n", text);
}

}  // namespace

int ModelPack(const ModelPackArguments& arguments) {
  // A file that passes the limit of this process is an error to report, not one to die of.
  std::signal(SIGXFSZ, SIG_IGN);
  auto report = Pack(arguments);
  if (!report.has_value()) {
    base::Error error = std::move(report).error();
    if (error.code == base::Code::kAlreadyExists) error.message += "; replace it with --force";
    return Fail(error);
  }
  if (arguments.json) {
    PrintJson(arguments.out, *report);
  } else {
    fmt::print("{}: {:.1f} MB in {} chunks, {} tensors, {} of them in panels\n", arguments.out,
               static_cast<double>(report->file_bytes) / 1e6, report->chunks, report->tensors,
               report->tensors_in_panels);
  }
  return kExitOk;
}

}  // namespace loquat::app
