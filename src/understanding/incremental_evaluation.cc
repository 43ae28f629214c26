#include "understanding/incremental_evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <string_view>
#include <vector>

#include "base/json_writer.h"
#include "base/utf8.h"
#include "text/segment.h"
#include "understanding/incremental_reader.h"
#include "understanding/utterance_memory.h"

namespace loquat::understanding {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kExamplesBetweenTicks = 64;
constexpr float kWholeMin = 0.5F;
constexpr int kDigits = 6;

float Since(Clock::time_point start) {
  return std::chrono::duration<float, std::micro>(Clock::now() - start).count();
}

CallTimes TimesOf(std::vector<float>& times) {
  if (times.empty()) return {};
  const auto at = [&](double share) {
    const auto place = static_cast<std::ptrdiff_t>(share * static_cast<double>(times.size() - 1));
    std::ranges::nth_element(times, times.begin() + place);
    return static_cast<double>(times[static_cast<std::size_t>(place)]);
  };
  return {.p50 = at(0.5), .p99 = at(0.99)};
}

// What was promised so far of one utterance, and whether it was kept.
struct Watch {
  bool promised = false, taken_back = false;

  // Adds the update's part to `score`.
  void See(bool made, bool broken, bool last, PromiseScore& score) {
    promised = promised || (made && !last);
    taken_back = taken_back || broken;
    ++score.updates.total;
    score.updates.count += broken ? 1 : 0;
  }
  void Finish(PromiseScore& score) const {
    ++score.promised.total;
    ++score.taken_back.total;
    score.promised.count += promised ? 1 : 0;
    score.taken_back.count += taken_back ? 1 : 0;
  }
};

class Run {
 public:
  Run(const Understander& understander, const IncrementalEvaluateOptions& options, IncrementalEvaluation& out)
      : understander_(understander), options_(options), out_(out) {}

  base::Status Type(const Example& example);
  void Finish();

 private:
  base::Status Step(std::string_view text, std::size_t at);
  void SeePromises(bool last);
  void SeeTurn(const std::string& text, std::size_t at, bool whole);

  const Understander& understander_;
  const IncrementalEvaluateOptions& options_;
  IncrementalEvaluation& out_;
  WorkspacePtr workspace_ = Understander::NewWorkspace();
  IncrementalReader reader_;
  domain::Utterance utterance_;
  domain::Frame frame_, before_, scratch_;
  domain::FrameStability stability_, stability_before_;
  std::vector<text::Token> tokens_;
  std::vector<float> update_us_, scratch_us_;
  Watch intent_, out_of_scope_, locale_, slots_, any_;
  double settled_sum_ = 0, stable_sum_ = 0;
};

std::string_view TopOf(const domain::Frame& frame) {
  return frame.intent_ranking.empty() ? std::string_view() : std::string_view(frame.intent_ranking[0].name);
}

base::Status Run::Step(std::string_view text, std::size_t at) {
  utterance_.text.assign(text.substr(0, at));
  utterance_.final = false;
  // By turns, so that neither always finds the caches warm.
  const bool scratch_first = update_us_.size() % 2 == 0;
  for (const bool from_scratch : {scratch_first, !scratch_first}) {
    const Clock::time_point start = Clock::now();
    if (from_scratch) {
      LOQUAT_TRY(understander_.Understand(utterance_, options_.understand, *workspace_, scratch_));
      scratch_us_.push_back(Since(start));
    } else {
      LOQUAT_TRY(reader_.Update(understander_, utterance_, options_.understand, *workspace_, frame_, stability_));
      update_us_.push_back(Since(start));
    }
  }
  return {};
}

void Run::SeePromises(bool last) {
  const bool intent = stability_before_.intent && TopOf(frame_) != TopOf(before_);
  const bool verdict = stability_before_.out_of_scope && frame_.out_of_scope != before_.out_of_scope;
  const bool locale = stability_before_.locale && frame_.locale != before_.locale;
  bool slots = false, slot_promised = false;
  for (std::size_t s = 0; s < stability_before_.slots.size(); ++s) {
    if (!stability_before_.slots[s]) continue;
    const std::uint64_t key = SlotKey(before_.slots[s]);
    slots = slots || std::ranges::none_of(frame_.slots, [&](const auto& slot) { return SlotKey(slot) == key; });
  }
  for (const bool stable : stability_.slots) slot_promised = slot_promised || stable;
  intent_.See(stability_.intent, intent, last, out_.intent);
  out_of_scope_.See(stability_.out_of_scope, verdict, last, out_.out_of_scope);
  locale_.See(stability_.locale, locale, last, out_.locale);
  slots_.See(slot_promised, slots, last, out_.slots);
  any_.See(stability_.intent || stability_.out_of_scope || stability_.locale || slot_promised,
           intent || verdict || locale || slots, last, out_.any);
}

void Run::SeeTurn(const std::string& text, std::size_t at, bool whole) {
  const auto word = std::ranges::find(tokens_, static_cast<std::uint32_t>(at), &text::Token::byte_end);
  const bool inside = word != tokens_.end() && word->kind != text::TokenKind::kPunctuation &&
                      std::string_view(text).substr(at).find_first_not_of(" ") != std::string_view::npos;
  if (!whole && !inside) return;
  const auto add = [whole](bool found, ClassScore& score) {
    score.gold += whole ? 1 : 0;
    score.found += found ? 1 : 0;
    score.correct += found && whole ? 1 : 0;
  };
  add(reader_.JudgeEnd(0, options_.turn_end).text_probability >= kWholeMin, out_.turn_text);
  for (std::size_t p = 0; p < kEvaluatedPausesMs.size(); ++p) {
    add(reader_.JudgeEnd(kEvaluatedPausesMs[p], options_.turn_end).likely, out_.turn_pauses[p].score);
  }
}

base::Status Run::Type(const Example& example) {
  reader_.Reset(*workspace_);
  intent_ = out_of_scope_ = locale_ = slots_ = any_ = {};
  stability_before_.Clear();
  text::Segment(example.text, tokens_);
  std::uint32_t characters = 0, settled = 0, stable = 0;
  std::string top, promised;
  for (std::size_t at = 0; at < example.text.size();) {
    at += base::DecodeUtf8(example.text, at).length;
    ++characters;
    const bool last = at == example.text.size();
    LOQUAT_TRY(Step(example.text, at));
    if (TopOf(frame_) != top || characters == 1) {
      top = TopOf(frame_);
      settled = characters;
    }
    SeePromises(last);
    SeeTurn(example.text, at, last);
    if (stability_.intent && promised.empty()) {
      promised = top;
      stable = characters;
    }
    std::swap(frame_, before_);
    std::swap(stability_, stability_before_);
  }
  for (const auto& [watch, score] :
       {std::pair{&intent_, &out_.intent}, std::pair{&out_of_scope_, &out_.out_of_scope},
        std::pair{&locale_, &out_.locale}, std::pair{&slots_, &out_.slots}, std::pair{&any_, &out_.any}}) {
    watch->Finish(*score);
  }
  ++out_.utterances;
  out_.updates += characters;
  settled_sum_ += static_cast<double>(settled) / characters;
  stable_sum_ += stable == 0 ? 1 : static_cast<double>(stable) / characters;
  if (example.intent.empty() || example.intent == kOutOfScopeIntent) return {};
  ++out_.final_right.total;
  out_.final_right.count += top == example.intent ? 1 : 0;
  if (promised.empty() || stable == characters) return {};
  ++out_.stable_right.total;
  out_.stable_right.count += promised == example.intent ? 1 : 0;
  return {};
}

void Run::Finish() {
  out_.update = TimesOf(update_us_);
  out_.from_scratch = TimesOf(scratch_us_);
  out_.settled_at = settled_sum_ / static_cast<double>(out_.utterances);
  out_.stable_at = stable_sum_ / static_cast<double>(out_.utterances);
}

void WriteShare(base::JsonWriter& json, std::string_view key, const Share& share) {
  json.Key(key);
  json.BeginObject();
  json.Key("count");
  json.Uint(share.count);
  json.Key("total");
  json.Uint(share.total);
  json.Key("share");
  json.Fixed(share.value(), kDigits);
  json.EndObject();
}

void WriteTimes(base::JsonWriter& json, std::string_view key, const CallTimes& times) {
  json.Key(key);
  json.BeginObject();
  json.Key("p50");
  json.Fixed(times.p50, 2);
  json.Key("p99");
  json.Fixed(times.p99, 2);
  json.EndObject();
}

void WritePromise(base::JsonWriter& json, std::string_view key, const PromiseScore& score) {
  json.Key(key);
  json.BeginObject();
  WriteShare(json, "promised", score.promised);
  WriteShare(json, "taken_back", score.taken_back);
  WriteShare(json, "updates_taking_back", score.updates);
  json.EndObject();
}

void WriteRates(base::JsonWriter& json, const ClassScore& score) {
  json.Key("precision");
  json.Fixed(score.Precision(), kDigits);
  json.Key("recall");
  json.Fixed(score.Recall(), kDigits);
}

}  // namespace

base::Result<IncrementalEvaluation> EvaluateIncremental(const Understander& understander, const Dataset& dataset,
                                                        const IncrementalEvaluateOptions& options) {
  if (dataset.examples.empty())
    return base::InvalidArgument("there is nothing to evaluate: the dataset has no examples");
  IncrementalEvaluation out;
  out.knows_stability = understander.knows_stability();
  for (std::size_t p = 0; p < kEvaluatedPausesMs.size(); ++p) out.turn_pauses[p].pause_ms = kEvaluatedPausesMs[p];
  Run run(understander, options, out);
  for (std::size_t e = 0; e < dataset.examples.size(); ++e) {
    LOQUAT_TRY(run.Type(dataset.examples[e]));
    if (e % kExamplesBetweenTicks != 0 || !options.progress) continue;
    if (!options.progress(static_cast<double>(e) / static_cast<double>(dataset.examples.size()))) {
      return base::Error{.code = base::Code::kCancelled, .message = "the evaluation was stopped"};
    }
  }
  run.Finish();
  return out;
}

void WriteIncrementalJson(const IncrementalEvaluation& evaluation, std::string& out) {
  base::JsonWriter json(out);
  json.BeginObject();
  json.Key("utterances");
  json.Uint(evaluation.utterances);
  json.Key("updates");
  json.Uint(evaluation.updates);
  json.Key("knows_stability");
  json.Bool(evaluation.knows_stability);
  WriteTimes(json, "update_us", evaluation.update);
  WriteTimes(json, "from_scratch_us", evaluation.from_scratch);
  json.Key("settled_at");
  json.Fixed(evaluation.settled_at, kDigits);
  json.Key("stable_at");
  json.Fixed(evaluation.stable_at, kDigits);
  WriteShare(json, "stable_right", evaluation.stable_right);
  WriteShare(json, "final_right", evaluation.final_right);
  WritePromise(json, "intent", evaluation.intent);
  WritePromise(json, "out_of_scope", evaluation.out_of_scope);
  WritePromise(json, "locale", evaluation.locale);
  WritePromise(json, "slots", evaluation.slots);
  WritePromise(json, "any", evaluation.any);
  json.Key("turn_end");
  json.BeginObject();
  WriteRates(json, evaluation.turn_text);
  json.Key("after_pause");
  json.BeginArray();
  for (const TurnEndScore& pause : evaluation.turn_pauses) {
    json.BeginObject();
    json.Key("pause_ms");
    json.Uint(pause.pause_ms);
    WriteRates(json, pause.score);
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
  json.EndObject();
}

void WriteIncrementalText(const IncrementalEvaluation& evaluation, std::string& out) {
  auto to = std::back_inserter(out);
  fmt::format_to(to, "{} utterances, {} updates, a character each\n", evaluation.utterances, evaluation.updates);
  if (!evaluation.knows_stability) {
    fmt::format_to(to, "the model has no stability part: nothing is stable before the end; train it again\n");
  }
  fmt::format_to(to, "time of an update   {:>8.1f} us p50, {:.1f} us p99 (from scratch {:.1f} and {:.1f})\n",
                 evaluation.update.p50, evaluation.update.p99, evaluation.from_scratch.p50,
                 evaluation.from_scratch.p99);
  fmt::format_to(to, "intent settled at   {:>8.2f}%  of the characters (mean)\n", 100 * evaluation.settled_at);
  fmt::format_to(to, "intent stable at    {:>8.2f}%  of the characters: {:.2f}% saved\n", 100 * evaluation.stable_at,
                 100 * (1 - evaluation.stable_at));
  fmt::format_to(to, "right when stable   {:>8.2f}%  of {} (right at the end {:.2f}% of {})\n",
                 100 * evaluation.stable_right.value(), evaluation.stable_right.total,
                 100 * evaluation.final_right.value(), evaluation.final_right.total);
  fmt::format_to(to, "\n{:<18} {:>16} {:>24} {:>24}\n", "stable fields", "before the end", "taken back, utterances",
                 "taken back, updates");
  const auto row = [&](std::string_view name, const PromiseScore& score) {
    fmt::format_to(to, "  {:<16} {:>15.2f}% {:>12} = {:>8.2f}% {:>12} = {:>8.3f}%\n", name,
                   100 * score.promised.value(), score.taken_back.count, 100 * score.taken_back.value(),
                   score.updates.count, 100 * score.updates.value());
  };
  row("intent", evaluation.intent);
  row("out of scope", evaluation.out_of_scope);
  row("locale", evaluation.locale);
  row("slots", evaluation.slots);
  row("any", evaluation.any);
  fmt::format_to(to, "\n{:<18} {:>16} {:>10}\n", "end of turn", "precision", "recall");
  const auto rates = [&](std::string_view name, const ClassScore& score) {
    fmt::format_to(to, "  {:<16} {:>15.2f}% {:>9.2f}%\n", name, 100 * score.Precision(), 100 * score.Recall());
  };
  rates("text alone", evaluation.turn_text);
  for (const TurnEndScore& pause : evaluation.turn_pauses) rates(fmt::format("{} ms", pause.pause_ms), pause.score);
}

}  // namespace loquat::understanding
