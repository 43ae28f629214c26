#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/model_sample.h"
#include "app/progress_bar.h"
#include "base/json_writer.h"
#include "model/quant/calibration.h"
#include "model/quant/quantize_model.h"
#include "model/quant/quantize_report.h"

namespace loquat::app {
namespace {

constexpr std::chrono::seconds kPatience{1};  // What takes less shows no progress.
constexpr int kExitInterrupted = 130;         // As a shell reports a death by SIGINT.

// While it lives, SIGINT and SIGTERM wait to be asked for, so that a file that is half written can be taken away, and
// a file that grows past the process's limit is an error of write() and not the end of the program. Made before any
// thread starts.
class SignalGuard {
 public:
  SignalGuard() {
    sigemptyset(&ends_);
    sigaddset(&ends_, SIGINT);
    sigaddset(&ends_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends_, &before_);
    size_before_ = std::signal(SIGXFSZ, SIG_IGN);
  }
  ~SignalGuard() {
    std::signal(SIGXFSZ, size_before_);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  SignalGuard(const SignalGuard&) = delete;
  SignalGuard& operator=(const SignalGuard&) = delete;

  // Whether the user has asked for the end.
  bool Interrupted() {
    constexpr timespec kNow{};
    interrupted_ = interrupted_ || sigtimedwait(&ends_, nullptr, &kNow) > 0;
    return interrupted_;
  }

 private:
  sigset_t ends_, before_;
  void (*size_before_)(int) = nullptr;
  bool interrupted_ = false;
};

int ExitCodeOf(base::Error error) {
  if (error.code == base::Code::kAlreadyExists) error.message += "; replace it with --force";
  const int code = Fail(error);
  return error.code == base::Code::kCancelled ? kExitInterrupted : code;
}

base::Result<model::QuantizePlanOptions> PlanOptions(const QuantizeArguments& arguments) {
  model::QuantizePlanOptions options;
  LOQUAT_ASSIGN(options.type, model::ReadQuantizedType(arguments.type));
  for (const std::string& text : arguments.keep) {
    LOQUAT_ASSIGN(model::KeepRule rule, model::ReadKeepRule(text));
    options.keep.push_back(std::move(rule));
  }
  return options;
}

// "q4_0: 14 tensors; q8_0: 1; f32: 5".
std::string PlanText(const std::vector<model::PlannedTensor>& plan) {
  std::array<std::size_t, kernels::kWeightTypes> counts{};
  for (const model::PlannedTensor& planned : plan) ++counts[static_cast<std::size_t>(planned.to)];
  std::string text;
  for (std::size_t i = counts.size(); i-- > 0;) {
    if (counts[i] == 0) continue;
    text += fmt::format("{}{} of {}", text.empty() ? "" : ", ", counts[i], kernels::kWeightLayouts[i].name);
  }
  return text;
}

void Print(const QuantizeArguments& arguments, const model::QuantizeReport& report,
           const std::optional<model::ModelComparison>& comparison) {
  if (!arguments.json) {
    fmt::print("{}{}", model::ReportText(report), comparison ? model::ComparisonText(*comparison) : "");
    return;
  }
  std::string out;
  base::JsonWriter json(out);
  json.BeginObject();
  model::WriteReport(report, json);
  if (comparison) {
    json.Key("comparison");
    json.BeginObject();
    model::WriteComparison(*comparison, json);
    json.EndObject();
  }
  json.EndObject();
  fmt::print("{}\n", out);
}

// One run of the command, step by step.
class Quantization {
 public:
  Quantization(const QuantizeArguments& arguments, SignalGuard& signals)
      : arguments_(arguments), signals_(signals), team_({.threads = arguments.threads}) {}

  base::Status Run(const model::QuantizePlanOptions& options) {
    LOQUAT_ASSIGN(const model::QuantizeSource source, model::OpenQuantizeSource(arguments_.in, arguments_.requantize));
    LOQUAT_ASSIGN(const std::vector<model::PlannedTensor> plan,
                  model::PlanQuantization(source.weights->tensors(), options));
    const model::QuantizeTarget target{
        .path = arguments_.out,
        .existing = arguments_.force ? base::AtomicFile::Existing::kReplace : base::AtomicFile::Existing::kRefuse,
        .type = options.type};
    LOQUAT_TRY(model::CheckQuantizeTarget(source, target));
    // Read before the work, so that a text that is not there is said before it.
    model::TokenWindows judged;
    if (!arguments_.evaluate.empty()) {
      LOQUAT_ASSIGN(judged, ReadWindows(source.files, arguments_.evaluate));
    }
    if (arguments_.requantize) {
      fmt::print(stderr,
                 "loquat: warning: weights that were rounded once are rounded again; the model loses more than if it "
                 "were made from the F32, F16 or BF16 one\n");
    }
    fmt::print(stderr, "plan: {} tensors: {}\n", plan.size(), PlanText(plan));
    LOQUAT_ASSIGN(const model::Importance importance, Calibrated(source));
    LOQUAT_ASSIGN(const model::QuantizeReport report, Write(source, plan, importance, target));
    std::optional<model::ModelComparison> comparison;
    if (!judged.empty()) {
      LOQUAT_ASSIGN(comparison, Compared(source, judged));
    }
    Print(arguments_, report, comparison);
    return {};
  }

 private:
  // Calls work(progress), where progress(done, total, what) draws and says whether to go on.
  template <typename Work>
  auto WithProgress(Work&& work) {
    const base::SystemClock clock;
    const base::TimePoint start = clock.Now();
    ProgressBar bar(STDERR_FILENO, clock);
    return work([&](std::uint64_t done, std::uint64_t total, std::string_view what) {
      if (clock.Now() - start > kPatience) bar.Show(static_cast<double>(done) / static_cast<double>(total), what);
      return !signals_.Interrupted();
    });
  }

  base::Result<model::Importance> Calibrated(const model::QuantizeSource& source) {
    if (arguments_.calibrate.empty()) return model::Importance();
    LOQUAT_ASSIGN(const model::TokenWindows windows, ReadWindows(source.files, arguments_.calibrate));
    return WithProgress([&](const auto& progress) {
      return model::Calibrate(source, windows, team_, [&](std::uint64_t done, std::uint64_t total) {
        return progress(done, total, "calibrating");
      });
    });
  }

  base::Result<model::QuantizeReport> Write(const model::QuantizeSource& source,
                                            std::span<const model::PlannedTensor> plan,
                                            const model::Importance& importance, const model::QuantizeTarget& target) {
    return WithProgress(
        [&](const auto& progress) { return model::QuantizeModel(source, plan, importance, target, team_, progress); });
  }

  base::Result<model::ModelComparison> Compared(const model::QuantizeSource& source,
                                                const model::TokenWindows& windows) {
    LOQUAT_ASSIGN(model::ModelFiles made, model::OpenModel(arguments_.out));
    const model::ComparedModel before{.path = arguments_.in, .config = source.files.config, .weights = source.weights};
    const model::ComparedModel after{.path = arguments_.out, .config = made.config, .weights = std::move(made.weights)};
    return CompareWithProgress(before, after, windows, team_, [this] { return !signals_.Interrupted(); });
  }

  const QuantizeArguments& arguments_;
  SignalGuard& signals_;
  kernels::ThreadTeam team_;
};

}  // namespace

int ModelQuantize(const QuantizeArguments& arguments) {
  const auto options = PlanOptions(arguments);
  if (!options.has_value()) {
    Fail(options.error());
    return kExitUsage;
  }
  SignalGuard signals;
  const base::Status done = Quantization(arguments, signals).Run(*options);
  return done.has_value() ? kExitOk : ExitCodeOf(done.error());
}

}  // namespace loquat::app
