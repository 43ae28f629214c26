#include "understanding/evaluation.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "understanding/worker_team.h"

namespace loquat::understanding {
namespace {

constexpr std::uint32_t kSliceExamples = 256;  // Handed to a thread at a time.
constexpr std::uint32_t kSlicesBetweenTicks = 16;

double Ratio(std::uint64_t count, std::uint64_t total) {
  return total == 0 ? 0 : static_cast<double>(count) / static_cast<double>(total);
}

// Adds one example after the other, in their order.
class Tally {
 public:
  Tally(const EvaluateOptions& options, Evaluation& out) : options_(options), out_(out) {
    out_.out_of_scope.name = kOutOfScopeIntent;
    out_.slots.name = "all";
  }

  void Add(const Example& example, const domain::Frame& frame) {
    ++out_.examples;
    const bool intent_right = !options_.intents || example.intent.empty() || AddIntent(example, frame);
    if (example.intent == kOutOfScopeIntent) return;  // Slots of what no intent covers are nobody's.
    const bool slots_right = !options_.slots || AddSlots(example, frame);
    ++out_.frames.total;
    out_.frames.count += intent_right && slots_right ? 1 : 0;
  }

  void Finish() {
    for (auto& [name, score] : intents_) out_.intents.push_back(std::move(score));
    for (auto& [name, score] : slots_) out_.slot_labels.push_back(std::move(score));
    for (auto& [names, confusion] : confusions_) out_.confusions.push_back(std::move(confusion));
    std::ranges::sort(out_.confusions, [](const Confusion& a, const Confusion& b) {
      return std::tie(b.count, a.gold, a.found) < std::tie(a.count, b.gold, b.found);
    });
    if (out_.confusions.size() > options_.confusions_max) out_.confusions.resize(options_.confusions_max);
  }

 private:
  ClassScore& Of(std::map<std::string, ClassScore, std::less<>>& scores, std::string_view name) {
    const auto at = scores.find(name);
    if (at != scores.end()) return at->second;
    ClassScore& score = scores[std::string(name)];
    score.name = name;
    return score;
  }

  bool AddIntent(const Example& example, const domain::Frame& frame) {
    const bool gold_outside = example.intent == kOutOfScopeIntent;
    const std::string_view top =
        frame.intent_ranking.empty() ? kOutOfScopeIntent : std::string_view(frame.intent_ranking[0].name);
    const std::string_view found = frame.out_of_scope ? kOutOfScopeIntent : top;
    const bool found_outside = found == kOutOfScopeIntent;
    const bool right = found == example.intent;
    out_.out_of_scope.gold += gold_outside ? 1 : 0;
    out_.out_of_scope.found += found_outside ? 1 : 0;
    out_.out_of_scope.correct += gold_outside && found_outside ? 1 : 0;
    if (!right) {
      const auto [at, fresh] = confusions_.try_emplace({example.intent, std::string(found)});
      if (fresh) at->second = {example.intent, std::string(found), 0, example.text};
      ++at->second.count;
    }
    if (!found_outside) ++Of(intents_, found).found;
    if (gold_outside) return right;
    ClassScore& score = Of(intents_, example.intent);
    ++score.gold;
    score.correct += right ? 1 : 0;
    ++out_.in_scope.total;
    out_.in_scope.count += right ? 1 : 0;
    ++out_.top_intent.total;
    out_.top_intent.count += top == example.intent ? 1 : 0;
    if (!frame.intent_ranking.empty()) {
      out_.intent_calibration.Add(static_cast<double>(frame.intent_ranking[0].confidence), top == example.intent);
    }
    return right;
  }

  bool AddSlots(const Example& example, const domain::Frame& frame) {
    using Key = std::tuple<std::uint32_t, std::uint32_t, std::string>;
    std::set<Key> gold;
    for (const EntityMention& mention : example.entities) {
      std::string label = SlotLabelName(mention.entity, mention.role, mention.group);
      ++Of(slots_, label).gold;
      ++out_.slots.gold;
      gold.emplace(mention.byte_begin, mention.byte_end, std::move(label));
    }
    bool all_right = frame.slots.size() == example.entities.size();
    for (const domain::Slot& slot : frame.slots) {
      std::string label = SlotLabelName(slot.entity, slot.role, slot.group);
      ClassScore& score = Of(slots_, label);
      const bool right = gold.erase(Key{slot.span.byte_begin, slot.span.byte_end, std::move(label)}) > 0;
      ++score.found;
      ++out_.slots.found;
      score.correct += right ? 1 : 0;
      out_.slots.correct += right ? 1 : 0;
      out_.slot_calibration.Add(static_cast<double>(slot.confidence), right);
      all_right = all_right && right;
    }
    return all_right;
  }

  const EvaluateOptions& options_;
  Evaluation& out_;
  std::map<std::string, ClassScore, std::less<>> intents_, slots_;
  std::map<std::pair<std::string, std::string>, Confusion> confusions_;
};

}  // namespace

double ClassScore::Precision() const {
  return Ratio(correct, found);
}
double ClassScore::Recall() const {
  return Ratio(correct, gold);
}
double ClassScore::F1() const {
  return gold + found == 0 ? 1.0 : Ratio(2 * correct, gold + found);
}

void Calibration::Add(double confidence, bool correct) {
  const double place = std::clamp(confidence, 0.0, 1.0) * static_cast<double>(kCalibrationBins);
  CalibrationBin& bin = bins[std::min(static_cast<std::size_t>(place), kCalibrationBins - 1)];
  ++bin.count;
  bin.correct += correct ? 1 : 0;
  bin.confidence_sum += confidence;
}

double Calibration::Ece() const {
  std::uint64_t total = 0;
  double gap = 0;
  for (const CalibrationBin& bin : bins) {
    total += bin.count;
    gap += std::fabs(bin.confidence_sum - static_cast<double>(bin.correct));
  }
  return total == 0 ? 0 : gap / static_cast<double>(total);
}

double Evaluation::MacroF1() const {
  double sum = 0;
  std::uint64_t count = 0;
  for (const ClassScore& score : intents) {
    if (score.gold == 0) continue;
    sum += score.F1();
    ++count;
  }
  return count == 0 ? 0 : sum / static_cast<double>(count);
}

base::Result<Evaluation> Evaluate(const std::function<UnderstandFunction()>& make, const Dataset& dataset,
                                  const EvaluateOptions& options) {
  if (dataset.examples.empty())
    return base::InvalidArgument("there is nothing to evaluate: the dataset has no examples");
  const auto total = static_cast<std::uint32_t>(dataset.examples.size());
  const std::uint32_t slices = (total + kSliceExamples - 1) / kSliceExamples;
  WorkerTeam team(options.threads);
  Evaluation out;
  Tally tally(options, out);
  std::vector<UnderstandFunction> functions(std::min<std::uint32_t>(kSlicesBetweenTicks, slices));
  for (UnderstandFunction& function : functions) function = make();
  std::vector<std::vector<domain::Frame>> frames(functions.size());
  std::vector<base::Status> statuses(functions.size());
  for (std::uint32_t first = 0; first < slices; first += static_cast<std::uint32_t>(functions.size())) {
    const auto round = std::min(static_cast<std::uint32_t>(functions.size()), slices - first);
    team.Run(round, [&](std::uint32_t s) {
      const std::uint32_t begin = (first + s) * kSliceExamples;
      const std::uint32_t end = std::min(begin + kSliceExamples, total);
      frames[s].resize(end - begin);
      for (std::uint32_t e = begin; e < end && statuses[s].has_value(); ++e) {
        frames[s][e - begin].Clear();
        statuses[s] = functions[s](dataset.examples[e].text, frames[s][e - begin]);
      }
    });
    for (std::uint32_t s = 0; s < round; ++s) {
      LOQUAT_TRY(statuses[s]);
      const std::uint32_t begin = (first + s) * kSliceExamples;
      for (std::size_t i = 0; i < frames[s].size(); ++i) tally.Add(dataset.examples[begin + i], frames[s][i]);
    }
    if (options.progress && !options.progress(static_cast<double>(first + round) / slices)) {
      return base::Error{.code = base::Code::kCancelled, .message = "the evaluation was stopped"};
    }
  }
  tally.Finish();
  return out;
}

std::vector<TagChunk> ChunksOf(std::span<const std::string> tags) {
  std::vector<TagChunk> chunks;
  bool open = false;
  for (std::size_t i = 0; i < tags.size(); ++i) {
    const std::string& tag = tags[i];
    if (tag.size() < 2 || tag[1] != '-' || (tag[0] != 'B' && tag[0] != 'I')) {
      open = false;
      continue;
    }
    const std::string_view type = std::string_view(tag).substr(2);
    if (tag[0] == 'I' && open && chunks.back().type == type) {
      chunks.back().end = i + 1;
      continue;
    }
    chunks.push_back({i, i + 1, std::string(type)});
    open = true;
  }
  return chunks;
}

void AddChunkCounts(std::span<const std::string> gold, std::span<const std::string> found, ClassScore* score) {
  const std::vector<TagChunk> right = ChunksOf(gold);
  const std::vector<TagChunk> seen = ChunksOf(found);
  score->gold += right.size();
  score->found += seen.size();
  score->correct += static_cast<std::uint64_t>(std::ranges::count_if(
      seen, [&](const TagChunk& chunk) { return std::ranges::find(right, chunk) != right.end(); }));
}

std::string SlotLabelName(std::string_view entity, std::string_view role, std::string_view group) {
  std::string name(entity);
  if (!role.empty()) name.append(":").append(role);
  if (!group.empty()) name.append("#").append(group);
  return name;
}

}  // namespace loquat::understanding
