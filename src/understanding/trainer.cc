#include "understanding/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/digest.h"
#include "base/hex.h"
#include "understanding/intent_format.h"
#include "understanding/intent_trainer.h"
#include "understanding/model_folder.h"
#include "understanding/slot_trainer.h"
#include "understanding/stability_trainer.h"

namespace loquat::understanding {
namespace {

// Parts of the progress, as long as each takes: the intents, the slots, and both again for what is stable.
constexpr double kIntentWork = 6, kSlotWork = 4, kStabilityWork = 4;

// SHA-256 of everything training reads, each field ended by a zero byte, which no field holds.
std::string DataHash(const Dataset& dataset) {
  base::Sha256 hash;
  const auto field = [&hash](std::string_view text) {
    hash.Update(text);
    hash.Update(std::string_view("\0", 1));
  };
  for (const Example& example : dataset.examples) {
    field(example.intent);
    field(example.text);
    for (const EntityMention& mention : example.entities) {
      field(fmt::format("{}-{}", mention.byte_begin, mention.byte_end));
      for (const std::string* part : {&mention.entity, &mention.role, &mention.group, &mention.value}) field(*part);
    }
  }
  for (const Synonym& synonym : dataset.synonyms) {
    field(synonym.surface);
    field(synonym.canonical);
  }
  for (const NamedRegex& regex : dataset.regexes) {
    field(regex.name);
    field(regex.pattern);
  }
  for (const Lookup& lookup : dataset.lookups) {
    field(lookup.entity);
    for (const std::string& value : lookup.values) field(value);
  }
  return base::EncodeHex(hash.Finish());
}

struct Plan {
  bool intents = false;
  bool slots = false;
  bool stability = false;
};

base::Result<Plan> PlanFor(const Dataset& dataset, const TrainOptions& options) {
  Plan plan;
  std::string_view first;
  for (const Example& example : dataset.examples) {
    plan.slots |= !example.entities.empty();
    if (example.intent.empty() || example.intent == kOutOfScopeIntent) continue;
    if (first.empty()) first = example.intent;
    plan.intents |= example.intent != first;
  }
  plan.intents &= options.intents;
  plan.slots &= options.slots;
  plan.stability = plan.intents && options.stability;
  if (plan.intents || plan.slots) return plan;
  return base::InvalidArgument(fmt::format(
      "{} examples hold nothing to learn: label at least two intents, or annotate entities", dataset.examples.size()));
}

class Reporter {
 public:
  explicit Reporter(const TrainOptions& options) : options_(options) {}
  // A part of the whole that reports as `stage` between two fractions.
  std::function<bool(double)> Part(std::string_view stage, double from, double to) const {
    if (!options_.progress) return nullptr;
    return [this, stage, from, to](double done) { return Report(stage, from + (to - from) * done); };
  }
  bool Report(std::string_view stage, double fraction) const {
    return !options_.progress || options_.progress({.stage = stage, .fraction = fraction});
  }

 private:
  const TrainOptions& options_;
};

base::Status AddIntents(const Dataset& dataset, const TrainOptions& options, std::function<bool(double)> progress,
                        ModelFolderWriter& writer, TrainSummary& summary, IntentCalibration& calibration) {
  IntentTrainOptions train{.threads = options.threads,
                           .seed = options.seed,
                           .model_bytes_max = options.intent_bytes_max,
                           .rejected_max = options.rejected_max,
                           .calibration = nullptr,
                           .force_isa = {},
                           .progress = std::move(progress)};
  LOQUAT_ASSIGN(IntentTraining training, TrainIntents(dataset, train));
  for (const auto& [name, bytes] : training.sections) writer.AddSection(name, bytes);
  ModelManifest& manifest = writer.manifest();
  manifest.features.emplace_back("intent", "words, pairs, skips of 1 and 2, character 2- to 5-grams");
  manifest.features.emplace_back("intent_model", "int8 linear layer and embedding bag with one hidden layer, averaged");
  manifest.metrics.insert(manifest.metrics.end(), training.metrics.begin(), training.metrics.end());
  summary.intents = training.intents.size();
  summary.intent_features = training.features;
  summary.out_of_scope_examples = training.out_of_scope_examples;
  summary.warnings.insert(summary.warnings.end(), training.warnings.begin(), training.warnings.end());
  manifest.intents = std::move(training.intents);
  calibration = training.calibration;
  return {};
}

base::Status AddSlots(const Dataset& dataset, const TrainOptions& options, std::function<bool(double)> progress,
                      ModelFolderWriter& writer, TrainSummary& summary) {
  SlotTrainOptions train;
  train.model_bytes_max = options.slot_bytes_max;
  train.threads = options.threads;
  train.seed = options.seed;
  train.progress = std::move(progress);
  LOQUAT_ASSIGN(SlotTraining training, TrainSlots(dataset, train));
  writer.AddSection(std::string(kSlotSection), training.section);
  ModelManifest& manifest = writer.manifest();
  manifest.features.emplace_back("slots", "words, shapes, affixes, gazetteers and patterns in a linear-chain CRF");
  manifest.metrics.insert(manifest.metrics.end(), training.metrics.begin(), training.metrics.end());
  summary.slot_names = training.slot_names.size();
  summary.warnings.insert(summary.warnings.end(), training.warnings.begin(), training.warnings.end());
  manifest.slots = std::move(training.slot_names);
  return {};
}

// A model of the same kind that never saw the examples held out.
base::Result<std::shared_ptr<const Understander>> TrainReader(const Dataset& kept, const Plan& plan,
                                                              const TrainOptions& options,
                                                              const IntentCalibration& calibration,
                                                              const std::function<bool(double)>& progress) {
  const double slot_share = plan.slots ? 0.5 : 0;
  ModelFolderWriter writer;
  IntentTrainOptions intents{.threads = options.threads,
                             .seed = options.seed,
                             .model_bytes_max = options.intent_bytes_max,
                             .rejected_max = options.rejected_max,
                             .calibration = &calibration,
                             .force_isa = {},
                             .progress = {}};
  if (progress) intents.progress = [&](double done) { return progress((1 - slot_share) * done); };
  LOQUAT_ASSIGN(IntentTraining training, TrainIntents(kept, intents));
  for (const auto& [name, bytes] : training.sections) writer.AddSection(name, bytes);
  writer.manifest().intents = std::move(training.intents);
  const bool annotated = std::ranges::any_of(kept.examples, [](const Example& e) { return !e.entities.empty(); });
  if (plan.slots && annotated) {
    SlotTrainOptions slots;
    slots.model_bytes_max = options.slot_bytes_max;
    slots.threads = options.threads;
    slots.seed = options.seed;
    if (progress) slots.progress = [&](double done) { return progress(1 - slot_share + slot_share * done); };
    LOQUAT_ASSIGN(const SlotTraining tagger, TrainSlots(kept, slots));
    writer.AddSection(std::string(kSlotSection), tagger.section);
  }
  const auto [manifest, weights] = writer.Serialize();
  LOQUAT_ASSIGN(ModelFolder folder, ModelFolder::FromBytes("held-out", manifest, weights, {.verify_hashes = false}));
  return Understander::FromFolder(std::move(folder));
}

base::Status AddStability(const Dataset& dataset, const Plan& plan, const TrainOptions& options,
                          const IntentCalibration& calibration, const std::function<bool(double)>& progress,
                          ModelFolderWriter& writer) {
  const std::vector<bool> held_out = HoldOut(dataset);
  LOQUAT_ASSIGN(const auto reader, TrainReader(Kept(dataset, held_out), plan, options, calibration, progress));
  const StabilityTraining training = TrainStability(dataset, held_out, *reader, options.threads);
  for (const auto& [name, bytes] : training.sections) writer.AddSection(name, bytes);
  ModelManifest& manifest = writer.manifest();
  manifest.features.emplace_back("stability", "risks counted on utterances read character by character, held out");
  manifest.metrics.insert(manifest.metrics.end(), training.metrics.begin(), training.metrics.end());
  return {};
}

}  // namespace

base::Result<TrainSummary> Train(const Dataset& dataset, const std::string& out_dir, const TrainOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  LOQUAT_ASSIGN(const Plan plan, PlanFor(dataset, options));
  TrainSummary summary;
  summary.examples = dataset.examples.size();
  for (const DatasetWarning& warning : dataset.warnings) {
    summary.warnings.push_back(warning.where.empty() ? warning.message : warning.where + ": " + warning.message);
  }
  ModelFolderWriter writer;
  writer.manifest().training_examples = dataset.examples.size();
  writer.manifest().training_data_sha256 = DataHash(dataset);
  const Reporter reporter(options);
  const double intent_work = plan.intents ? kIntentWork : 0;
  const double work = intent_work + (plan.slots ? kSlotWork : 0);
  const double total = work + (plan.stability ? kStabilityWork : 0);
  IntentCalibration calibration;
  if (plan.intents) {
    LOQUAT_TRY(
        AddIntents(dataset, options, reporter.Part("intents", 0, intent_work / total), writer, summary, calibration));
  }
  if (plan.slots) {
    LOQUAT_TRY(AddSlots(dataset, options, reporter.Part("slots", intent_work / total, work / total), writer, summary));
  }
  if (plan.stability) {
    LOQUAT_TRY(AddStability(dataset, plan, options, calibration, reporter.Part("stability", work / total, 1), writer));
  }
  reporter.Report("writing", 1);
  LOQUAT_TRY(writer.Write(out_dir));
  for (const ModelSection& section : writer.manifest().sections) summary.model_bytes += section.size;
  summary.metrics = writer.manifest().metrics;
  summary.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return summary;
}

}  // namespace loquat::understanding
