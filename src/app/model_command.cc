#include <fmt/format.h>
#include <unistd.h>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/progress_bar.h"
#include "model/formats/inspect.h"
#include "model/formats/model_files.h"
#include "model/formats/verify.h"

namespace loquat::app {

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
  const auto files = model::OpenModel(arguments.path);
  if (!files.has_value()) return Fail(files.error());
  const base::SystemClock clock;
  const auto report = [&] {
    ProgressBar bar(STDERR_FILENO, clock);
    return model::VerifyModel(*files->weights, [&](std::uint64_t done, std::uint64_t total) {
      bar.Show(static_cast<double>(done) / static_cast<double>(total), "verifying");
      return true;
    });
  }();
  if (!report.has_value()) return Fail(report.error());
  if (arguments.json) {
    fmt::print("{}\n", model::VerifyJson(arguments.path, *report));
  } else {
    fmt::print("{}", model::VerifyText(arguments.path, *report));
  }
  return report->ok() ? kExitOk : kExitFailure;
}

}  // namespace loquat::app
