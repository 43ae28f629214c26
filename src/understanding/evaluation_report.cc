// The two forms of an Evaluation: JSON for programs, tables for people.

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/json_writer.h"
#include "understanding/evaluation.h"

namespace loquat::understanding {
namespace {

constexpr int kDigits = 6;            // After the point, in JSON.
constexpr std::size_t kRowsMax = 15;  // Of the tables of intents and slots: the worst ones.

void WriteScore(base::JsonWriter& json, const ClassScore& score) {
  json.BeginObject();
  json.Key("name");
  json.String(score.name);
  json.Key("precision");
  json.Fixed(score.Precision(), kDigits);
  json.Key("recall");
  json.Fixed(score.Recall(), kDigits);
  json.Key("f1");
  json.Fixed(score.F1(), kDigits);
  json.Key("gold");
  json.Uint(score.gold);
  json.Key("found");
  json.Uint(score.found);
  json.Key("correct");
  json.Uint(score.correct);
  json.EndObject();
}

void WriteScores(base::JsonWriter& json, std::string_view key, const std::vector<ClassScore>& scores) {
  json.Key(key);
  json.BeginArray();
  for (const ClassScore& score : scores) WriteScore(json, score);
  json.EndArray();
}

void WriteNumber(base::JsonWriter& json, std::string_view key, double value) {
  json.Key(key);
  json.Fixed(value, kDigits);
}

void WriteIntents(base::JsonWriter& json, const Evaluation& evaluation) {
  json.Key("intent");
  json.BeginObject();
  json.Key("examples");
  json.Uint(evaluation.in_scope.total);
  WriteNumber(json, "accuracy", evaluation.in_scope.value());
  WriteNumber(json, "top_accuracy", evaluation.top_intent.value());
  WriteNumber(json, "macro_f1", evaluation.MacroF1());
  WriteNumber(json, "ece", evaluation.intent_calibration.Ece());
  WriteScores(json, "classes", evaluation.intents);
  json.Key("confusions");
  json.BeginArray();
  for (const Confusion& confusion : evaluation.confusions) {
    json.BeginObject();
    json.Key("gold");
    json.String(confusion.gold);
    json.Key("found");
    json.String(confusion.found);
    json.Key("count");
    json.Uint(confusion.count);
    json.Key("example");
    json.String(confusion.example);
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
}

// The worst classes first, among those that are not perfect.
void AppendTable(std::string_view title, std::vector<ClassScore> scores, std::string& out) {
  std::erase_if(scores,
                [](const ClassScore& score) { return score.correct == score.gold && score.correct == score.found; });
  if (scores.empty()) return;
  std::ranges::sort(scores, [](const ClassScore& a, const ClassScore& b) {
    return a.F1() != b.F1() ? a.F1() < b.F1() : a.name < b.name;
  });
  const std::size_t shown = std::min(scores.size(), kRowsMax);
  auto to = std::back_inserter(out);
  fmt::format_to(to, "\n{:<36} {:>9} {:>8} {:>8} {:>8} {:>8}\n", title, "precision", "recall", "F1", "labelled",
                 "found");
  for (std::size_t i = 0; i < shown; ++i) {
    const ClassScore& score = scores[i];
    fmt::format_to(to, "  {:<34} {:>8.1f}% {:>7.1f}% {:>7.1f}% {:>8} {:>8}\n", score.name, 100 * score.Precision(),
                   100 * score.Recall(), 100 * score.F1(), score.gold, score.found);
  }
  if (shown < scores.size()) fmt::format_to(to, "  and {} more below 100 %\n", scores.size() - shown);
}

void AppendConfusions(const Evaluation& evaluation, std::string& out) {
  if (evaluation.confusions.empty()) return;
  auto to = std::back_inserter(out);
  fmt::format_to(to, "\n{:<32} {:<32} {:>5}  {}\n", "labelled", "understood as", "count", "for example");
  for (const Confusion& confusion : evaluation.confusions) {
    fmt::format_to(to, "  {:<30} {:<32} {:>5}  {}\n", confusion.gold, confusion.found, confusion.count,
                   confusion.example);
  }
}

}  // namespace

void WriteEvaluationJson(const Evaluation& evaluation, std::string& out) {
  base::JsonWriter json(out);
  json.BeginObject();
  json.Key("examples");
  json.Uint(evaluation.examples);
  WriteIntents(json, evaluation);
  json.Key("out_of_scope");
  WriteScore(json, evaluation.out_of_scope);
  json.Key("slots");
  json.BeginObject();
  WriteNumber(json, "precision", evaluation.slots.Precision());
  WriteNumber(json, "recall", evaluation.slots.Recall());
  WriteNumber(json, "f1", evaluation.slots.F1());
  json.Key("gold");
  json.Uint(evaluation.slots.gold);
  json.Key("found");
  json.Uint(evaluation.slots.found);
  json.Key("correct");
  json.Uint(evaluation.slots.correct);
  WriteNumber(json, "ece", evaluation.slot_calibration.Ece());
  WriteScores(json, "labels", evaluation.slot_labels);
  json.EndObject();
  WriteNumber(json, "frame_accuracy", evaluation.frames.value());
  json.EndObject();
}

void WriteEvaluationText(const Evaluation& evaluation, std::string& out) {
  auto to = std::back_inserter(out);
  fmt::format_to(to, "examples            {:>8}\n", evaluation.examples);
  if (evaluation.in_scope.total > 0) {
    fmt::format_to(to, "intent accuracy     {:>8.2f}%  ({} of {}; without the out-of-scope verdict {:.2f}%)\n",
                   100 * evaluation.in_scope.value(), evaluation.in_scope.count, evaluation.in_scope.total,
                   100 * evaluation.top_intent.value());
    fmt::format_to(to, "intent macro F1     {:>8.2f}%\n", 100 * evaluation.MacroF1());
    fmt::format_to(to, "intent ECE          {:>8.4f}\n", evaluation.intent_calibration.Ece());
  }
  if (evaluation.out_of_scope.gold > 0) {
    fmt::format_to(to, "out of scope        {:>8.2f}%  recall, {:.2f}% precision ({} utterances)\n",
                   100 * evaluation.out_of_scope.Recall(), 100 * evaluation.out_of_scope.Precision(),
                   evaluation.out_of_scope.gold);
  }
  if (evaluation.slots.gold + evaluation.slots.found > 0) {
    fmt::format_to(to, "slot F1             {:>8.2f}%  (precision {:.2f}%, recall {:.2f}%, {} slots)\n",
                   100 * evaluation.slots.F1(), 100 * evaluation.slots.Precision(), 100 * evaluation.slots.Recall(),
                   evaluation.slots.gold);
    fmt::format_to(to, "slot ECE            {:>8.4f}\n", evaluation.slot_calibration.Ece());
    fmt::format_to(to, "whole frame right   {:>8.2f}%\n", 100 * evaluation.frames.value());
  }
  AppendTable("intents, worst first", evaluation.intents, out);
  AppendTable("slots, worst first", evaluation.slot_labels, out);
  AppendConfusions(evaluation, out);
}

}  // namespace loquat::understanding
