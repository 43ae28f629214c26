#include "understanding/slot_trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/random.h"
#include "understanding/deterministic_math.h"
#include "understanding/slot_corpus.h"
#include "understanding/slot_export.h"
#include "understanding/slot_optimizer.h"

namespace loquat::understanding {
namespace {

constexpr std::uint64_t kTokenVisits = 1'500'000;  // What the number of epochs aims at.
constexpr std::uint32_t kEpochsMin = 4, kEpochsMax = 15;
constexpr std::uint32_t kLastEpochs = 2;   // That see the held-out examples, too.
constexpr std::size_t kHeldOutShare = 10;  // One in so many.
constexpr std::size_t kHeldOutMax = 1500;
constexpr float kRate = 0.5F;
constexpr std::uint32_t kIntentExamplesMin = 10;         // An intent with fewer has not shown which slots it takes.
constexpr float kUnseenPenalty = 3.0F;                   // In scores: odds of one to twenty.
constexpr float kBuildShare = 0.05F, kFitShare = 0.93F;  // Of the progress.
constexpr int kTemperatureSteps = 24;
constexpr float kTemperatureMin = 0.5F, kTemperatureMax = 4.0F;

struct HeldOut {
  std::uint64_t gold = 0, found = 0, correct = 0;
  double f1() const {
    return gold + found == 0 ? 1.0 : 2.0 * static_cast<double>(correct) / static_cast<double>(gold + found);
  }
};

// The negative log-likelihood of "this predicted span is right" at a temperature, over held-out sentences.
class Calibration {
 public:
  Calibration(const SlotCorpus& corpus, const SlotWeights& weights, std::span<const std::uint32_t> sentences)
      : corpus_(corpus), weights_(weights) {
    PreparedTransitions transitions;
    transitions.Prepare(weights.transitions, 1.0F);
    Lattice lattice;
    for (const std::uint32_t index : sentences) {
      const CorpusSentence& sentence = corpus.sentences[index];
      Found found{.sentence = index, .emissions = {}, .spans = {}};
      ScoreSentence(corpus, weights, sentence, found.emissions);
      const auto spans = lattice.Decode(transitions, found.emissions.data(), sentence.tokens);
      found.spans.assign(spans.begin(), spans.end());
      held_out_.gold += sentence.spans;
      held_out_.found += found.spans.size();
      for (const LabelledSpan& span : found.spans) held_out_.correct += IsRight(sentence, span) ? 1 : 0;
      if (!found.spans.empty()) found_.push_back(std::move(found));
    }
  }

  double Loss(float temperature, WorkerTeam& team) const {
    PreparedTransitions transitions;
    transitions.PrepareExp(weights_.transitions, 1.0F / temperature);
    std::vector<double> losses(found_.size());
    team.Run(static_cast<std::uint32_t>(found_.size()), [&](std::uint32_t i) {
      const Found& found = found_[i];
      const CorpusSentence& sentence = corpus_.sentences[found.sentence];
      Lattice lattice;
      lattice.ForwardBackward(transitions, found.emissions.data(), sentence.tokens, 1.0F / temperature, 0);
      for (const LabelledSpan& span : found.spans) {
        const float p = std::clamp(lattice.SpanProbability(transitions, span), 1e-5F, 1.0F - 1e-5F);
        losses[i] -= static_cast<double>(DeterministicLog(IsRight(sentence, span) ? p : 1.0F - p));
      }
    });
    double sum = 0;
    for (const double loss : losses) sum += loss;
    return sum;
  }

  const HeldOut& held_out() const { return held_out_; }

 private:
  struct Found {
    std::uint32_t sentence = 0;
    std::vector<float> emissions;
    std::vector<LabelledSpan> spans;
  };
  bool IsRight(const CorpusSentence& sentence, const LabelledSpan& span) const {
    const auto gold = corpus_.SpansOf(sentence);
    return std::find(gold.begin(), gold.end(), span) != gold.end();
  }

  const SlotCorpus& corpus_;
  const SlotWeights& weights_;
  std::vector<Found> found_;
  HeldOut held_out_;
};

float FitTemperature(const Calibration& calibration, unsigned threads) {
  if (calibration.held_out().found == 0) return 1.0F;
  WorkerTeam team(threads);
  float best = 1.0F;
  double least = calibration.Loss(best, team);
  // Evenly spaced on a logarithmic scale.
  const float width = DeterministicLog(kTemperatureMax / kTemperatureMin);
  for (int i = 0; i <= kTemperatureSteps; ++i) {
    const float temperature = kTemperatureMin * DeterministicExp(width * static_cast<float>(i) / kTemperatureSteps);
    const double loss = calibration.Loss(temperature, team);
    if (loss < least) {
      least = loss;
      best = temperature;
    }
  }
  return best;
}

// What training rarely had reason to learn: a slot that never occurs with an intent, in all the intent's examples, is
// unlikely to begin in its utterances, however much its words look like one.
void HoldBackUnseen(const Dataset& dataset, const SlotCorpus& corpus, SlotWeights& weights) {
  struct Seen {
    std::uint32_t examples = 0;
    std::set<std::uint32_t> types;
  };
  std::map<std::string_view, Seen> intents;
  for (const CorpusSentence& sentence : corpus.sentences) {
    Seen& seen = intents[dataset.examples[sentence.example].intent];
    ++seen.examples;
    for (const LabelledSpan& span : corpus.SpansOf(sentence)) seen.types.insert(span.type);
  }
  const SlotLabels labels = corpus.labels();
  for (const auto& [intent, seen] : intents) {
    const auto block = corpus.block_of.find(IntentKey(intent));
    if (intent.empty() || seen.examples < kIntentExamplesMin || block == corpus.block_of.end()) continue;
    float* row = &weights.rows[std::size_t{corpus.blocks[block->second].first_row} * labels.stride()];
    for (std::uint32_t type = 0; type < labels.types; ++type) {
      if (!seen.types.contains(type)) row[labels.Begin(type)] -= kUnseenPenalty;
    }
  }
}

std::uint32_t EpochsFor(const SlotCorpus& corpus, const SlotTrainOptions& options) {
  if (options.epochs > 0) return options.epochs;
  const std::uint64_t wanted = kTokenVisits / std::max<std::uint64_t>(corpus.tokens, 1);
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(wanted, kEpochsMin, kEpochsMax));
}

}  // namespace

base::Result<SlotTraining> TrainSlots(const Dataset& dataset, const SlotTrainOptions& options) {
  const auto tell = [&](double done) { return !options.progress || options.progress(done); };
  const base::Error cancelled{.code = base::Code::kCancelled, .message = "slot training was stopped"};
  if (!tell(0)) return cancelled;
  LOQUAT_ASSIGN(SlotCorpus corpus, BuildSlotCorpus(dataset, CorpusOptions{}));

  std::vector<std::uint32_t> all(corpus.sentences.size());
  for (std::uint32_t i = 0; i < all.size(); ++i) all[i] = i;
  std::vector<std::uint32_t> shuffled = all;
  base::Random(options.seed).Shuffle(std::span(shuffled));
  const std::size_t held = std::min(kHeldOutMax, shuffled.size() / kHeldOutShare);
  const std::span<const std::uint32_t> held_out(shuffled.data(), held);
  const std::span<const std::uint32_t> others(shuffled.data() + held, shuffled.size() - held);

  OptimizerOptions optimizer_options;
  optimizer_options.seed = options.seed;
  optimizer_options.threads = options.threads;
  SlotOptimizer optimizer(corpus, optimizer_options);
  const std::uint32_t epochs = EpochsFor(corpus, options);
  const std::uint32_t last = std::min(kLastEpochs, epochs - 1);
  SlotTraining out;
  float temperature = 1;
  for (std::uint32_t epoch = 0; epoch < epochs; ++epoch) {
    if (epoch == epochs - last && held > 0) {
      const Calibration calibration(corpus, optimizer.weights(), held_out);
      temperature = FitTemperature(calibration, options.threads);
      out.metrics = {{"slot_f1", calibration.held_out().f1()}, {"slot_temperature", temperature}};
    }
    const auto part = [&](std::uint32_t e) { return static_cast<float>(e) / static_cast<float>(epochs); };
    const bool go_on = optimizer.Epoch(epoch < epochs - last ? others : std::span<const std::uint32_t>(all), epoch,
                                       kRate * (1 - part(epoch)), kRate * (1 - part(epoch + 1)), [&](double done) {
                                         return tell(kBuildShare + kFitShare * (epoch + done) / epochs);
                                       });
    if (!go_on) return cancelled;
  }
  SlotWeights weights = optimizer.weights();
  HoldBackUnseen(dataset, corpus, weights);
  SlotModelData model = ExportSlotModel(corpus, weights, options.model_bytes_max);
  model.temperature = temperature;
  model.synonyms = dataset.synonyms;
  out.section = model.Serialize();
  out.features = static_cast<std::uint64_t>(
      std::ranges::count_if(model.features, [](const FeatureCell& cell) { return cell.fingerprint != 0; }));
  std::set<std::string> names;
  for (const SlotType& type : corpus.types)
    names.insert(type.role.empty() ? type.entity : type.entity + ':' + type.role);
  out.slot_names.assign(names.begin(), names.end());
  out.warnings = corpus.warnings;
  tell(1);
  return out;
}

}  // namespace loquat::understanding
