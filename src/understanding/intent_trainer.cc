#include "understanding/intent_trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>

#include "base/mutex.h"
#include "understanding/intent_calibration.h"
#include "understanding/intent_corpus.h"
#include "understanding/intent_format.h"
#include "understanding/intent_learner.h"
#include "understanding/intent_packing.h"
#include "understanding/worker_team.h"

namespace loquat::understanding {
namespace {

// Hidden units: as many as pay off. Few classes need fewer, and each unit is a byte of every feature's row.
constexpr std::uint32_t kFewClasses = 64, kHiddenWidthFew = 64, kHiddenWidthMany = 128;
// How often training walks through the data: often where there is little, so that the number of steps stays in between.
constexpr std::uint64_t kLinearVisits = 380'000, kHiddenVisits = 220'000;
constexpr std::uint32_t kEpochsMin = 6, kEpochsMax = 60;
constexpr std::size_t kHeldOutFloatsMax = std::size_t{96} << 20;  // Scores kept for calibration, each layer.
// Up to here the verdict also learns from intents that a model was kept from seeing.
constexpr std::uint32_t kOutOfScopeEnough = 50;
constexpr std::uint32_t kForeignRuns = 2, kForeignGroups = 4;  // Each such run leaves out every fourth intent.
constexpr std::uint32_t kForeignIntentsMin = 3;
constexpr std::uint32_t kFull = kFolds;  // The "fold" that leaves nothing out.

std::uint32_t Epochs(std::uint64_t visits, std::size_t examples) {
  return static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(visits / std::max<std::size_t>(examples, 1), kEpochsMin, kEpochsMax));
}

std::uint32_t PadToLanes(std::size_t n) {
  return static_cast<std::uint32_t>((n + kernels::kLanes - 1) / kernels::kLanes * kernels::kLanes);
}

enum class Half : std::uint8_t { kLinear, kHidden };

// One training run of one layer. `fold`: without that fold's examples; kFull: with all; kFull + 1 + g: without every
// kForeignGroups-th intent from the g-th on.
struct Job {
  std::uint32_t fold;
  Half half;
};

class IntentTrainingRun {
 public:
  IntentTrainingRun(const IntentCorpus& corpus, const IntentTrainOptions& options, const kernels::RowKernels& kernels)
      : corpus_(corpus), options_(options), kernels_(kernels) {
    class_width_ = PadToLanes(corpus.classes());
    hidden_width_ = corpus.classes() <= kFewClasses ? kHiddenWidthFew : kHiddenWidthMany;
    const std::size_t row_bytes = class_width_ + hidden_width_ + 5 * sizeof(std::uint32_t);
    features_max_ = std::max<std::size_t>(options.model_bytes_max / row_bytes, 64);
  }

  base::Status Run(IntentTraining& training);

 private:
  std::vector<std::uint32_t> Members(std::uint32_t fold, bool held_out) const;
  LearnOptions OptionsFor(const Job& job, std::size_t examples, std::size_t features);
  void Prepare(bool foreign);
  void RunJob(const Job& job);
  bool EpochDone(double share);

  const IntentCorpus& corpus_;
  const IntentTrainOptions& options_;
  const kernels::RowKernels& kernels_;
  std::uint32_t class_width_ = 0;
  std::uint32_t hidden_width_ = 0;
  std::size_t features_max_ = 0;
  std::size_t jobs_ = 1;
  HeldOut held_out_;                         // Each fold's job writes its own examples' rows.
  std::vector<std::uint32_t> held_out_row_;  // [example] -> row of held_out_, or kNone.
  HeldOut foreign_;                          // Likewise, by models kept from the example's intent.
  std::vector<std::uint32_t> foreign_row_;   // [example] -> row of foreign_, or kNone.
  Vocabulary vocabulary_;                    // Of the full runs.
  LinearLayer linear_;
  HiddenLayer hidden_;
  std::atomic<bool> cancelled_{false};  // Relaxed: a hint to stop early, checked once more after all have joined.
  base::Mutex progress_mutex_;
  double progress_ LOQUAT_GUARDED_BY(progress_mutex_) = 0;
};

std::vector<std::uint32_t> IntentTrainingRun::Members(std::uint32_t fold, bool held_out) const {
  std::vector<std::uint32_t> members;
  for (std::uint32_t e = 0; e < corpus_.size(); ++e) {
    const std::uint32_t label = corpus_.labels[e];
    if (fold > kFull) {
      const bool foreign = label < corpus_.intents.size() && label % kForeignGroups == fold - kFull - 1;
      if (held_out ? foreign && held_out_row_[e] != Vocabulary::kNone
                   : !foreign && label != IntentCorpus::kOutOfScopeLabel) {
        members.push_back(e);
      }
    } else if (held_out) {
      if (corpus_.folds[e] == fold && held_out_row_[e] != Vocabulary::kNone) members.push_back(e);
    } else if (corpus_.folds[e] != fold && label != IntentCorpus::kOutOfScopeLabel) {
      members.push_back(e);
    }
  }
  return members;
}

LearnOptions IntentTrainingRun::OptionsFor(const Job& job, std::size_t examples, std::size_t features) {
  LearnOptions learn{.classes = corpus_.classes(),
                     .class_width = class_width_,
                     .hidden_width = hidden_width_,
                     .features = static_cast<std::uint32_t>(features),
                     .seed = options_.seed * 1000 + job.fold * 2 + static_cast<std::uint64_t>(job.half),
                     .kernels = &kernels_,
                     .epoch_done = {}};
  if (job.half == Half::kLinear) {
    learn.epochs = Epochs(kLinearVisits, examples);
  } else {
    learn.epochs = Epochs(kHiddenVisits, examples);
    learn.rate = 0.05F;
    learn.feature_dropout = 0.35F;
  }
  const double share = 1.0 / (static_cast<double>(jobs_) * learn.epochs);
  learn.epoch_done = [this, share] { return EpochDone(share); };
  return learn;
}

bool IntentTrainingRun::EpochDone(double share) {
  const base::MutexLock lock(progress_mutex_);
  progress_ = std::min(progress_ + share, 1.0);
  if (options_.progress && !options_.progress(progress_)) cancelled_.store(true, std::memory_order_relaxed);
  return !cancelled_.load(std::memory_order_relaxed);
}

void IntentTrainingRun::RunJob(const Job& job) {
  if (cancelled_.load(std::memory_order_relaxed)) return;
  const std::vector<std::uint32_t> members = Members(job.fold, false);
  Vocabulary vocabulary = BuildVocabulary(corpus_, members, features_max_);
  const EncodedExamples examples = Encode(corpus_, vocabulary, members);
  const LearnOptions learn = OptionsFor(job, members.size(), vocabulary.features.size());
  LinearLayer linear;
  HiddenLayer hidden;
  (job.half == Half::kLinear) ? void(linear = LearnLinear(examples, learn))
                              : void(hidden = LearnHidden(examples, learn));
  if (job.fold == kFull) {
    if (job.half == Half::kHidden) {
      hidden_ = std::move(hidden);
    } else {
      linear_ = std::move(linear);
      vocabulary_ = std::move(vocabulary);
    }
    return;
  }
  const std::vector<std::uint32_t> left_out = Members(job.fold, true);
  const EncodedExamples queries = Encode(corpus_, vocabulary, left_out);
  HeldOut& out = job.fold > kFull ? foreign_ : held_out_;
  for (std::size_t i = 0; i < left_out.size(); ++i) {
    const std::size_t row = (job.fold > kFull ? foreign_row_ : held_out_row_)[left_out[i]];
    if (job.half == Half::kLinear) {
      ScoreLinear(linear, queries, i, kernels_, std::span(out.linear).subspan(row * class_width_, class_width_));
      out.coverage[row] = CoverageOf(corpus_, vocabulary, left_out[i]);
    } else {
      ScoreHidden(hidden, queries, i, kernels_, std::span(out.hidden).subspan(row * class_width_, class_width_));
    }
  }
}

void IntentTrainingRun::Prepare(bool foreign) {
  const std::size_t stride = corpus_.size() * class_width_ / kHeldOutFloatsMax + 1;
  held_out_row_.assign(corpus_.size(), Vocabulary::kNone);
  foreign_row_ = held_out_row_;
  const auto intents = static_cast<std::uint32_t>(corpus_.intents.size());
  for (std::size_t e = 0; e < corpus_.size(); e += stride) {
    held_out_row_[e] = static_cast<std::uint32_t>(held_out_.labels.size());
    held_out_.labels.push_back(corpus_.labels[e]);
    if (!foreign || corpus_.labels[e] >= intents || corpus_.labels[e] % kForeignGroups >= kForeignRuns) continue;
    foreign_row_[e] = static_cast<std::uint32_t>(foreign_.labels.size());
    foreign_.labels.push_back(IntentCorpus::kOutOfScopeLabel);
  }
  for (HeldOut* out : {&held_out_, &foreign_}) {
    out->intents = intents;
    out->class_width = class_width_;
    out->out_of_scope_class = corpus_.out_of_scope_class;
    out->coverage.resize(out->size());
    out->linear.resize(out->size() * class_width_);
    out->hidden.resize(out->size() * class_width_);
  }
}

base::Status IntentTrainingRun::Run(IntentTraining& training) {
  const bool judged = options_.calibration == nullptr;
  const bool foreign =
      judged && corpus_.out_of_scope_examples < kOutOfScopeEnough && corpus_.intents.size() >= kForeignIntentsMin;
  Prepare(foreign);
  std::vector<Job> jobs;
  jobs.push_back({kFull, Half::kLinear});  // The longest first.
  jobs.push_back({kFull, Half::kHidden});
  for (std::uint32_t fold = 0; fold <= kFull + (foreign ? kForeignRuns : 0); ++fold) {
    if (fold == kFull || !judged) continue;
    jobs.push_back({fold, Half::kLinear});
    jobs.push_back({fold, Half::kHidden});
  }
  jobs_ = jobs.size();
  WorkerTeam team(options_.threads);
  team.Run(static_cast<std::uint32_t>(jobs.size()), [&](std::uint32_t i) { RunJob(jobs[i]); });
  if (cancelled_.load(std::memory_order_relaxed)) {
    return base::Error{.code = base::Code::kCancelled, .message = "training was stopped", .reason = "cancelled"};
  }
  const IntentHeader header{
      .intents = held_out_.intents,
      .out_of_scope = corpus_.out_of_scope_class ? 1U : 0U,
      .class_width = class_width_,
      .hidden_width = hidden_width_,
      .features = static_cast<std::uint32_t>(vocabulary_.features.size()),
      .calibration = judged ? FitCalibration(held_out_, foreign_, options_.rejected_max) : *options_.calibration};
  if (judged) training.metrics = MeasureCalibration(held_out_, header.calibration);
  training.calibration = header.calibration;
  training.features = header.features;
  training.sections = PackIntentSections(header, corpus_, vocabulary_, linear_, hidden_);
  return {};
}

}  // namespace

base::Result<IntentTraining> TrainIntents(const Dataset& dataset, const IntentTrainOptions& options) {
  LOQUAT_ASSIGN(const kernels::Isa isa, kernels::ChooseIsa(options.force_isa));
  const IntentCorpus corpus = BuildIntentCorpus(dataset);
  if (corpus.intents.size() < 2) {
    return base::InvalidArgument(fmt::format("the data has {} intent(s) besides {}: a classifier needs at least two",
                                             corpus.intents.size(), kOutOfScopeIntent));
  }
  IntentTraining training;
  training.intents = corpus.intents;
  training.out_of_scope_examples = corpus.out_of_scope_examples;
  IntentTrainingRun run(corpus, options, kernels::RowKernelsFor(isa));
  LOQUAT_TRY(run.Run(training));
  return training;
}

}  // namespace loquat::understanding
