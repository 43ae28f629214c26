#include <fmt/format.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/progress_bar.h"
#include "base/file.h"
#include "base/strings.h"
#include "understanding/dataset_reader.h"
#include "understanding/evaluation.h"
#include "understanding/incremental_evaluation.h"
#include "understanding/understander.h"

namespace loquat::app {
namespace {

constexpr std::size_t kForeignFileBytesMax = std::size_t{64} << 20;

// Each line that is neither empty nor a comment is an utterance that no intent covers.
base::Status AddForeignLines(const std::string& path, understanding::Dataset& dataset) {
  LOQUAT_ASSIGN(const std::string text, base::ReadFile(path, kForeignFileBytesMax));
  std::uint32_t number = 0;
  for (const std::string_view line : base::Split(text, '\n')) {
    ++number;
    const std::string_view utterance = base::TrimAscii(line);
    if (utterance.empty() || utterance.starts_with('#')) continue;
    understanding::Example example;
    example.text = utterance;
    example.intent = understanding::kOutOfScopeIntent;
    example.line = number;
    dataset.examples.push_back(std::move(example));
  }
  return {};
}

struct Subject {
  understanding::Dataset dataset;
  std::shared_ptr<const understanding::Understander> understander;
};

base::Result<Subject> Load(const EvalArguments& arguments) {
  Subject subject;
  LOQUAT_ASSIGN(subject.dataset, understanding::ReadDataset(arguments.files));
  for (const std::string& file : arguments.out_of_scope) LOQUAT_TRY(AddForeignLines(file, subject.dataset));
  LOQUAT_ASSIGN(const std::string path, ModelPathOr(arguments.model));
  LOQUAT_ASSIGN(subject.understander, understanding::Understander::Load(path, ForcedIsa()));
  return subject;
}

base::Result<understanding::Evaluation> Run(const EvalArguments& arguments) {
  LOQUAT_ASSIGN(const Subject subject, Load(arguments));
  const base::SystemClock clock;
  ProgressBar bar(STDERR_FILENO, clock);
  const auto make = [&]() -> understanding::UnderstandFunction {
    auto workspace = std::make_shared<understanding::WorkspacePtr>(understanding::Understander::NewWorkspace());
    return [&subject, workspace](std::string_view text, domain::Frame& frame) {
      domain::Utterance utterance;
      utterance.text = text;
      return subject.understander->Understand(utterance, {}, **workspace, frame);
    };
  };
  const auto progress = [&](double fraction) {
    bar.Show(fraction, "evaluating");
    return true;
  };
  return understanding::Evaluate(make, subject.dataset, {.threads = arguments.threads, .progress = progress});
}

base::Result<understanding::IncrementalEvaluation> RunIncremental(const EvalArguments& arguments) {
  LOQUAT_ASSIGN(const Subject subject, Load(arguments));
  const base::SystemClock clock;
  ProgressBar bar(STDERR_FILENO, clock);
  understanding::IncrementalEvaluateOptions options;
  options.understand.early_risk_max = arguments.early_risk_max;
  options.progress = [&](double fraction) {
    bar.Show(fraction, "evaluating");
    return true;
  };
  return understanding::EvaluateIncremental(*subject.understander, subject.dataset, options);
}

int EvalIncremental(const EvalArguments& arguments) {
  const auto evaluation = RunIncremental(arguments);
  if (!evaluation.has_value()) return Fail(evaluation.error());
  std::string out;
  if (arguments.json) {
    understanding::WriteIncrementalJson(*evaluation, out);
    out += '\n';
  } else {
    understanding::WriteIncrementalText(*evaluation, out);
  }
  fmt::print("{}", out);
  return kExitOk;
}

}  // namespace

int Eval(const EvalArguments& arguments) {
  if (arguments.incremental) return EvalIncremental(arguments);
  const auto evaluation = Run(arguments);
  if (!evaluation.has_value()) return Fail(evaluation.error());
  std::string out;
  if (arguments.json) {
    understanding::WriteEvaluationJson(*evaluation, out);
    out += '\n';
  } else {
    understanding::WriteEvaluationText(*evaluation, out);
  }
  fmt::print("{}", out);
  return kExitOk;
}

}  // namespace loquat::app
