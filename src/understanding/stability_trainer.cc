#include "understanding/stability_trainer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <span>

#include "base/utf8.h"
#include "understanding/cholesky.h"
#include "understanding/deterministic_math.h"
#include "understanding/stability_model.h"
#include "understanding/stability_tables.h"
#include "understanding/understander_parts.h"
#include "understanding/worker_team.h"

namespace loquat::understanding {
namespace {

// Every kHeldOutOf-th run of an intent's examples, from the third on, of kHeldOutRuns runs.
constexpr std::size_t kHeldOutRuns = 25, kHeldOutOf = 5, kHeldOutFirst = 2;
constexpr int kNewtonSteps = 10;
constexpr double kRidge = 1e-3;            // On the weights, per unit of total weight.
constexpr double kNormalQuantile = 1.282;  // One side, 90 %.

// One field at one update.
template <std::size_t n>
struct Row {
  std::array<float, n> signs;
  bool positive = false;  // The value was taken back later; or: the text is whole.
};

struct Slot {
  std::uint64_t key = 0;
  Row<kSigns> row;
};

// What one utterance showed while it was typed.
struct Observed {
  std::array<std::vector<Row<kSigns>>, kStableFields> fields;
  std::vector<Row<kTurnSigns>> turns;
};

// Types one text.
class Typist {
 public:
  Typist(const Understander& reader, const StabilityModel& model) : reader_(reader), model_(model) {}

  void Type(const std::string& text, Observed& out) {
    values_.clear();
    slots_.clear();
    std::uint32_t characters = 0, held_from = 0;
    for (std::size_t at = 0; at < text.size();) {
      at += base::DecodeUtf8(text, at).length;
      ++characters;
      utterance_.text.assign(text, 0, at);
      if (!reader_.Understand(utterance_, {}, *workspace_, frame_).has_value() || workspace_->tokens.empty()) continue;
      PrefixWords& words = workspace_->words;
      words.Read(utterance_.text, workspace_->tokens);
      IntentSigns intent = reader_.parts().SignsOf(*workspace_);
      if (values_.empty() || intent.best != values_.back()[0]) held_from = characters;
      intent.held = characters - held_from;
      values_.push_back({intent.best, frame_.out_of_scope ? 1U : 0U, static_cast<std::uint32_t>(frame_.locale)});
      Signs signs;
      model_.ReadSigns(words, intent, signs);
      for (const StableField field : {StableField::kIntent, StableField::kOutOfScope, StableField::kLocale}) {
        out.fields[static_cast<std::size_t>(field)].push_back({.signs = signs});
      }
      std::vector<Slot>& slots = slots_.emplace_back();
      for (const domain::Slot& slot : frame_.slots) {
        StabilityModel::ReadSlotSigns(slot, workspace_->tokens, signs);
        slots.push_back({.key = SlotKey(slot), .row = {.signs = signs}});
      }
      const bool whole = at == text.size();
      const bool word_ends = whole || !words.in_word || !GoesOn(text, at);
      if (word_ends && (whole || words.words != words_)) {
        TurnSigns turn;
        model_.ReadTurnSigns(words, intent, utterance_.text, frame_.slots, turn);
        out.turns.push_back({.signs = turn, .positive = whole});
        words_ = words.words;
      }
    }
    words_ = 0;
    Judge(out);
  }

 private:
  // Whether the character at `at` belongs to the word before it, roughly: a letter or a digit.
  static bool GoesOn(const std::string& text, std::size_t at) {
    const char c = text[at];
    return c != ' ' && c != ',' && c != '.' && c != '?' && c != '!';
  }

  // Which values were taken back, known once the text is whole.
  void Judge(Observed& out) {
    for (std::size_t f = 0; f < 3; ++f) {
      bool changed = false;
      for (std::size_t t = values_.size(); t-- > 0;) {
        changed = changed || values_[t][f] != values_.back()[f];
        out.fields[f][t].positive = changed;
      }
    }
    std::map<std::uint64_t, bool> alive;  // Slots that every later frame has.
    for (std::size_t t = slots_.size(); t-- > 0;) {
      std::map<std::uint64_t, bool> here;
      for (Slot& slot : slots_[t]) {
        const bool stays = t + 1 == slots_.size() || alive.contains(slot.key);
        slot.row.positive = !stays;
        out.fields[static_cast<std::size_t>(StableField::kSlot)].push_back(slot.row);
        if (stays) here.emplace(slot.key, true);
      }
      alive = std::move(here);
    }
  }

  const Understander& reader_;
  const StabilityModel& model_;
  WorkspacePtr workspace_ = Understander::NewWorkspace();
  domain::Utterance utterance_;
  domain::Frame frame_;
  std::vector<std::array<std::uint32_t, 3>> values_;  // [update]
  std::vector<std::vector<Slot>> slots_;              // [update]
  std::uint32_t words_ = 0;
};

// Logistic regression by Newton's steps: log odds of `positive`.
template <std::size_t n>
std::array<float, n> Fit(const std::vector<const Row<n>*>& rows) {
  std::array<double, n> weights = {};
  for (int step = 0; step < kNewtonSteps && !rows.empty(); ++step) {
    std::array<double, n> gradient = {};
    std::array<std::array<double, n>, n> hessian = {};
    for (const Row<n>* row : rows) {
      double logit = 0;
      for (std::size_t i = 0; i < n; ++i) logit += weights[i] * row->signs[i];
      const double p = 1.0 / (1.0 + DeterministicExp(static_cast<float>(-logit)));
      const double error = (row->positive ? 1.0 : 0.0) - p;
      const double curvature = std::max(p * (1 - p), 1e-5);
      for (std::size_t i = 0; i < n; ++i) {
        if (row->signs[i] == 0) continue;
        gradient[i] += error * row->signs[i];
        for (std::size_t j = 0; j <= i; ++j) hessian[i][j] += curvature * row->signs[i] * row->signs[j];
      }
    }
    const double ridge = kRidge * static_cast<double>(rows.size());
    for (std::size_t i = 0; i < n; ++i) {
      gradient[i] -= i == 0 ? 0 : ridge * weights[i];
      hessian[i][i] += ridge;
    }
    const std::array<double, n> change = SolveCholesky(hessian, gradient);
    for (std::size_t i = 0; i < n; ++i) weights[i] += std::clamp(change[i], -4.0, 4.0);
  }
  std::array<float, n> result;
  for (std::size_t i = 0; i < n; ++i) result[i] = static_cast<float>(weights[i]);
  return result;
}

// The upper end of Wilson's interval for k of n (Wilson, JASA 22, 1927).
double UpperBound(double k, double n) {
  const double z2 = kNormalQuantile * kNormalQuantile;
  const double p = k / n;
  const double spread = kNormalQuantile * std::sqrt(p * (1 - p) / n + z2 / (4 * n * n));
  return (p + z2 / (2 * n) + spread) / (1 + z2 / n);
}

// An utterance decides where its score first reaches a mark; it is taken back if a value so marked changes later. For
// each mark: the share of utterances that decide and are taken back, of those that decide.
void CountRisks(const StabilityModel& model, StableField field, const std::vector<Observed>& observed,
                FieldRisk& risk) {
  std::vector<float> marked, taken_back;  // [utterance]: greatest score of all, of values that were taken back.
  for (const Observed& utterance : observed) {
    float most = -kScoreNever, wrong = -kScoreNever;
    for (const Row<kSigns>& row : utterance.fields[static_cast<std::size_t>(field)]) {
      const float score = model.Score(field, row.signs);
      most = std::max(most, score);
      if (row.positive) wrong = std::max(wrong, score);
    }
    if (most > -kScoreNever) marked.push_back(most);
    if (wrong > -kScoreNever) taken_back.push_back(wrong);
  }
  std::ranges::sort(marked);
  std::ranges::sort(taken_back);
  risk.scores.fill(kScoreNever);
  std::size_t level = 0;
  for (std::size_t i = 0; i < marked.size() && level < kRiskLevels.size(); ++i) {
    const float mark = marked[i];
    const auto wrong = taken_back.end() - std::ranges::lower_bound(taken_back, mark);
    const double bound = UpperBound(static_cast<double>(wrong), static_cast<double>(marked.size() - i));
    for (; level < kRiskLevels.size() && bound <= static_cast<double>(kRiskLevels[level]); ++level) {
      risk.scores[level] = mark;
    }
  }
}

void FitField(StableField field, const std::vector<Observed>& observed, StabilityHeader& header) {
  const auto f = static_cast<std::size_t>(field);
  std::vector<const Row<kSigns>*> rows;
  for (const Observed& utterance : observed) {
    for (const Row<kSigns>& row : utterance.fields[f]) rows.push_back(&row);
  }
  // A header of its own: other fields of the one that is made are being fitted meanwhile.
  StabilityHeader own{.intents = header.intents};
  FieldRisk& risk = own.fields[f];
  risk.weights = Fit<kSigns>(rows);
  for (float& weight : risk.weights) weight = -weight;
  CountRisks(StabilityModel(own, {}, {}), field, observed, risk);
  header.fields[f] = risk;
}

// What the whole-utterance odds reach at each word's end, without marks and pauses.
void MeasureTurns(const std::vector<Observed>& observed, const StabilityHeader& header,
                  std::vector<std::pair<std::string, double>>& metrics) {
  const StabilityModel model(header, {}, {});
  double whole = 0, said = 0, right = 0;
  for (const Observed& utterance : observed) {
    for (const Row<kTurnSigns>& row : utterance.turns) {
      const bool found = model.WholeLogit(row.signs) > 0;
      whole += row.positive ? 1 : 0;
      said += found ? 1 : 0;
      right += found && row.positive ? 1 : 0;
    }
  }
  metrics.emplace_back("turn_end_precision", said > 0 ? right / said : 0);
  metrics.emplace_back("turn_end_recall", whole > 0 ? right / whole : 0);
}

template <typename T>
std::vector<std::byte> BytesOf(std::span<const T> elements) {
  const auto bytes = std::as_bytes(elements);
  return {bytes.begin(), bytes.end()};
}

// Of the examples held out, as many as are read, evenly chosen.
std::vector<const Example*> ReadOnes(const Dataset& dataset, const std::vector<bool>& held_out) {
  std::vector<const Example*> all;
  for (std::size_t e = 0; e < dataset.examples.size(); ++e) {
    if (held_out[e] && base::CountCodePoints(dataset.examples[e].text) <= kHeldOutCharactersMax) {
      all.push_back(&dataset.examples[e]);
    }
  }
  const std::size_t stride = all.size() / kHeldOutUtterancesMax + 1;
  std::vector<const Example*> chosen;
  for (std::size_t i = 0; i < all.size(); i += stride) chosen.push_back(all[i]);
  return chosen;
}

}  // namespace

std::vector<bool> HoldOut(const Dataset& dataset) {
  std::map<std::string_view, std::vector<std::size_t>> by_intent;
  for (std::size_t e = 0; e < dataset.examples.size(); ++e) by_intent[dataset.examples[e].intent].push_back(e);
  std::vector<bool> held_out(dataset.examples.size(), false);
  for (const auto& [intent, members] : by_intent) {
    for (std::size_t i = 0; i < members.size(); ++i) {
      held_out[members[i]] = i * kHeldOutRuns / members.size() % kHeldOutOf == kHeldOutFirst;
    }
  }
  return held_out;
}

Dataset Kept(const Dataset& dataset, const std::vector<bool>& held_out) {
  Dataset kept = dataset;
  std::size_t to = 0;
  for (std::size_t e = 0; e < kept.examples.size(); ++e) {
    if (held_out[e]) continue;
    if (to != e) kept.examples[to] = std::move(kept.examples[e]);
    ++to;
  }
  kept.examples.resize(to);
  return kept;
}

StabilityTraining TrainStability(const Dataset& dataset, const std::vector<bool>& held_out, const Understander& reader,
                                 unsigned threads) {
  const std::vector<std::string>& intents = reader.intents();
  const StabilityTables known =
      BuildStabilityTables(Kept(dataset, held_out), intents, kPrefixBytesMax, kWordEndBytesMax);
  StabilityHeader header{.intents = static_cast<std::uint32_t>(intents.size())};
  const std::vector<const Example*> examples = ReadOnes(dataset, held_out);
  header.held_out = static_cast<std::uint32_t>(examples.size());
  std::vector<Observed> observed(examples.size());
  WorkerTeam team(threads);
  const StabilityModel model(header, known.prefixes, known.words);
  constexpr std::uint32_t kSlice = 64;
  team.Run(static_cast<std::uint32_t>((examples.size() + kSlice - 1) / kSlice), [&](std::uint32_t slice) {
    Typist typist(reader, model);
    const std::size_t end = std::min(examples.size(), std::size_t{slice + 1} * kSlice);
    for (std::size_t i = std::size_t{slice} * kSlice; i < end; ++i) typist.Type(examples[i]->text, observed[i]);
  });
  team.Run(kStableFields, [&](std::uint32_t f) { FitField(static_cast<StableField>(f), observed, header); });
  std::vector<const Row<kTurnSigns>*> turns;
  for (const Observed& utterance : observed) {
    for (const Row<kTurnSigns>& row : utterance.turns) turns.push_back(&row);
  }
  header.turn = Fit<kTurnSigns>(turns);
  StabilityTraining training;
  MeasureTurns(observed, header, training.metrics);
  const StabilityTables tables = BuildStabilityTables(dataset, intents, kPrefixBytesMax, kWordEndBytesMax);
  training.sections.emplace_back(kStabilityHeaderSection, BytesOf(std::span<const StabilityHeader>(&header, 1)));
  training.sections.emplace_back(kStabilityPrefixesSection, BytesOf(std::span<const PrefixCell>(tables.prefixes)));
  training.sections.emplace_back(kStabilityWordsSection, BytesOf(std::span<const WordEndCell>(tables.words)));
  return training;
}

}  // namespace loquat::understanding
