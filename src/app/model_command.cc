#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/model_tokenizer.h"
#include "app/progress_bar.h"
#include "model/arch/load.h"
#include "model/formats/inspect.h"
#include "model/formats/model_files.h"
#include "model/formats/verify.h"
#include "text/template/chat_template.h"
#include "text/tokenizer/tokenizer.h"

namespace loquat::app {
namespace {

constexpr std::chrono::seconds kPatience{1};  // What takes less shows no progress.

base::Error In(const std::string& path, std::string_view part, base::Error error) {
  error.message = fmt::format("{}: {}: {}", path, part, error.message);
  return error;
}

// What the weights' bytes alone do not show: whether the server could build tokenizer, chat template and forward pass.
base::Status CheckRuns(model::ModelFiles& files) {
  auto spec = TakeTokenizerSpec(files);
  if (!spec.has_value()) return In(files.path, "tokenizer", std::move(spec).error());
  std::string chat_template = std::move(files.chat_template);
  if (chat_template.empty() && *spec) chat_template = (*spec)->chat_template;
  if (*spec) {
    auto tokenizer = text::Tokenizer::Create(**std::move(spec));
    if (!tokenizer.has_value()) return In(files.path, "tokenizer", std::move(tokenizer).error());
  }
  if (!chat_template.empty()) {
    auto compiled = text::ChatTemplate::Compile(chat_template);
    if (!compiled.has_value()) return In(files.path, "chat template", std::move(compiled).error());
  }
  LOQUAT_TRY(model::LinearTensors(files.config, *files.weights));
  return {};
}

base::Result<model::VerifyReport> VerifyWithProgress(const model::Weights& weights) {
  const base::SystemClock clock;
  const base::TimePoint start = clock.Now();
  ProgressBar bar(STDERR_FILENO, clock);
  return model::VerifyModel(weights, [&](std::uint64_t done, std::uint64_t total) {
    if (clock.Now() - start > kPatience) bar.Show(static_cast<double>(done) / static_cast<double>(total), "verifying");
    return true;
  });
}

}  // namespace

int ModelInspect(const ModelArguments& arguments) {
  const auto description = model::InspectModel(arguments.path);
  if (!description.has_value()) return Fail(description.error());
  if (arguments.json) {
    fmt::print("{}\n", model::DescriptionJson(*description));
  } else {
    fmt::print("{}", model::DescriptionText(*description));
  }
  return kExitOk;
}

int ModelVerify(const ModelArguments& arguments) {
  // A packed file's bytes are held against their hashes as well.
  const auto verify = model::IsPackedFile(arguments.path) ? model::PackedVerify::kFull : model::PackedVerify::kLazy;
  auto files = model::OpenModel(arguments.path, {.verify = verify});
  if (!files.has_value()) return Fail(files.error());
  if (const base::Status runs = CheckRuns(*files); !runs.has_value()) return Fail(runs.error());
  const auto report = VerifyWithProgress(*files->weights);
  if (!report.has_value()) return Fail(report.error());
  if (arguments.json) {
    fmt::print("{}\n", model::VerifyJson(arguments.path, *report));
  } else {
    fmt::print("{}", model::VerifyText(arguments.path, *report));
  }
  return report->ok() ? kExitOk : kExitFailure;
}

}  // namespace loquat::app
